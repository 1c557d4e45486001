"""Trains a recurrent policy by policy gradient: clipped ratios of densities, a baseline, a bonus for wide draws.

Each trial that the policy drew is an episode of one step. Trainings are dear, so every episode is used in several
updates, which is what clipping permits.

Source: Williams, "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning" (1992),
for the gradient and its baseline; Schulman et al., "Proximal Policy Optimization Algorithms" (2017), equation 7, for
clipping; Wierstra et al., "Natural Evolution Strategies" (2014), for rewards by rank; Kingma and Ba, "Adam" (2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meristem.bayesopt.kernel import Array, Mask
from meristem.controllers.recurrent import Read, RecurrentPolicy

# Chosen on random mixed problems that are in no benchmark. Half or twice as much makes little difference.
CLIP, ENTROPY, RATE = 0.3, 0.01, 0.01
ROUNDS = 6  # updates for each trial that ends …
WINDOW = 32  # … each on so many of the latest episodes
_FEWEST = 8
_DECAY, _DECAY_OF_SQUARES, _TINY = 0.9, 0.999, 1e-8
_LARGEST = 10.0  # of a logarithm of a ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A trial that the policy drew.

    Attributes:
        number: The trial's number.
        after: Those of the trials that were read.
        read: What the policy read, for this one draw.
        strategy: What was tried, shape (d,), in the unit cube.
        counts: Which of its numbers exist and were the policy's to choose, shape (d,).
        log_density: Of the strategy when it was drawn.
    """

    number: int
    after: Sequence[int]
    read: Read
    strategy: Array
    counts: Mask
    log_density: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """n episodes as arrays; `advantages`, shape (n,), say by how much each was better than the average."""

    read: Read
    strategies: Array
    counts: Mask
    log_densities: Array
    advantages: Array

    @classmethod
    def of(cls, episodes: Sequence[Episode], advantages: Array) -> Batch:
        return cls(
            read=Read.stack([one.read for one in episodes]),
            strategies=np.array([one.strategy for one in episodes]),
            counts=np.array([one.counts for one in episodes]),
            log_densities=np.array([one.log_density for one in episodes]),
            advantages=advantages,
        )


class Training:
    """A policy, its weights as they are after all episodes that it was told, and what Adam remembers."""

    def __init__(self, policy: RecurrentPolicy, rng: np.random.Generator) -> None:
        self.policy, self.weights = policy, policy.first_weights(rng)
        self.episodes: list[Episode] = []
        self._mean, self._squares, self._steps = np.zeros(policy.size), np.zeros(policy.size), 0

    def learn(self, places: Array) -> None:
        """Updates the weights by the latest episodes.

        Args:
            places: Their places by reward, shape (n,) with n at most `WINDOW`, 0 the best; equal ones share.
        """
        if len(places) < _FEWEST:
            return
        batch = Batch.of(self.episodes[-len(places) :], advantages(places))
        for _ in range(ROUNDS):
            self._step(loss_and_gradient(self.policy, self.weights, batch)[1])

    def _step(self, gradient: Array) -> None:
        self._steps += 1
        self._mean = _DECAY * self._mean + (1.0 - _DECAY) * gradient
        self._squares = _DECAY_OF_SQUARES * self._squares + (1.0 - _DECAY_OF_SQUARES) * gradient**2
        mean = self._mean / (1.0 - _DECAY**self._steps)
        squares = self._squares / (1.0 - _DECAY_OF_SQUARES**self._steps)
        self.weights = self.weights - RATE * mean / (np.sqrt(squares) + _TINY)


def loss_and_gradient(policy: RecurrentPolicy, weights: Array, batch: Batch) -> tuple[float, Array]:
    """What an update makes smaller: minus the clipped gain, minus the bonus; and its gradient, shape (size,)."""
    draws = policy.draws(weights, batch.read)
    apart = np.clip(draws.log_density(batch.strategies, batch.counts) - batch.log_densities, -_LARGEST, _LARGEST)
    ratio = np.exp(apart)
    gain, held = ratio * batch.advantages, np.clip(ratio, 1.0 - CLIP, 1.0 + CLIP) * batch.advantages
    bonus = ENTROPY / max(1.0, float(batch.counts.sum()))
    loss = -float(np.minimum(gain, held).mean()) - bonus * float(np.where(batch.counts, draws.log_spread, 0.0).sum())

    # Where clipping holds the gain down, it is constant.
    moves = (gain <= held) & (np.abs(apart) < _LARGEST)
    by_density = np.where(moves, -gain / len(gain), 0.0)[:, None]
    spread = np.exp(draws.log_spread)
    off = (batch.strategies - draws.mean) / spread
    by_mean = np.where(batch.counts, by_density * off / spread, 0.0)
    by_log_spread = np.where(batch.counts, by_density * (off**2 - 1.0) - bonus, 0.0)
    return loss, policy.gradient(weights, batch.read, by_mean, by_log_spread)


def advantages(places: Array) -> Array:
    """Rewards by place, shape (n,), less their mean: the better half is told apart, the worse half is alike.

    So neither the scale of losses nor a single absurd one matters.
    """
    count = len(places)
    utility = np.maximum(0.0, np.log(count / 2.0 + 1.0) - np.log(places + 1.0))
    return np.asarray(utility * count / utility.sum() - 1.0, dtype=float)


def shared_places(*keys: Array) -> Array:
    """The places of n things by `keys`, shape (n,) each, the first counts most; 0 the smallest, equal ones share.

    Returns:
        Shape (n,): of equal ones the mean of their places.
    """
    count = len(keys[0])
    order = np.lexsort(keys[::-1])
    differs = np.zeros(count, dtype=bool)
    for key in keys:
        differs[1:] |= key[order][1:] != key[order][:-1]
    group = np.cumsum(differs)
    mean = np.bincount(group, weights=np.arange(count)) / np.bincount(group) if count else np.zeros(0)
    found = np.empty(count)
    found[order] = mean[group]
    return found
