"""The eight promises of the engine, and what surrounds them."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import meristem as ms
from fakes import ListController, Recorder, ScriptedExecutor, failed
from meristem.errors import ComponentFailed, InputError, LeaseLost, TooManyFailures
from meristem.events import Event, EventKind
from meristem.handlers.handler import Handler
from meristem.spool import Measurement
from meristem.store.store import Store
from meristem.study.ledger import Ledger
from meristem.study.protocols import Attempt, Outcome, OutcomeStatus

SPACE = {"x": ms.Float(0, 1)}


def make_study(controller: Any = "random", space: Any = None, **options: Any) -> ms.Study:
    return ms.Study("s", space=space or SPACE, objective="a", controller=controller, seed=1, **options)


def run(study: ms.Study, executor: Any, **options: Any) -> ms.Study:
    return study.run(executor=executor, **{"trials": 5, "handlers": [], **options})


def log_of(study: ms.Study) -> list[tuple[str, int | None]]:
    return [(event.kind.value, event.trial) for event in study.events(limit=100_000)]


def assert_log_is_whole(study: ms.Study) -> None:
    """Each start of the study and of a trial has exactly one end after it, before the next start."""
    open_trials: set[int | None] = set()
    running = False
    for kind, trial in log_of(study):
        if kind == "study_started":
            assert not running
            running = True
        elif kind == "study_ended":
            assert running
            running = False
        elif kind == "trial_started":
            assert trial not in open_trials
            open_trials.add(trial)
        elif kind == "trial_ended":
            open_trials.remove(trial)
    assert not running
    assert not open_trials


# Promise 1


def test_promise_1_study_started_and_study_ended_happen_exactly_once_in_a_run() -> None:
    study, seen = make_study(), Recorder()
    run(study, ScriptedExecutor(), handlers=[seen])
    assert seen.seen[:2] == ["StudyStarted", "SpaceAvailable"]
    assert seen.seen[-2:] == ["StudyEnded", "shutdown"]
    assert Counter(seen.seen)["StudyStarted"] == Counter(seen.seen)["StudyEnded"] == 1
    run(study, ScriptedExecutor(), trials=6)
    assert_log_is_whole(study)
    assert Counter(kind for kind, _ in log_of(study))["study_ended"] == 2


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt()])
def test_promise_1_study_ended_happens_also_when_the_executor_raises(error: BaseException) -> None:
    study, seen = make_study(), Recorder()
    with pytest.raises(type(error)):
        run(study, ScriptedExecutor(lambda a: error if a.number == 3 else 1.0), handlers=[seen], parallel=2)
    assert Counter(seen.seen)["StudyEnded"] == 1
    assert_log_is_whole(study)
    assert study.status == ("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
    assert run(study, ScriptedExecutor()).counts() == {"completed": 5}


def test_promise_1_study_ended_happens_also_when_the_controller_raises() -> None:
    class Broken:
        def recommend(self, snapshot: Any, count: int) -> Any:
            if snapshot.created < 2:
                return [ms.Recommendation(parameters={"x": 0.1 * (snapshot.created + 1)})]
            raise ZeroDivisionError("no idea")

    study, seen = make_study(Broken()), Recorder()
    with pytest.raises(ComponentFailed, match=r"controller Broken raised: ZeroDivisionError: no idea") as caught:
        run(study, ScriptedExecutor(), handlers=[seen])
    assert "Traceback" in caught.value.details
    assert seen.seen[-2:] == ["StudyEnded", "shutdown"]
    assert study.status == "failed"
    assert_log_is_whole(study)


# Promise 2


@given(
    outcomes=st.lists(st.sampled_from(["ok", "fail", "nan", "text", "stop", "none"]), min_size=12, max_size=12),
    parallel=st.integers(1, 4),
    retries=st.integers(0, 2),
    last_first=st.booleans(),
    stop_after=st.integers(1, 15),
)
@settings(max_examples=25, deadline=None)
def test_promise_2_every_trial_started_is_followed_by_exactly_one_trial_ended(
    outcomes: list[str], parallel: int, retries: int, last_first: bool, stop_after: int
) -> None:
    results = {
        "ok": 1.0, "fail": failed(), "nan": float("nan"), "text": "abc",
        "stop": Outcome(status=OutcomeStatus.STOPPED), "none": Outcome(status=OutcomeStatus.COMPLETED),
    }  # fmt: skip
    # The model: what each trial number ends as, whatever the order and the interruptions.
    expected = {"ok": "completed", "stop": "stopped"}

    class StopAfter(Handler):
        ended = 0

        def trial_ended(self, event: Any, run: Any) -> None:
            self.ended += 1
            if self.ended == stop_after:
                run.stop("enough")

    study = make_study()
    options = {"trials": 12, "parallel": parallel, "retries": retries, "max_failure_rate": 1.0}
    script = ScriptedExecutor(lambda a: results[outcomes[a.number - 1]], last_first=last_first)
    run(study, script, handlers=[StopAfter()], **options)
    assert_log_is_whole(study)
    again = ScriptedExecutor(lambda a: results[outcomes[a.number - 1]], last_first=last_first)
    run(study, again, **options)
    assert_log_is_whole(study)
    assert script.most_at_once <= parallel
    found = {trial.number: trial.status.value for trial in study.trials}
    assert found == {n: expected.get(kind, "failed") for n, kind in enumerate(outcomes, start=1)}


def test_promise_2_holds_in_what_handlers_see() -> None:
    study, seen = make_study(), Recorder()
    run(study, ScriptedExecutor(), handlers=[seen], parallel=2)
    for number in range(1, 6):
        start, end = seen.seen.index(f"TrialStarted{number}"), seen.seen.index(f"TrialEnded{number}")
        assert start < end
    assert Counter(seen.seen).most_common(1)[0][1] == len([s for s in seen.seen if s == "RecommendationsAvailable"])


# Promise 3


def test_promise_3_handlers_are_called_in_order_and_shut_down_in_reverse() -> None:
    seen: list[str] = []
    run(make_study(), ScriptedExecutor(), handlers=[Recorder("A.", seen), Recorder("B.", seen)], trials=1)
    assert seen[:4] == ["A.StudyStarted", "B.StudyStarted", "A.SpaceAvailable", "B.SpaceAvailable"]
    assert seen[-2:] == ["B.shutdown", "A.shutdown"]


def test_promise_3_a_handler_that_raises_is_reported_by_name_and_stops_the_study_cleanly() -> None:
    class Clumsy(Handler):
        def trial_ended(self, event: Any, run: Any) -> None:
            raise LookupError("lost it")

    study, seen = make_study(), Recorder()
    with pytest.raises(ComponentFailed, match="handler Clumsy raised: LookupError: lost it"):
        run(study, ScriptedExecutor(), handlers=[Clumsy(), seen])
    assert "TrialEnded1" in seen.seen  # the other handler was not skipped
    assert seen.seen[-1] == "shutdown"
    assert study.counts() == {"completed": 1}
    assert_log_is_whole(study)


def test_promise_3_a_handler_that_raises_may_be_tolerated(caplog: pytest.LogCaptureFixture) -> None:
    class Clumsy(Handler):
        def trial_started(self, event: Any, run: Any) -> None:
            raise LookupError("lost it")

    study = make_study()
    run(study, ScriptedExecutor(), handlers=[Clumsy()], on_handler_error="continue")
    assert study.counts() == {"completed": 5}
    assert caplog.text.count("handler Clumsy raised: LookupError: lost it") == 5


# Promise 4


class StopAtThird(Handler):
    def trial_ended(self, event: Any, run: Any) -> None:
        if event.trial.number == 3:
            run.stop("three is enough")


def test_promise_4_a_handler_may_ask_to_stop_with_a_message_and_running_trials_are_stopped() -> None:
    study = make_study()
    executor = ScriptedExecutor(lambda a: None if a.number == 2 else 1.0)
    run(study, executor, handlers=[StopAtThird()], parallel=2)
    assert study.status == "stopped"
    assert executor.stopped == [2]
    assert study.events(limit=10_000)[-1].payload["message"] == "three is enough"
    assert study.counts() == {"completed": 2, "waiting": 1}
    assert_log_is_whole(study)
    run(study, ScriptedExecutor())
    assert study.counts() == {"completed": 5}


def test_promise_4_running_trials_may_be_awaited_instead() -> None:
    study = make_study()
    executor = ScriptedExecutor(lambda a: 1.0, last_first=True)
    run(study, executor, handlers=[StopAtThird()], parallel=3, at_stop="wait")
    assert executor.stopped == []
    assert study.counts() == {"completed": 3}


def test_promise_4_another_process_may_ask_to_stop(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meristem.study.heartbeat._BEAT_SECONDS", 0.05)
    study = make_study(store=f"sqlite:///{tmp_path}/s.db")

    class AskFromElsewhere(Handler):
        def trial_started(self, event: Any, run: Any) -> None:
            if event.trial.number == 1:
                ms.Study.open("s", store=f"sqlite:///{tmp_path}/s.db").stop("not today")

    executor = ScriptedExecutor(lambda a: time.sleep(0.01))
    run(study, executor, handlers=[AskFromElsewhere()], trials=1000)
    assert study.status == "stopped"
    assert study.events(limit=10_000)[-1].payload["message"] == "not today"


def test_one_trial_may_be_stopped_alone() -> None:
    class StopFirst(Handler):
        def trial_started(self, event: Any, run: Any) -> None:
            if event.trial.number == 2:
                run.stop_trial(1)

    study = make_study()
    executor = ScriptedExecutor(lambda a: None if a.number == 1 else 1.0)
    run(study, executor, handlers=[StopFirst()], parallel=2)
    assert study.counts() == {"completed": 4, "stopped": 1}


# Promise 5


def test_promise_5_a_trial_that_fails_fails_alone_and_keeps_its_traceback() -> None:
    study = make_study()
    run(study, ScriptedExecutor(lambda a: failed("no memory") if a.number == 2 else 1.0))
    assert study.counts() == {"completed": 4, "failed": 1}
    assert study.get_trial(2).error == "no memory"
    assert "Traceback" in (study.get_trial(2).traceback or "")


def test_promise_5_a_trial_that_takes_too_long_fails_alone() -> None:
    study = make_study()
    executor = ScriptedExecutor(lambda a: time.sleep(0.01) if a.number == 2 else 1.0)
    run(study, executor, timeout=0.05)
    assert study.counts() == {"completed": 4, "failed": 1}
    assert study.get_trial(2).error == "timed out after 0.05 s"


def test_promise_5_an_executor_that_cannot_start_a_trial_fails_that_trial_alone() -> None:
    class Picky(ScriptedExecutor):
        def start(self, attempt: Attempt) -> None:
            if attempt.number == 2:
                raise OSError("no such cluster")
            super().start(attempt)

    study = make_study()
    run(study, Picky())
    assert study.counts() == {"completed": 4, "failed": 1}
    assert "no such cluster" in (study.get_trial(2).error or "")


def test_promise_5_a_hopeless_study_is_given_up_with_the_failures_listed() -> None:
    study = make_study()
    with pytest.raises(TooManyFailures, match="trial 2: broken") as caught:
        run(study, ScriptedExecutor(lambda a: failed()), trials=100, min_failures_before_abort=3)
    assert len(caught.value.failures) == 3
    assert study.status == "failed"
    assert study.counts() == {"failed": 3}


def test_promise_5_a_failed_trial_is_run_again_as_often_as_told() -> None:
    study, seen = make_study(), Recorder()
    executor = ScriptedExecutor(lambda a: failed() if a.number == 1 and a.attempt < 3 else 1.0)
    run(study, executor, retries=2, trials=2, handlers=[seen])
    assert executor.started == [(1, 1), (1, 2), (1, 3), (2, 1)]
    assert study.counts() == {"completed": 2}
    assert study.get_trial(1).error is None
    assert seen.seen.count("TrialEnded1") == 3
    assert_log_is_whole(study)


def test_promise_5_an_interrupted_attempt_uses_up_no_retry() -> None:
    study = make_study()
    ledger = Ledger(study.store, study.store.studies.get("s"), study.definition)
    ledger.propose(study._controller(), 1)  # an engine stored it as running, then died
    executor = ScriptedExecutor(lambda a: failed() if a.attempt < 4 else 1.0)
    run(study, executor, retries=2, trials=1)
    assert executor.started == [(1, 2), (1, 3), (1, 4)]
    assert study.counts() == {"completed": 1}


# Promise 6


def test_promise_6_a_free_worker_never_waits_for_a_busy_one() -> None:
    study = make_study()
    ended: list[int] = []
    executor = ScriptedExecutor(lambda a: None if a.number == 1 and len(ended) < 3 else ended.append(1) or 1.0)
    run(study, executor, parallel=2)
    assert [number for number, _ in executor.started] == [1, 2, 3, 4, 5]
    ends = [trial for kind, trial in log_of(study) if kind == "trial_ended"]
    assert ends.index(1) >= 3  # trials 2, 3, 4 came and went beside it
    assert study.counts() == {"completed": 5}


# Promise 7


def test_promise_7_a_controller_that_has_nothing_more_to_give_ends_the_study_cleanly() -> None:
    study = make_study(ListController([{"x": 0.1}, {"x": 0.2}]))
    run(study, ScriptedExecutor(), trials=100, parallel=3)
    assert study.status == "completed"
    assert study.counts() == {"completed": 2}
    assert "nothing more" in study.events()[-1].payload["message"]


@pytest.mark.parametrize("controller", ["grid", "random", "sobol", "gp", "auto"])
def test_promise_7_a_finite_space_that_is_used_up_never_hangs(controller: str) -> None:
    study = make_study(controller, {"k": ms.Choice(["a", "b"]), "n": ms.Int(1, 3, when={"k": "a"})})
    run(study, ScriptedExecutor(lambda a: float(a.number)), trials=None, parallel=2)
    assert study.counts() == {"completed": 4}
    assert len({str(t.parameters) for t in study.trials}) == 4
    assert "all 4 points" in study.events(limit=1000)[-1].payload["message"]


# Promise 8


@pytest.mark.parametrize("controller", ["random", "sobol", "auto"])
def test_promise_8_results_do_not_depend_on_timing_and_interruptions_with_one_worker(controller: str) -> None:
    def score(attempt: Attempt) -> float:
        return -((attempt.parameters["x"] - 0.3) ** 2)

    whole, parts = make_study(controller), make_study(controller)
    run(whole, ScriptedExecutor(score), trials=9)
    for trials in (2, 7, 9):
        run(parts, ScriptedExecutor(lambda a: time.sleep(0.001) or score(a)), trials=trials)
    assert [t.parameters for t in whole.trials] == [t.parameters for t in parts.trials]
    other = ms.Study("s", space=SPACE, objective="a", controller=controller, seed=2)
    run(other, ScriptedExecutor(score), trials=9)
    assert [t.parameters for t in whole.trials] != [t.parameters for t in other.trials]


# Budgets


def test_trials_counts_those_of_earlier_runs() -> None:
    study = make_study()
    run(study, ScriptedExecutor(), trials=3)
    executor = ScriptedExecutor()
    run(study, executor, trials=5)
    assert len(executor.started) == 2
    run(study, executor, trials=5)
    assert len(executor.started) == 2


def test_the_time_budget_ends_the_run() -> None:
    study = make_study()
    run(study, ScriptedExecutor(lambda a: time.sleep(0.01)), trials=None, seconds=0.1)
    assert study.status == "completed"
    assert "time" in study.events()[-1].payload["message"]


def test_a_study_ends_after_so_many_trials_without_improvement() -> None:
    study = make_study()
    run(study, ScriptedExecutor(lambda a: -abs(a.number - 4.0)), trials=None, without_improvement=3)
    assert len(study.trials) == 7


def test_an_endless_study_is_refused() -> None:
    with pytest.raises(InputError, match="never end"):
        run(make_study(), ScriptedExecutor(), trials=None, handlers=None)


def test_an_executor_that_holds_less_than_asked_is_not_overfilled() -> None:
    executor = ScriptedExecutor(slots=2)
    run(make_study(), executor, parallel=8)
    assert executor.most_at_once == 2
    assert executor.opened_with == 2


def test_measurements_reach_the_store_and_the_handlers_before_the_trials_end() -> None:
    class Curve(Handler):
        values: list[tuple[int, float]] = []  # noqa: RUF012

        def measurement_reported(self, event: Any, run: Any) -> None:
            self.values.append((event.trial.number, event.measurement.value))

    study, curve, executor = make_study(), Curve(), ScriptedExecutor()
    executor.measured[1] = [Measurement(metric="a", step=s, value=s / 10, at=1.0) for s in range(3)]
    run(study, executor, handlers=[curve], trials=1)
    assert curve.values == [(1, 0.0), (1, 0.1), (1, 0.2)]
    assert [m.value for m in study.measurements(1)] == [0.0, 0.1, 0.2]


def test_two_engines_on_one_study_one_is_refused_and_takes_over_when_the_first_has_ended(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meristem.study.study._WAIT_SECONDS", 0.05)
    url = f"sqlite:///{tmp_path}/s.db"
    first_runs, let_go = threading.Event(), threading.Event()

    def wait_for_second(attempt: Attempt) -> float:
        first_runs.set()
        let_go.wait(10)
        return 1.0

    first = threading.Thread(target=lambda: run(make_study(store=url), ScriptedExecutor(wait_for_second), trials=1))
    first.start()
    first_runs.wait(10)
    second = make_study(store=url)
    with pytest.raises(ms.MeristemError, match="being run by another engine"):
        run(second, ScriptedExecutor(), trials=3)
    let_go.set()
    run(second, ScriptedExecutor(), trials=3, wait=True)
    first.join()
    assert second.counts() == {"completed": 3}
    assert_log_is_whole(second)


def test_what_a_dead_engine_left_running_is_run_again_and_its_log_is_closed() -> None:
    store = Store(None)
    study = make_study(store=store)
    ledger = Ledger(store, store.studies.get("s"), study.definition)
    ledger.sync()
    ledger.propose(study._controller(), 2)  # an engine stored these as running, then died
    ledger.write([Event(kind=EventKind.STUDY_STARTED)], study={"status": "running"})
    again = make_study(store=store)
    executor = ScriptedExecutor()
    run(again, executor)
    assert executor.started[:2] == [(1, 2), (2, 2)]
    assert again.counts() == {"completed": 5}


def test_an_engine_that_lost_its_lease_lets_go_of_what_the_other_took_up(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meristem.study.heartbeat._BEAT_SECONDS", 0.05)
    store = Store(f"sqlite:///{tmp_path}/s.db")
    study, seen = make_study(store=store), Recorder()
    executor = ScriptedExecutor(lambda a: None)
    executor.release = lambda: seen.seen.append("released")  # type: ignore[attr-defined]

    class TakeOver(Handler):
        def trial_started(self, event: Any, run: Any) -> None:
            with sqlite3.connect(tmp_path / "s.db") as connection:
                connection.execute("UPDATE studies SET lease_owner = 'another', lease_token = lease_token + 1")

    with pytest.raises(LeaseLost):
        run(study, executor, handlers=[TakeOver(), seen])
    assert "released" in seen.seen
    assert not executor.closed
    assert seen.seen[-2:] == ["StudyEnded", "shutdown"]


def test_a_stop_that_was_meant_for_an_earlier_run_does_not_stop_this_one(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meristem.study.heartbeat._BEAT_SECONDS", 0.02)
    study = make_study(store=f"sqlite:///{tmp_path}/s.db")
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("UPDATE studies SET stop_message = 'old'")
    run(study, ScriptedExecutor(lambda a: time.sleep(0.05) or 1.0))
    assert study.status == "completed"


def test_promise_4_another_thread_may_stop_a_study_in_memory() -> None:
    study = make_study()
    started = threading.Event()

    def wait(attempt: Attempt) -> None:
        started.set()

    stopper = threading.Thread(target=lambda: (started.wait(10), study.stop("enough")))
    stopper.start()
    run(study, ScriptedExecutor(wait), trials=50)
    stopper.join()
    assert (study.status, study.counts()) == ("stopped", {"waiting": 1})


class AdoptingExecutor(ScriptedExecutor):
    """Takes up whatever a dead engine left."""

    def adopt(self, attempt: Attempt) -> bool:
        self.running[attempt.number] = attempt
        return True


def test_with_fewer_slots_than_before_what_finds_no_room_is_stopped_and_run_again() -> None:
    store = Store(None)
    study, seen = make_study(store=store), Recorder()
    ledger = Ledger(store, store.studies.get("s"), study.definition)
    ledger.propose(study._controller(), 3, slots=[0, 1, 2])  # an engine with three slots stored these, then died
    executor = AdoptingExecutor()
    run(make_study(store=store), executor, trials=4, parallel=1, handlers=[seen])
    assert sorted(executor.stopped) == [2, 3]
    assert executor.started == [(2, 2), (3, 2), (4, 1)]
    assert study.counts() == {"completed": 4}
    assert_log_is_whole(study)
    starts = Counter(name for name in seen.seen if name.startswith("TrialStarted"))
    ends = Counter(name.replace("Ended", "Started") for name in seen.seen if name.startswith("TrialEnded"))
    assert starts == ends  # also for handlers, of those that were taken up


def test_an_adopted_trial_has_its_time_limit() -> None:
    store = Store(None)
    study = make_study(store=store)
    Ledger(store, store.studies.get("s"), study.definition).propose(study._controller(), 1, slots=[0])
    run(make_study(store=store), AdoptingExecutor(lambda a: None), trials=1, timeout=0.05, max_failure_rate=1.0)
    assert "timed out" in (study.get_trial(1).error or "")


def test_an_objective_that_is_never_given_ends_the_study_at_its_first_trial() -> None:
    study = make_study()
    with pytest.raises(TooManyFailures, match="'a' is missing: it gave 'b'"):
        run(study, ScriptedExecutor(lambda a: {"b": 1.0}), trials=50)
    assert study.counts() == {"failed": 1}


def test_a_trial_that_somebody_else_took_is_left_to_them() -> None:
    store = Store(None)
    study, other = make_study(store=store), make_study(store=store)
    study.enqueue({"x": 0.5})
    study.enqueue({"x": 0.6})

    class Take(Handler):
        def space_available(self, event: Any, run: Any) -> None:
            self.taken = other.ask()

    take = Take()
    executor = ScriptedExecutor()
    run(study, executor, trials=3, handlers=[take])
    assert take.taken.number == 1
    assert [number for number, _ in executor.started] == [2, 3, 4]


def test_a_trial_that_is_abandoned_while_it_runs_is_told_as_ended() -> None:
    store = Store(None)
    study, other, seen = make_study(store=store), make_study(store=store), Recorder()

    def score(attempt: Attempt) -> float:
        if attempt.number == 2:
            other.abandon(2, "no need")
        return 1.0

    run(study, ScriptedExecutor(score), trials=3, handlers=[seen])
    assert seen.seen.count("TrialStarted2") == seen.seen.count("TrialEnded2") == 1
    assert study.counts() == {"completed": 3, "abandoned": 1}  # another took its place


def test_waiting_for_the_last_trial_after_the_time_is_up_costs_no_processor_time() -> None:
    polls: list[int] = []

    class Slow(ScriptedExecutor):
        def poll(self, timeout: Any) -> Any:
            polls.append(1)
            time.sleep(min(0.1, timeout.total_seconds()))
            return super().poll(timeout)

    run(make_study(), Slow(lambda a: 1.0 if len(polls) > 4 else None), trials=9, seconds=0.05, at_stop="wait")
    assert len(polls) < 20


def test_a_component_in_claras_style_is_told_the_score() -> None:
    scores: list[Any] = []

    class Component:
        def set_search_space(self, space: Any, ctx: Any) -> None: ...
        def initial_recommendation(self, ctx: Any) -> Any:
            return [{"x": 0.1}]

        def refine_recommendation(self, outcome: Any, ctx: Any) -> Any:
            scores.append(outcome.score)
            return [{"x": 0.2}] if len(scores) < 2 else None

    run(make_study(Component()), ScriptedExecutor(lambda a: 0.5 if a.number == 1 else {"a": 0.7}))
    assert scores == [0.5, 0.7]  # a number also where metrics came by name
