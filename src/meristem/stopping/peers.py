"""The curves beside that of a trial, and where the trial stands among them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeAlias, overload

from meristem.stopping.curve import Curve

Grouping: TypeAlias = Callable[[int, int], Hashable]  # of a trial's number and its bracket


class Peers(Sequence[Curve]):
    """A sequence of curves that also answers what rules ask of it.

    The answers here go through all the curves, and so say what they mean. A study hands its rules peers that
    give the same answers from what it keeps up to date (`curves.Curves.others`): to ask costs the same however
    many trials there were, to go through the curves does not.

    Args:
        silent: The empty curves of trials that ended without a report. They are no part of the sequence.
    """

    def __init__(self, curves: Iterable[Curve], *, silent: Iterable[Curve] = ()) -> None:
        self._curves, self._silent = tuple(curves), tuple(silent)

    @property
    def silent(self) -> tuple[Curve, ...]:
        """The empty curves of trials that ended without a report: nobody need wait for them."""
        return self._silent

    def place(self, step: float, loss: float) -> tuple[int, int]:
        """How many curves are below `loss` at `step`, and how many are known there."""
        found = [at for curve in self if (at := curve.at(step)) is not None]
        return sum(at < loss for at in found), len(found)

    def any_lower_until(self, step: float, loss: float) -> bool:
        """Whether a curve was ever below `loss` up to `step`."""
        return any((lowest := curve.lowest(step)) is not None and lowest < loss for curve in self)

    def any_lower_by(self, step: float, loss: float) -> bool:
        """Whether a curve is below `loss` at `step`, or ended below it before; one still on its way there is not."""
        return any((at := _loss_by(curve, step)) is not None and at < loss for curve in self)

    def alike(self, curve: Curve, by: Grouping) -> Peers:
        """Those of the same group as `curve`.

        Args:
            by: Gives the group, always the same one. Hand over the same function each time: what is known of
                its groups is kept by it.
        """
        group = by(curve.trial, curve.bracket)

        def among(curves: Iterable[Curve]) -> Iterator[Curve]:
            return (peer for peer in curves if by(peer.trial, peer.bracket) == group)

        return Peers(among(self), silent=among(self.silent))

    def _all(self) -> tuple[Curve, ...]:
        return self._curves

    @overload
    def __getitem__(self, place: int) -> Curve: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Curve, ...]: ...
    def __getitem__(self, place: int | slice) -> Curve | tuple[Curve, ...]:
        return self._all()[place]

    def __iter__(self) -> Iterator[Curve]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def peers_of(others: Sequence[Curve]) -> Peers:
    """`others` as peers; any sequence of curves may stand for them."""
    return others if isinstance(others, Peers) else Peers(others)


def _loss_by(curve: Curve, step: float) -> float | None:
    """The loss at `step`; of one that ended earlier its last, of one that has not come so far None."""
    if curve.steps and not curve.running and curve.steps[-1] < step:
        return curve.losses[-1]
    return curve.at(step)
