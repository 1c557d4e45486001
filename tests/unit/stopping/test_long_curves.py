"""What a report costs does not grow with those that its trial made before; what was shown stays as it was."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.stopping.combined import Auto
from meristem.stopping.curve import Curve
from meristem.stopping.curves import Curves
from meristem.stopping.halving import Asha, Hyperband, SuccessiveHalving
from meristem.stopping.own_curve import Patience, Threshold
from meristem.stopping.percentile import Median, Percentile
from meristem.stopping.rule import StoppingRule

RULES: dict[str, Callable[[], StoppingRule]] = {
    "asha": Asha,
    "auto": Auto,
    "hyperband": Hyperband,
    "median": Median,
    "median, each 10": lambda: Median(interval=10),
    "patience": Patience,
    "patience by 0.01": lambda: Patience(by=0.01),
    "percentile": lambda: Percentile(min_curves=2),
    "successive_halving": lambda: SuccessiveHalving(cohort=4),
    "threshold": lambda: Threshold(2.0),
}
EARLY, LATE = range(90, 110), range(1490, 1510)


class Loss(float):
    """A loss that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: float) -> bool:
        Loss.compared += 1
        return float(self) < other

    def __gt__(self, other: float) -> bool:
        Loss.compared += 1
        return float(self) > other

    def __le__(self, other: float) -> bool:
        Loss.compared += 1
        return float(self) <= other

    def __ge__(self, other: float) -> bool:
        Loss.compared += 1
        return float(self) >= other


def long_trial(rule: StoppingRule, loss: Callable[[int], float], peaks: list[int]) -> Iterator[int]:
    """Reports step by step beside three others, asking at each; gives how many losses were compared for it."""
    curves = Curves()
    for other in (2, 3, 4):
        for step in (1, 50, 5000):
            curves.report(other, step, Loss(0.5 - step / 20000))
    for step in range(1, LATE[-1] + 1):
        before = Loss.compared
        curves.report(1, step, Loss(loss(step)))
        if tracemalloc.is_tracing():
            tracemalloc.reset_peak()
        start = tracemalloc.get_traced_memory()[0]
        rule.why_stop(curves.curve(1), curves.others(1))
        peaks.append(tracemalloc.get_traced_memory()[1] - start)
        yield Loss.compared - before


@pytest.mark.parametrize("shape", [lambda step: 1 / step, lambda step: 1 - 1 / step], ids=["falling", "rising"])
@pytest.mark.parametrize("name", RULES)
def test_a_late_report_costs_no_more_than_an_early_one(name: str, shape: Callable[[int], float]) -> None:
    compared: list[int] = []
    peaks: list[int] = []
    for count in long_trial(RULES[name](), shape, peaks):
        compared.append(count)
        if len(compared) == LATE[0] - 10:
            tracemalloc.start()
    tracemalloc.stop()
    early, late = ([compared[step - 1] for step in steps] for steps in (EARLY, LATE))
    assert max(late) <= max(early) + 20
    assert min(peaks[step - 1] for step in LATE) < 8_000, "bytes for one question: the curve was copied"


losses = st.one_of(st.floats(-10, 10), st.sampled_from([math.nan, math.inf]), st.integers(0, 3))
reports = st.lists(st.tuples(st.sampled_from([1, 1, 1, 0, -1, 0.5]), losses), max_size=25)


def grown(reports: list[tuple[float, float]]) -> Iterator[tuple[Curve, Curve]]:
    """After each report the curve as a study shows it, and one that was made of the same reports at once."""
    curves, told, last = Curves(), dict[float, float](), 0.0
    for ahead, loss in reports:
        last += ahead
        told[last] = loss
        curves.report(1, last, loss)
        last = max(told)
        yield curves.curve(1), Curve(trial=1, steps=tuple(told), losses=tuple(told.values()), running=True)


@given(reports, st.sampled_from([0, 0.5, 3]))
def test_a_curve_that_grew_is_as_one_made_at_once_and_stays_as_it_was_shown(
    reports: list[tuple[float, float]], by: float
) -> None:
    shown = []
    for found, plain in grown(reports):
        assert (found, hash(found), repr(found)) == (plain, hash(plain), repr(plain))
        assert (found.best, found.improved(by)) == (plain.best, plain.improved(by))
        shown.append((found, plain))
    for found, plain in shown:  # also once there were more reports, out of order or replaced among them
        assert found == plain
        assert (found.best, found.improved(by), found.at(2.5)) == (plain.best, plain.improved(by), plain.at(2.5))
        assert [found.lowest(step) for step in (0, 1, 2.5, 9)] == [plain.lowest(step) for step in (0, 1, 2.5, 9)]


@given(reports, st.sampled_from([0, 0.5, 3]))
def test_the_last_improvement_is_that_of_going_through_the_reports(
    reports: list[tuple[float, float]], by: float
) -> None:
    for found, _plain in grown(reports):
        improved, best = found.steps[0], found.losses[0]
        for step, loss in zip(found.steps, found.losses, strict=True):
            if loss < best - by:
                improved, best = step, loss
        assert found.improved(by) == improved
        assert found.best == min(found.losses)


def test_nothing_is_known_of_a_curve_without_reports() -> None:
    empty = Curve(trial=1, steps=(), losses=(), running=True)
    assert (empty.last_step, empty.best, empty.improved(), empty.lowest(1), empty.at(1)) == (None,) * 5


def test_the_losses_of_a_curve_read_as_a_tuple_does() -> None:
    curves = Curves()
    for step in (1, 2, 3, 4):
        curves.report(1, step, 1 / step)
    found, plain = curves.curve(1).losses, (1, 1 / 2, 1 / 3, 1 / 4)
    curves.report(1, 5, 0.0)
    assert (found == plain, plain == found, found == list(plain), found != plain) == (True, True, True, False)
    assert (found[-1], found[0], found[-2:], found[::2], found[9:]) == (1 / 4, 1, plain[-2:], plain[::2], ())
    assert (len(found), min(found), list(found), list(reversed(found))) == (4, 1 / 4, list(plain), list(plain[::-1]))
    assert (0.5 in found, 0.0 in found, found == 3, found.index(0.5)) == (True, False, False, 1)
    with pytest.raises(IndexError):
        found[4]
