"""Trials of the caller's own: begun, measured, stopped and told by hand, from whatever process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import meristem as ms
from fakes import ScriptedExecutor
from meristem.errors import ParameterError, StudyError
from meristem.store.rows import TrialRow
from meristem.store.store import Store
from meristem.study.ledger import Ledger


def make(**options: Any) -> ms.Study:
    return ms.Study("s", **{"space": {"x": ms.Float(0, 1)}, "objective": "a", "controller": "random", **options})


def kinds(study: ms.Study) -> list[str]:
    return [event.kind.value for event in study.events()][1:]


def test_what_was_run_elsewhere_is_stored_in_one_change(monkeypatch: pytest.MonkeyPatch) -> None:
    study, changes = make(), []
    apply = study.store.commits.apply
    monkeypatch.setattr(study.store.commits, "apply", lambda change: changes.append(change) or apply(change))
    done = study.attach({"x": 0.5}, 1.0)
    bad = study.attach({"x": 0.25}, failed="burnt")
    assert len(changes) == 2
    assert (done.value, done.origin["attached"], bad.error) == (1.0, True, "burnt")
    assert kinds(study) == ["trial_started", "trial_ended"] * 2
    assert study.best.number == 1
    assert study.ask().number == 3


def test_a_reason_that_is_none_adds_nothing() -> None:
    study = make()
    with pytest.raises(ms.InputError, match="no reason"):
        study.attach({"x": 0.5}, failed=True)  # type: ignore[arg-type]
    assert study.trials == []


def half_begun(study: ms.Study) -> TrialRow:
    """A trial as a crash between two changes left it in studies of earlier versions."""
    ledger = Ledger(study.store, study.store.studies.get("s"), study.definition)
    ledger.sync()
    return ledger.add(TrialRow(number=0, status="waiting", parameters={"x": 0.5}, run_by="caller"))


def test_a_trial_that_was_left_half_begun_goes_to_whoever_comes_next() -> None:
    study = make(store=Store())
    half_begun(study)
    assert study.ask().number == 1
    half_begun(study)
    study.run(executor=ScriptedExecutor(lambda attempt: {"a": 2.0}), trials=1, handlers=[])
    assert study.best.number == 2
    half_begun(study)
    assert study.abandon(3).status == "abandoned"
    with pytest.raises(ms.InputError, match="no trial 9"):
        study.abandon(9)


def test_a_trial_that_an_engine_took_is_the_engines() -> None:
    study = make(store=Store())
    half_begun(study)
    refused: list[str] = []

    def tell(attempt: Any) -> Any:
        with pytest.raises(ms.InputError) as caught:
            study.tell(attempt.number, 1.0)
        refused.append(str(caught.value))
        return {"a": 2.0}

    study.run(executor=ScriptedExecutor(tell), trials=1, handlers=[])
    assert refused == ["Trial 1 is run by an engine, which tells its result itself."]


def test_a_trial_of_ones_own_goes_on_in_another_process() -> None:
    store = Store()
    begun = make(store=store).begin({"x": 0.25}, origin={"note": "night shift"})
    begun.report(step=1, a=(0.5, 0.1))
    elsewhere = ms.Study.open("s", store=store)
    elsewhere.record(begun.number, 2, a=0.75, seconds=3)
    assert [(m.metric, m.step, m.value, m.sem) for m in elsewhere.measurements(1)] == [
        ("a", 1, 0.5, 0.1), ("a", 2, 0.75, None), ("seconds", 2, 3.0, None),
    ]  # fmt: skip
    told = elsewhere.tell(begun.number, {})
    assert (told.value, told.origin) == (0.75, {"by": "user", "note": "night shift"})
    assert kinds(elsewhere) == ["trial_started", "measurement_reported", "measurement_reported", "trial_ended"]


def test_missing_parameters_are_filled_in_and_what_lies_outside_is_refused() -> None:
    study = make(space={"x": ms.Float(0, 1), "n": ms.Int(1, 9, default=3)})
    assert study.begin({"x": 0.25}).parameters == {"x": 0.25, "n": 3}
    with pytest.raises(ParameterError, match="x"):
        study.begin({"x": 7})
    with pytest.raises(ms.InputError, match="no mapping of JSON values"):
        study.begin({"x": 0.5}, origin={"who": object()})


def test_a_trial_that_is_stopped_early_counts_and_is_never_the_best() -> None:
    study = make()
    number = study.begin({"x": 0.25}).number
    with pytest.raises(StudyError, match=r"Trial 1 has measured nothing.*abandon\(\)"):
        study.stop_trial(number)
    study.record(number, 1, a=9.0)
    stopped = study.stop_trial(number, "hopeless")
    study.tell(study.begin({"x": 0.5}), 1.0)
    assert (stopped.status, stopped.error, stopped.metrics) == ("stopped", "hopeless", {"a": 9.0})
    assert study.best.number == 2


def test_only_what_the_caller_runs_can_be_measured_and_stopped() -> None:
    study = make(store=Store())
    mine, other = study.begin({"x": 0.25}), ms.Study.open("s", store=study.store)
    study.record(mine, a=1.0)
    other.tell(mine.number, 2.0)
    for act in (lambda: study.record(mine, a=2.0), lambda: mine.report(a=2.0), lambda: study.stop_trial(mine)):
        with pytest.raises(StudyError, match="Trial 1 is completed: only a running trial"):
            act()
    assert [m.value for m in study.measurements(1)] == [1.0]
    waiting = study.enqueue({"x": 0.5})
    with pytest.raises(StudyError, match="Trial 2 is waiting"):
        study.record(waiting, a=1.0)
    with pytest.raises(ms.InputError, match="no trial 7"):
        study.record(7, a=1.0)
    refused: list[str] = []

    def act(attempt: Any) -> Any:
        for move in (lambda: study.record(2, a=1.0), lambda: study.stop_trial(2)):
            with pytest.raises(ms.InputError) as caught:
                move()
            refused.append(str(caught.value))
        return 1.0

    study.run(executor=ScriptedExecutor(act), trials=2, handlers=[])
    assert refused == ["Trial 2 is run by an engine, which tells its result itself."] * 2


def test_a_baseline_may_be_a_trial_of_ones_own() -> None:
    study = make(outcome_constraints=["size <= 1.5 * baseline"])
    study.tell(study.begin({"x": 0.5}, baseline=True), a=1.0, size=10)
    study.attach({"x": 0.25}, a=3.0, size=20)
    study.attach({"x": 0.75}, a=2.0, size=15)
    assert study.best.number == 3


RULE = {"name": "median", "args": {"min_curves": 2}}


def curve(study: ms.Study, x: float, *values: float) -> int:
    number = study.begin({"x": x}).number
    for step, value in enumerate(values, start=1):
        study.record(number, step, a=value)
    return number


def test_a_rule_says_which_running_trial_is_hopeless_as_news_come_from_anywhere() -> None:
    study = make(store=Store())
    for x in (0.1, 0.2):
        study.tell(curve(study, x, 1.0, 2.0), 2.0)
    trial = curve(study, 0.3, 1.0)
    assert study.why_stop(trial, RULE) is None
    other = ms.Study.open("s", store=study.store)
    other.record(trial, 2, a=0.5)
    assert "2 of 2 others were better" in (study.why_stop(trial, RULE) or "")
    assert "the best of each 2 go on" in (study.why_stop(trial) or "")  # by another rule
    other.record(trial, 2, a=5.0)  # a step that is told again counts as it was told last
    assert study.why_stop(trial, RULE) is None
    assert study.why_stop(study.begin({"x": 0.4}), RULE) is None  # it has reported nothing
    study.record(trial, 3, a=0.0)
    study.tell(curve(study, 0.5, 1.0, 2.0, 3.0), 3.0)
    late = curve(study, 0.6, 1.0, 2.0, 0.0)
    other.abandon(late)
    assert study.why_stop(late, RULE) is None  # it does not run
    with pytest.raises(ms.InputError, match="no trial 99"):
        study.why_stop(99)
    with pytest.raises(ms.InputError, match="Did you mean 'median'"):
        study.why_stop(trial, "medain")


def test_asking_again_reads_only_what_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    study, read = make(), []
    for x in (0.1, 0.2, 0.3):
        study.tell(curve(study, x, 1.0, 2.0), 2.0)
    trial = curve(study, 0.4, 1.0)
    list_reports = study.store.trials.list_reports

    def counted(*args: Any, **options: Any) -> Any:
        found = list_reports(*args, **options)
        read.append(len(found))
        return found

    monkeypatch.setattr(study.store.trials, "list_reports", counted)
    study.why_stop(trial, RULE)
    study.record(trial, 2, a=1.0)
    study.why_stop(trial, RULE)
    assert read == [7, 2]


def fresh_answer(study: ms.Study, trial: int) -> str | None:
    return ms.Study.open("s", store=study.store).why_stop(trial, RULE)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(0, 4), st.booleans()), max_size=15))
@settings(max_examples=20)
def test_what_is_kept_gives_the_answers_of_what_is_read_anew(moves: list[tuple[int, int, int, bool]]) -> None:
    study = make(store=Store())
    numbers = [study.begin({"x": x / 10}).number for x in range(4)]
    for which, step, value, ends in moves:
        if study.get_trial(numbers[which]).status == "running":
            study.record(numbers[which], step, a=float(value))
            if ends and which:
                study.tell(numbers[which], {})
        assert study.why_stop(numbers[0], RULE) == fresh_answer(study, numbers[0])


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_threads_may_ask_and_tell_side_by_side(kind: str, tmp_path: Path) -> None:
    study = make(store=None if kind == "memory" else f"sqlite:///{tmp_path}/s.db", seed=1)

    def one(_: int) -> int:
        trial = study.ask()
        trial.report(step=1, a=trial["x"])
        return study.tell(trial, trial["x"]).number

    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(one, range(24)))
    assert sorted(told) == list(range(1, 25))
    study.run(executor=ScriptedExecutor(), trials=30, handlers=[])  # it counts each of them once
    assert study.counts() == {"completed": 30}


def test_threads_that_ask_first_mark_one_baseline() -> None:
    study = make(outcome_constraints=["size <= 1.5 * baseline"], seed=1)
    with ThreadPoolExecutor(4) as threads:
        asked = list(threads.map(lambda _: study.ask(), range(8)))
    assert [bool(trial.origin.get("baseline")) for trial in sorted(asked, key=lambda t: t.number)] == [True] + [
        False
    ] * 7
