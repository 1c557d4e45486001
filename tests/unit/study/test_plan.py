"""When a run ends, and how many trials may be started: pure rules."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.errors import InputError
from meristem.space import Float, Int, Space
from meristem.statuses import StudyStatus
from meristem.study.plan import Ending, Plan, RunCounts, open_slots, room, settled, why_end

NOW = RunCounts(ended=0, ended_now=0, failed_now=0, since_best=0, elapsed=0.0, running=0)


def test_a_run_goes_on_while_trials_of_its_budget_run() -> None:
    plan = Plan(trials=10)
    assert why_end(plan, replace(NOW, ended=10, running=1)) is None
    assert why_end(plan, replace(NOW, ended=10)) == Ending(
        status=StudyStatus.COMPLETED, message="all 10 trials are done"
    )


def test_time_and_stagnation_end_a_run() -> None:
    assert why_end(Plan(seconds=5), replace(NOW, elapsed=4.9)) is None
    assert "time of 5 s" in why_end(Plan(seconds=5), replace(NOW, elapsed=5.0)).message  # type: ignore[union-attr]
    assert why_end(Plan(without_improvement=3), replace(NOW, since_best=2)) is None
    assert why_end(Plan(without_improvement=3), replace(NOW, since_best=3)) is not None


def test_the_failure_rate_is_that_of_this_run() -> None:
    plan = Plan(max_failure_rate=0.5, min_failures_before_abort=3)
    assert why_end(plan, replace(NOW, ended=100, ended_now=4, failed_now=2)) is None
    assert why_end(plan, replace(NOW, ended=100, ended_now=6, failed_now=3)) is None
    found = why_end(plan, replace(NOW, ended=100, ended_now=5, failed_now=3))
    assert found is not None
    assert found.status == StudyStatus.FAILED


def test_a_budget_of_failures_only_is_a_failure_unless_failures_are_allowed() -> None:
    done = Ending(status=StudyStatus.COMPLETED, message="all 2 trials are done")
    hopeless = replace(NOW, ended_now=2, failed_now=2, anything_measured=False)
    assert settled(Plan(), done, hopeless).status == StudyStatus.FAILED
    assert settled(Plan(max_failure_rate=1.0), done, hopeless) == done
    assert settled(Plan(), done, replace(hopeless, anything_measured=True)) == done
    assert settled(Plan(), done, replace(hopeless, failed_now=1)) == done
    stopped = Ending(status=StudyStatus.STOPPED, message="enough")
    assert settled(Plan(), stopped, hopeless) == stopped


@pytest.mark.parametrize(
    ("trials", "ended", "running", "slots", "free"),
    [(10, 0, 0, 4, 4), (10, 7, 2, 4, 1), (10, 8, 2, 4, 0), (None, 99, 3, 4, 1), (5, 9, 0, 4, 0), (None, 0, 5, 4, 0)],
)
def test_room_never_exceeds_slots_nor_budget(
    trials: int | None, ended: int, running: int, slots: int, free: int
) -> None:
    open_now = len(open_slots(slots, taken=range(running), suspended=()))
    assert room(Plan(trials=trials), ended=ended, running=running, free=open_now) == free


def test_a_finite_space_or_any_limit_bounds_a_run() -> None:
    endless = Space({"x": Float(0, 1)})
    assert not Plan().is_bounded(endless)
    assert Plan(seconds=1).is_bounded(endless)
    assert Plan().is_bounded(Space({"x": Int(0, 9)}))


@pytest.mark.parametrize("settings", [{"timeout": 0}, {"grace": None}, {"grace": -1}, {"seconds": "1"}, {"trials": 0}])
def test_what_is_no_setting_is_refused_by_name(settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        Plan(**settings)  # type: ignore[arg-type]


@given(
    count=st.integers(1, 6),
    taken=st.lists(st.one_of(st.none(), st.integers(0, 8)), max_size=8),
    suspended=st.sets(st.integers(0, 8)),
)
def test_trials_start_only_in_slots_that_are_free_and_not_suspended(
    count: int, taken: list[int | None], suspended: set[int]
) -> None:
    found = open_slots(count, taken=taken, suspended=suspended)
    assert found == sorted(set(found))
    assert set(found) <= set(range(count)) - set(taken) - suspended
    assert len(found) + len(taken) <= max(count, len(taken))  # also where trials of elsewhere were taken up
    if not suspended and len(set(taken) & set(range(count))) == len(taken):
        assert len(found) == count - len(taken)  # none is left free for nothing
