"""A baseline that comes to nothing: no limit relative to it can be kept, so the study ends and says so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import meristem as ms
from fakes import ScriptedExecutor, failed
from meristem.errors import NoBestTrial, StudyError, TooManyFailures
from meristem.objective import Goals
from meristem.reports.evidence import Evidence
from meristem.spool import Measurement
from meristem.store.rows import TrialRow
from meristem.study.early_stopping import EarlyStopping
from meristem.study.leaders import Leaders, baseline_of

LIMIT = "latency <= 1.1 * baseline"
MARK = {"by": "user", "baseline": True}
GONE = r"the baseline, trial 1, failed \(boom\), so that no trial can keep 'latency <= 1.1 \* baseline'"


def make_study() -> ms.Study:
    space = {"x": ms.Float(0, 1)}
    return ms.Study("s", space=space, objective="acc", outcome_constraints=[LIMIT], controller="random", seed=1)


def measured(attempt: Any) -> dict[str, float]:
    return {"acc": attempt.parameters["x"], "latency": 1 + attempt.parameters["x"]}


def bad_center(attempt: Any) -> Any:
    return failed("boom") if attempt.parameters["x"] == 0.5 else measured(attempt)


def test_a_run_whose_baseline_fails_ends_and_says_why() -> None:
    study = make_study()
    with pytest.raises(TooManyFailures, match=GONE):
        study.run(executor=ScriptedExecutor(bad_center), trials=15, handlers=[])
    assert [t.status for t in study.trials] == ["failed"]
    with pytest.raises(NoBestTrial, match=GONE):
        _ = study.best


def test_the_next_run_tries_the_baseline_again() -> None:
    study = make_study()
    study.enqueue({"x": 0.25}, baseline=True)
    with pytest.raises(TooManyFailures, match="the baseline, trial 1, failed"):
        study.run(executor=ScriptedExecutor(lambda a: failed("boom")), trials=15, handlers=[])
    study.run(executor=ScriptedExecutor(measured), trials=6, handlers=[])
    assert [t["x"] for t in study.trials[:2]] == [0.25, 0.25]
    assert study.best["x"] <= 1.1 * 1.25 - 1


def test_another_that_is_marked_takes_its_place() -> None:
    study = make_study()
    study.enqueue({"x": 0.5}, baseline=True)
    study.enqueue({"x": 0.2}, baseline=True)
    study.run(executor=ScriptedExecutor(bad_center), trials=6, handlers=[])
    assert study.best["x"] <= 1.1 * 1.2 - 1


def test_a_baseline_that_is_tried_again_at_once_has_not_failed() -> None:
    study = make_study()
    tries = iter([failed("boom")])
    executor = ScriptedExecutor(lambda a: next(tries, measured(a)))
    study.run(executor=executor, trials=3, retries=1, handlers=[])
    assert study.best.status == "completed"


def test_who_asks_and_tells_hears_of_it_at_the_next_trial() -> None:
    study = make_study()
    study.tell(study.ask(), failed="boom")
    with pytest.raises(StudyError, match=GONE):
        study.ask()
    study.enqueue({"x": 0.1}, baseline=True)
    study.tell(study.ask(), acc=0.1, latency=1.0)
    assert study.ask().number == 3
    assert study.best.number == 2


def test_a_baseline_without_the_metric_of_its_limit_is_none() -> None:
    leaders = Leaders(Goals.parse("acc", [LIMIT]))
    for number, metrics in ((1, {"acc": 1.0}), (2, {"acc": 1.0, "latency": float("nan")})):
        leaders.take(TrialRow(number=number, status="completed", parameters={}, metrics=metrics, loss=0.0, origin=MARK))
        assert leaders.baseline is None
        assert f"trial {number}, gave no finite 'latency'" in (leaders.why_no_baseline([]) or "")
    waiting = TrialRow(number=3, status="waiting", parameters={}, origin=MARK)
    assert leaders.why_no_baseline([waiting]) is None


def test_the_baseline_is_not_stopped_early() -> None:
    class Never:
        def why_stop(self, curve: Any, others: Any) -> str | None:
            return "hopeless"

    report = [Measurement(metric="acc", value=1.0, step=1)]
    for limits, expected in (([LIMIT], None), ([], "hopeless")):
        early = EarlyStopping(Never(), Goals.parse("acc", limits))
        early.start(TrialRow(number=1, status="running", parameters={}, origin=MARK))
        early.start(TrialRow(number=2, status="running", parameters={}))
        assert (early.why_stop(1, report), early.why_stop(2, report)) == (expected, "hopeless")


def test_the_report_takes_the_same_trial_for_the_baseline_as_the_study() -> None:
    study = make_study()
    study.enqueue({"x": 0.1}, baseline=True)
    study.tell(study.ask(), acc=1.0)  # without the metric of the limit it is none
    study.enqueue({"x": 0.2}, baseline=True)
    study.tell(study.ask(), acc=2.0, latency=10.0)
    study.attach({"x": 0.3}, acc=3.0, latency=10.5)
    study.attach({"x": 0.4}, acc=4.0, latency=12.0)
    evidence = Evidence(study)
    assert evidence.baseline is not None
    assert evidence.baseline.number == 2
    assert study.best.number == 3
    assert [t.number for t in evidence.completed if evidence.keeps_limits(t)] == [2, 3]


@given(st.permutations(range(1, 6)), st.lists(st.booleans(), min_size=5, max_size=5))
def test_the_baseline_is_the_same_read_whole_or_as_trials_end(order: list[int], known: list[bool]) -> None:
    goals = Goals.parse("acc", [LIMIT])
    leaders, rows = Leaders(goals), []
    for number in order:
        metrics = {"acc": 1.0, **({"latency": float(number)} if known[number - 1] else {})}
        origin = MARK if number % 2 else {}
        rows.append(TrialRow(number=number, status="completed", parameters={}, metrics=metrics, origin=origin))
        leaders.take(rows[-1])
    found = baseline_of(rows, goals)
    assert leaders.baseline == (None if found is None else found.metrics)
