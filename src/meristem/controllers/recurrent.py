"""A recurrent policy: reads strategies that were tried, one after another, and says where to draw the next one.

A gated recurrent unit reads them from the worst to the best. Its last state gives a normal distribution: around a
mixture of the strategies that it read, drifted by at most one standard deviation, as wide as it thinks fit. Drifts
count in standard deviations, so that searching finely needs no other network than searching coarsely. It is plain
numpy with gradients by hand; who trains it is `policy_gradient`. It knows nothing of spaces: a strategy is a vector in
the unit cube.

Source: Yang et al., "Searching Learning Strategy with Reinforcement Learning for 3D Medical Image Segmentation",
MICCAI 2019 (arXiv 2006.05847), for a recurrent network that reads the previous strategy and gives the next one; Cho et
al., "Learning Phrase Representations using RNN Encoder-Decoder" (2014), for the unit. The mixture is ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from meristem.bayesopt.kernel import Array, Mask

NARROWEST, WIDEST, FIRST = 0.01, 0.4, 0.2  # standard deviations, as shares of a parameter's range
_MIDDLE = 0.5 * (math.log(NARROWEST) + math.log(WIDEST))
_HALF = 0.5 * (math.log(WIDEST) - math.log(NARROWEST))
_LOG_TWO_PI = math.log(2.0 * math.pi)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What the policy reads before it draws, for n draws, at most t strategies each; at least the last one exists.

    Attributes:
        features: What describes the strategies, shape (t, n, f).
        strategies: Where they are in the unit cube, shape (t, n, d).
        there: Which of them exist, shape (t, n).
    """

    features: Array
    strategies: Array
    there: Mask

    @classmethod
    def stack(cls, several: Sequence[Read]) -> Read:
        """Those for one draw each, as one."""
        return cls(
            features=np.concatenate([one.features for one in several], axis=1),
            strategies=np.concatenate([one.strategies for one in several], axis=1),
            there=np.concatenate([one.there for one in several], axis=1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Normal distributions of n strategies: means and logarithms of standard deviations, shape (n, d) each."""

    mean: Array
    log_spread: Array

    def log_density(self, strategies: Array, counts: Mask) -> Array:
        """Of `strategies`, shape (n, d), by those numbers that count, shape (n, d); shape (n,)."""
        off = (strategies - self.mean) / np.exp(self.log_spread)
        each = -0.5 * off**2 - self.log_spread - 0.5 * _LOG_TWO_PI
        return np.asarray(np.where(counts, each, 0.0).sum(axis=1), dtype=float)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What the way back needs of one strategy that was read."""

    features: Array
    there: Mask
    before: Array
    keep: Array
    reset: Array
    new: Array


class RecurrentPolicy:
    """The network without its weights, which are one flat vector of length `size`.

    Args:
        features: How many numbers describe one strategy (f).
        numbers: How many a strategy consists of (d).
        length: How many strategies are read at most (t).
        hidden: How many numbers the unit remembers.
    """

    def __init__(self, features: int, numbers: int, length: int, hidden: int = 16) -> None:
        self.features, self.numbers, self.length, self.hidden = features, numbers, length, hidden
        shapes = {
            "gates_in": (features, 2 * hidden),
            "gates_back": (hidden, 2 * hidden),
            "gates_bias": (2 * hidden,),
            "new_in": (features, hidden),
            "new_back": (hidden, hidden),
            "new_bias": (hidden,),
            "out": (hidden, 2 * numbers + length),
            "out_bias": (2 * numbers + length,),
        }
        self._places: dict[str, tuple[slice, tuple[int, ...]]] = {}
        self.size = 0
        for name, shape in shapes.items():
            self._places[name] = slice(self.size, self.size + math.prod(shape)), shape
            self.size += math.prod(shape)

    def first_weights(self, rng: np.random.Generator) -> Array:
        """Weights by which all draws are as wide as `FIRST`, around mixtures in which the better count more."""
        weights = np.zeros(self.size)
        parts = self._parts(weights)
        for name in ("gates_in", "new_in", "gates_back", "new_back"):
            parts[name][...] = rng.standard_normal(parts[name].shape) / math.sqrt(max(1, len(parts[name])))
        parts["out_bias"][self.numbers : 2 * self.numbers] = math.atanh((math.log(FIRST) - _MIDDLE) / _HALF)
        parts["out_bias"][2 * self.numbers :] = np.log(np.arange(1, self.length + 1))
        return weights

    def draws(self, weights: Array, read: Read) -> Draws:
        """From where the next strategies are drawn."""
        parts = self._parts(weights)
        squashed, shares = self._outputs(parts, self._remember(parts, read)[0], read)
        return self._draws(squashed, shares, read)

    def gradient(self, weights: Array, read: Read, by_mean: Array, by_log_spread: Array) -> Array:
        """The gradient by the weights, shape (size,), of what has these gradients by the draws, shape (n, d)."""
        parts = self._parts(weights)
        state, steps = self._remember(parts, read)
        squashed, shares = self._outputs(parts, state, read)
        drift, spread = squashed[:, : self.numbers], np.exp(self._draws(squashed, shares, read).log_spread)
        by_share = np.einsum("tnd,nd->nt", read.strategies, by_mean)
        by_pull = shares * (by_share - (shares * by_share).sum(axis=1, keepdims=True))
        by_drift = by_mean * spread
        by_squashed = np.concatenate([by_drift, _HALF * (by_log_spread + by_drift * drift)], axis=1)
        by_out = np.concatenate([by_squashed * (1.0 - squashed**2), by_pull], axis=1)

        found = np.zeros(self.size)
        into = self._parts(found)
        into["out"][...] = state.T @ by_out
        into["out_bias"][...] = by_out.sum(axis=0)
        back = by_out @ parts["out"].T
        for step in reversed(steps):
            back = self._back(parts, into, step, back)
        return found

    def _parts(self, weights: Array) -> dict[str, Array]:
        return {name: weights[place].reshape(shape) for name, (place, shape) in self._places.items()}

    def _remember(self, parts: Mapping[str, Array], read: Read) -> tuple[Array, list[_Step]]:
        """The states after all strategies, shape (n, hidden), and the steps there."""
        state = np.zeros((read.features.shape[1], self.hidden))
        steps = []
        for features, exists in zip(read.features, read.there, strict=True):
            there = exists[:, None]
            gates = _sigmoid(features @ parts["gates_in"] + state @ parts["gates_back"] + parts["gates_bias"])
            keep, reset = gates[:, : self.hidden], gates[:, self.hidden :]
            new = np.tanh(features @ parts["new_in"] + (reset * state) @ parts["new_back"] + parts["new_bias"])
            steps.append(_Step(features=features, there=there, before=state, keep=keep, reset=reset, new=new))
            state = np.where(there, keep * state + (1.0 - keep) * new, state)
        return state, steps

    def _outputs(self, parts: Mapping[str, Array], state: Array, read: Read) -> tuple[Array, Array]:
        """Drifts and spreads as they come out of tanh, shape (n, 2 d), and shares of the mixture, shape (n, t)."""
        out = state @ parts["out"] + parts["out_bias"]
        pull = np.where(read.there.T, out[:, 2 * self.numbers :], -np.inf)
        shares = np.exp(pull - pull.max(axis=1, keepdims=True))
        return np.tanh(out[:, : 2 * self.numbers]), shares / shares.sum(axis=1, keepdims=True)

    def _draws(self, squashed: Array, shares: Array, read: Read) -> Draws:
        log_spread = _MIDDLE + _HALF * squashed[:, self.numbers :]
        mixture = np.einsum("tnd,nt->nd", read.strategies, shares)
        return Draws(mean=mixture + np.exp(log_spread) * squashed[:, : self.numbers], log_spread=log_spread)

    def _back(self, parts: Mapping[str, Array], into: Mapping[str, Array], step: _Step, back: Array) -> Array:
        """Adds the gradients of one step to `into`, and gives that by the state before it."""
        before, keep, reset, new = step.before, step.keep, step.reset, step.new
        through = np.where(step.there, back, 0.0)
        by_new = through * (1.0 - keep) * (1.0 - new**2)
        by_reset = by_new @ parts["new_back"].T
        by_gates = np.concatenate(
            [through * (before - new) * keep * (1.0 - keep), by_reset * before * reset * (1.0 - reset)], axis=1
        )
        into["new_in"][...] += step.features.T @ by_new
        into["new_back"][...] += (reset * before).T @ by_new
        into["new_bias"][...] += by_new.sum(axis=0)
        into["gates_in"][...] += step.features.T @ by_gates
        into["gates_back"][...] += before.T @ by_gates
        into["gates_bias"][...] += by_gates.sum(axis=0)
        by_before = through * keep + by_reset * reset + by_gates @ parts["gates_back"].T
        return np.asarray(np.where(step.there, by_before, back), dtype=float)


def _sigmoid(values: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)), dtype=float)
