"""Slots that are suspended, resumed, and whose trials are aborted while the engine runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import meristem as ms
from fakes import Recorder, ScriptedExecutor, failed
from meristem.errors import InputError, StudyError
from meristem.events import Event, EventKind
from meristem.handlers.handler import Handler
from meristem.store.slots import request_aborts
from meristem.store.store import Store
from meristem.study.heartbeat import Heartbeat
from meristem.study.ledger import Ledger
from meristem.study.protocols import Attempt


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meristem.study.heartbeat._BEAT_SECONDS", 0.01)


def make_study(**options: Any) -> ms.Study:
    return ms.Study("s", space={"x": ms.Float(0, 1)}, objective="a", controller="random", seed=1, **options)


def run(study: ms.Study, executor: Any, **options: Any) -> ms.Study:
    return study.run(executor=executor, **{"trials": 5, "handlers": [], **options})


def kinds(study: ms.Study) -> list[str]:
    return [event.kind.value for event in study.events(limit=10_000)]


class When(Handler):
    """Does something once, at the start of a trial."""

    def __init__(self, trial: int, act: Callable[[], object]) -> None:
        self.trial, self.act = trial, act

    def trial_started(self, event: Any, run: Any) -> None:
        if event.trial.number == self.trial:
            self.act()


class Slots(ScriptedExecutor):
    """Remembers in which slot each trial was started."""

    def __init__(self, script: Callable[[Attempt], Any] = lambda a: 1.0) -> None:
        super().__init__(script)
        self.slot_of: dict[int, int] = {}

    def start(self, attempt: Attempt) -> None:
        self.slot_of[attempt.number] = attempt.slot
        super().start(attempt)


class Adopting(ScriptedExecutor):
    def adopt(self, attempt: Attempt) -> bool:
        self.running[attempt.number] = attempt
        return True


# Suspending


def test_a_suspended_slot_gets_no_new_trials_and_its_trial_goes_on() -> None:
    study, executor = make_study(), Slots()
    run(study, executor, trials=8, parallel=2, handlers=[When(2, lambda: study.suspend_slot(1))])
    assert study.counts() == {"completed": 8}
    assert executor.slot_of == {1: 0, 2: 1, **dict.fromkeys(range(3, 9), 0)}


def test_a_suspension_is_for_all_runs_until_it_is_taken_back() -> None:
    study = make_study()
    run(study, Slots(), trials=2, parallel=2, handlers=[When(1, lambda: study.suspend_slot(0))])
    executor = Slots()
    run(study, executor, trials=4, parallel=2)
    assert executor.slot_of == {3: 1, 4: 1}
    study.resume_slot(0)  # also while nothing runs
    executor = Slots()
    run(study, executor, trials=6, parallel=2)
    assert executor.slot_of == {5: 0, 6: 1}
    assert [k for k in kinds(study) if k.startswith("slot")] == ["slot_suspended", "slot_resumed"]


def test_a_study_whose_slots_are_all_suspended_waits_and_says_so_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, waits, waiting = make_study(), [], threading.Event()

    def wait_for_news(heartbeat: Heartbeat, seconds: float, wait: Any = Heartbeat.wait_for_news) -> None:
        waits.append(seconds)
        wait(heartbeat, seconds)

    monkeypatch.setattr(Heartbeat, "wait_for_news", wait_for_news)

    def resume() -> None:
        waiting.wait(10)
        time.sleep(0.2)
        assert (study.status, study.counts()) == ("running", {"completed": 2})
        study.resume_slot(1)

    def suspend() -> None:
        study.suspend_slot(0)
        study.suspend_slot(1)
        waiting.set()

    thread = threading.Thread(target=resume)
    thread.start()
    run(study, ScriptedExecutor(), parallel=2, handlers=[When(2, suspend)])
    thread.join()
    assert study.counts() == {"completed": 5}
    assert 1 <= len(waits) < 10  # it did not spin
    assert [r.getMessage() for r in caplog.records if "suspended" in r.getMessage()] == [
        "All slots of study 's' are suspended: it waits. Go on with: meristem study slots s resume --all"
    ]


def test_a_waiting_study_ends_when_its_time_is_up_or_somebody_asks() -> None:
    study = make_study()
    run(study, ScriptedExecutor(), seconds=0.2, handlers=[When(1, lambda: study.suspend_slot(0))])
    assert study.events(limit=100)[-1].payload["message"] == "the time of 0.2 s is up"
    stop = threading.Timer(0.1, lambda: study.stop("enough"))
    stop.start()
    run(study, ScriptedExecutor())
    stop.join()
    assert (study.status, study.counts()) == ("stopped", {"completed": 1})


def test_suspending_and_resuming_may_be_repeated_and_is_told_once() -> None:
    study = make_study()

    def act() -> None:
        for change in (study.suspend_slot, study.suspend_slot, study.resume_slot, study.resume_slot):
            change(0)

    run(study, ScriptedExecutor(), handlers=[When(1, act)])
    assert [k for k in kinds(study) if k.startswith("slot")] == ["slot_suspended", "slot_resumed"]


# Aborting


def test_an_aborted_trial_is_given_up_and_its_slot_gets_another_in_its_place() -> None:
    study, seen = make_study(), Recorder()
    executor = Slots(lambda a: None if a.number == 2 else 1.0)
    abort = When(2, lambda: study.abort_slot(1, "GPU 3 is too hot"))
    run(study, executor, parallel=2, handlers=[abort, seen], max_failure_rate=0.0, min_failures_before_abort=1)
    assert study.counts() == {"completed": 5, "abandoned": 1}
    assert study.get_trial(2).error == "GPU 3 is too hot"
    assert list(executor.slot_of.values()).count(1) > 1
    assert seen.seen.count("TrialStarted2") == seen.seen.count("TrialEnded2") == 1
    [asked] = [event for event in study.events(limit=100) if event.kind == "abort_requested"]
    assert (asked.trial, asked.payload) == (2, {"attempt": 1, "slot": 1, "message": "GPU 3 is too hot"})


def test_a_trial_that_fails_while_it_is_aborted_is_not_run_again() -> None:
    study, asked = make_study(), threading.Event()

    def script(attempt: Attempt) -> Any:
        if attempt.number == 1 and not asked.is_set():
            study.abort_slot(0)
            asked.set()
            return failed()  # before the engine has heard of it
        return 1.0

    executor = ScriptedExecutor(script)
    run(study, executor, trials=2, retries=2)
    assert study.counts() == {"completed": 2, "abandoned": 1}
    assert [number for number, _ in executor.started] == [1, 2, 3]
    started = [e.trial for e in study.events(limit=100) if e.kind == "trial_started"]
    ended = [e.trial for e in study.events(limit=100) if e.kind == "trial_ended"]
    assert sorted(map(str, started)) == sorted(map(str, ended))


def test_an_abort_may_be_repeated_and_is_told_once() -> None:
    study = make_study()

    def act() -> None:
        assert study.abort_slot(0) == study.abort_slot(0, "again") == 1
        assert study.slots()[0].aborting

    run(study, ScriptedExecutor(lambda a: None if a.number == 1 else 1.0), handlers=[When(1, act)])
    assert kinds(study).count("abort_requested") == 1
    assert study.get_trial(1).error == "aborted by hand"


def died_while_aborting() -> tuple[Store, ms.Study]:
    """A study whose engine died after it was asked to give up what runs in slot 1."""
    store = Store(None)
    study = make_study(store=store)
    ledger = Ledger(store, store.studies.get("s"), study.definition)
    ledger.propose(study._controller(), 2, slots=[0, 1])
    token = store.leases.acquire(ledger.study_id, "somebody")
    study_started = Event(kind=EventKind.STUDY_STARTED)
    ledger.write([study_started], token=token, study={"status": "running", "run": 1, "setup": '{"slots": [{}, {}]}'})
    assert request_aborts(store, "s", [1], "too hot") == [2]
    store.leases.release(ledger.study_id, token)
    return store, study


def test_an_abort_that_a_dead_engine_did_not_hear_is_not_forgotten() -> None:
    store, study = died_while_aborting()
    executor = ScriptedExecutor()
    run(make_study(store=store), executor, trials=3, parallel=2)
    assert executor.started == [(1, 2), (3, 1), (4, 1)]
    assert study.counts() == {"completed": 3, "abandoned": 1}
    assert study.get_trial(2).error == "too hot"


def test_an_aborted_trial_that_outlives_its_engine_is_ended_by_the_next() -> None:
    store, study = died_while_aborting()
    executor = Adopting(lambda a: None if a.number == 2 else 1.0)
    run(make_study(store=store), executor, trials=3, parallel=2)
    assert executor.stopped == [2]
    assert study.counts() == {"completed": 3, "abandoned": 1}


@pytest.mark.parametrize("heard", [True, False])
def test_a_trial_that_is_aborted_while_its_engine_breaks_down_is_given_up(heard: bool) -> None:
    study = make_study()

    class Breaks(ScriptedExecutor):
        def poll(self, timeout: Any) -> Any:
            if not study.slots()[0].aborting:
                study.abort_slot(0)
                time.sleep(0.1 if heard else 0.0)
            if self.stopped or not heard:
                raise RuntimeError("boom")
            return []

    with pytest.raises(RuntimeError):
        run(study, Breaks(), parallel=2)
    assert study.counts() == ({"abandoned": 1, "waiting": 1} if heard else {"waiting": 2})
    executor = ScriptedExecutor()
    run(study, executor, parallel=2)
    assert study.counts() == {"completed": 5, "abandoned": 1}
    assert 1 not in [number for number, _ in executor.started]


# What cannot be done


def test_what_cannot_be_done_is_told_in_a_sentence() -> None:
    study = make_study()
    with pytest.raises(StudyError, match="never run"):
        study.slots()
    with pytest.raises(StudyError, match="not running: it is created"):
        study.suspend_slot(0)
    said: list[str] = []

    def act() -> None:
        for change, number in ((study.suspend_slot, 2), (study.abort_slot, 1), (study.abort_slot, 5)):
            with pytest.raises((InputError, StudyError)) as caught:
                change(number)
            said.append(str(caught.value))

    run(study, ScriptedExecutor(), parallel=2, trials=1, handlers=[When(1, act)])
    assert said == [
        "Study 's' has no slot 2. Its slots: 0, 1.",
        "Nothing runs in slot 1 (idle) of study 's', so that there is nothing to abort.",
        "Study 's' has no slot 5. Its slots: 0, 1.",
    ]
    with pytest.raises(StudyError, match="not running: it is completed"):
        study.abort_slot(0)
