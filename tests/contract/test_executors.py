"""The promises that every executor keeps, whatever it runs: see `meristem.study.protocols.Executor`."""

from __future__ import annotations

import gc
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from fake_worker import FakeWorker
from meristem.executors.command import CommandExecutor
from meristem.executors.function import FunctionExecutor
from meristem.executors.task import TaskExecutor
from meristem.spool import LastValues
from meristem.store.store import Store
from meristem.store.task_rows import NewTask
from meristem.study.protocols import Attempt, Executor, OutcomeStatus, Report

SOON, LONG = timedelta(seconds=0.02), timedelta(seconds=20)

# The same training twice: as a function and as a program. `act` says what it does.
SHELL_TRAINING = r"""
report() { printf '{%s}\n' "$1" >> "$MERISTEM_REPORT"; }
case {act} in
  score) report '"accuracy": {x}' ;;
  steps) report '"step": 1, "loss": 3.0'; report '"step": 2, "loss": {"value": 2.0, "sem": 0.5}'
         report '"loss": 1.5' ;;
  nan) report '"accuracy": NaN' ;;
  fail) echo 'ValueError: this is wrong' >&2; exit 3 ;;
  obey) n=0; while [ ! -e "$MERISTEM_FOLDER/stop" ]; do
          n=$((n+1)); report "\"step\": $n, \"loss\": $n"; sleep 0.02
        done ;;
  slow) report '"step": 1, "loss": 1'; sleep 0.3; report '"step": 2, "loss": 2' ;;
  inactive) [ -z "{depth}" ] && [ -z "$MERISTEM_PARAM_DEPTH" ] && report '"accuracy": 1' ;;
  text) report "\"length\": $(printf %s {x} | wc -c)" ;;
esac
"""


def make_function() -> Any:
    def train(trial: Any) -> Any:
        import time as clock

        act = trial["act"]
        if act == "score":
            return {"accuracy": trial["x"]}
        if act == "steps":
            trial.report(1, loss=3.0)
            trial.report(step=2, loss=(2.0, 0.5))
            trial.report(loss=1.5)
            return {"loss": 1.5}
        if act == "fail":
            raise ValueError("this is wrong")
        if act == "slow":
            trial.report(1, loss=1)
            clock.sleep(0.3)
            trial.report(2, loss=2)
            return {"loss": 2.0}
        if act == "obey":
            n = 0
            while True:
                n += 1
                trial.report(n, loss=n)
                clock.sleep(0.02)
        results = {
            "nan": {"accuracy": float("nan")},
            "inactive": {"accuracy": float("depth" not in trial.parameters)},
            "text": {"length": float(len(str(trial.parameters.get("x")).encode()))},
        }
        return results[act]

    return train


def make(kind: str) -> Executor:
    if kind == "command":
        executor = CommandExecutor(SHELL_TRAINING)
        executor.expect(["act", "x", "depth"])
        return executor
    return FunctionExecutor(make_function(), isolate=kind == "isolated")


@contextmanager
def as_tasks() -> Iterator[Executor]:
    """Trials as tasks in a store, and a worker with two slots."""
    store = Store()
    store.queues.create("q")
    template = store.tasks.create(NewTask(id="a" * 16, project="demo", name="train"))
    worker = FakeWorker(store, make_function(), slots=2)
    executor = TaskExecutor(template.number, "q", poll_seconds=0.02)
    executor.use_store(store)
    yield executor
    worker.stop()


@dataclass
class Driver:
    """An executor with two slots, and what a test needs to ask of it."""

    executor: Executor
    root: Path
    keeps_standard_errors: bool = True
    started: int = 0

    def start(self, act: str, *, number: int = 1, slot: int = 0, **parameters: Any) -> None:
        self.started += 1
        self.executor.start(
            Attempt(
                study="größe",
                number=number,
                attempt=1,
                parameters={"act": act, **parameters},
                folder=self.root / str(number),
                slot=slot,
                key=f"k-{self.started}",
            )
        )

    def reports(self, ended: int = 1, *, within: float = 10.0) -> list[Report]:
        """Polls until `ended` outcomes came; gives all reports in order."""
        found: list[Report] = []
        deadline = time.monotonic() + within
        while sum(report.outcome is not None for report in found) < ended:
            assert time.monotonic() < deadline, f"no outcome in {within} s, only {found}"
            found += self.executor.poll(timedelta(seconds=1))
        return found

    def end(self, act: str, **parameters: Any) -> Any:
        self.start(act, **parameters)
        return self.reports()[-1].outcome

    def result(self, act: str, **parameters: Any) -> dict[str, float]:
        """What a trial came to: reported, returned or both."""
        self.start(act, **parameters)
        return result_of(self.reports())

    def until_measured(self) -> None:
        deadline = time.monotonic() + 5
        while not any(report.measurements for report in self.executor.poll(timedelta(seconds=1))):
            assert time.monotonic() < deadline, "no measurement"


def result_of(reports: list[Report]) -> dict[str, float]:
    outcome = reports[-1].outcome
    assert outcome is not None
    assert outcome.status is OutcomeStatus.COMPLETED
    return {**LastValues(m for r in reports for m in r.measurements).values, **(outcome.score or {})}


@pytest.fixture(params=["isolated", "in-process", "command", "task"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Driver]:
    with as_tasks() if request.param == "task" else nullcontext(make(request.param)) as executor:
        executor.open(2)
        yield Driver(executor, tmp_path, keeps_standard_errors=request.param != "task")
        executor.close()


def test_a_training_that_ends_well_gives_its_score(driver):
    driver.start("score", x=0.5)
    reports = driver.reports()
    assert result_of(reports) == {"accuracy": 0.5}
    assert reports[-1].outcome.error is None


def test_measurements_come_in_order_and_never_after_the_outcome(driver):
    driver.start("steps")
    reports = driver.reports()
    found = [(m.metric, m.step, m.value, m.sem) for report in reports for m in report.measurements]
    sem = 0.5 if driver.keeps_standard_errors else None
    assert found == [("loss", 1, 3.0, None), ("loss", 2, 2.0, sem), ("loss", None, 1.5, None)]
    assert [report.outcome is not None for report in reports] == [False] * (len(reports) - 1) + [True]
    assert result_of(reports) == {"loss": 1.5}
    assert driver.executor.poll(SOON) == []


def test_measurements_come_while_the_training_goes_on(driver):
    driver.start("slow")
    reports = driver.reports()
    first = next(report for report in reports if report.measurements)  # one outside tells first where it is
    assert [m.value for m in first.measurements] == [1.0]
    assert first.outcome is None
    assert result_of(reports) == {"loss": 2.0}


def test_the_outcome_is_given_exactly_once(driver):
    driver.start("score", x=1.0)
    assert len([r for r in driver.reports() if r.outcome]) == 1
    assert driver.executor.poll(SOON) == []
    driver.executor.stop(1, timedelta(0))
    assert driver.executor.poll(SOON) == []


def test_nan_is_no_failure_here(driver):
    assert math.isnan(driver.result("nan")["accuracy"])


def test_user_code_that_fails_is_an_outcome_with_its_details(driver):
    outcome = driver.end("fail")
    assert outcome.status is OutcomeStatus.FAILED
    assert "\n" not in outcome.error
    assert "ValueError: this is wrong" in outcome.traceback


def test_after_a_failure_the_slot_serves_the_next_trial(driver):
    assert driver.end("fail", number=1).status is OutcomeStatus.FAILED
    assert driver.result("score", number=2, x=2.0) == {"accuracy": 2.0}


def test_a_failed_trial_is_run_again_as_another_attempt(driver):
    assert driver.end("fail", number=1).status is OutcomeStatus.FAILED
    assert driver.result("score", number=1, x=2.0) == {"accuracy": 2.0}


def test_an_inactive_parameter_is_absent_or_empty(driver):
    assert driver.result("inactive") == {"accuracy": 1.0}


@pytest.mark.parametrize("x", ["ä ✗ '; exit 9 #", '"$(exit 9)"', "a\nb", "{act}", "z" * 10_000])
def test_any_text_reaches_the_training_unchanged(driver, x):
    assert driver.result("text", x=x) == {"length": float(len(x.encode()))}


def test_a_free_slot_never_waits_for_a_busy_one(driver):
    driver.start("obey", number=1, slot=0)
    for number in (2, 3):
        driver.start("score", number=number, slot=1, x=1.0)
        (ended,) = [r.number for r in driver.reports() if r.outcome]
        assert ended == number
    driver.executor.stop(1, LONG)
    assert driver.reports()[-1].number == 1


def test_asked_to_stop_a_training_ends_as_stopped(driver):
    driver.start("obey")
    driver.until_measured()
    begun = time.monotonic()
    driver.executor.stop(1, LONG)
    assert time.monotonic() - begun < 0.1
    reports = driver.reports()
    assert reports[-1].outcome.status is OutcomeStatus.STOPPED
    assert time.monotonic() - begun < 5


def test_stop_may_be_repeated_and_may_name_what_does_not_run(driver):
    driver.executor.stop(7, LONG)
    driver.start("obey")
    driver.executor.stop(1, LONG)
    driver.executor.stop(1, LONG)
    assert driver.reports()[-1].outcome.status is OutcomeStatus.STOPPED
    driver.executor.stop(1, LONG)
    assert driver.end("score", number=2, x=1.0).status is OutcomeStatus.COMPLETED


def test_a_stop_is_for_one_trial_alone(driver):
    driver.start("obey", number=1, slot=0)
    driver.start("slow", number=2, slot=1)
    driver.executor.stop(1, LONG)
    outcomes = {r.number: r.outcome.status for r in driver.reports(2) if r.outcome}
    assert outcomes == {1: OutcomeStatus.STOPPED, 2: OutcomeStatus.COMPLETED}


def test_poll_waits_for_news_and_no_longer_than_asked(driver):
    begun = time.monotonic()
    assert driver.executor.poll(timedelta(seconds=0.1)) == []
    assert 0.05 < time.monotonic() - begun < 0.5
    driver.start("score", x=1.0)
    begun = time.monotonic()
    driver.reports()
    assert time.monotonic() - begun < 5


def test_waiting_for_a_busy_trial_costs_no_processor_time(driver):
    driver.start("obey")
    driver.executor.poll(timedelta(0))
    driver.executor.stop(99, LONG)
    polls = 0
    end = time.monotonic() + 0.4
    while time.monotonic() < end:
        driver.executor.poll(timedelta(seconds=0.2))
        polls += 1
    assert polls < 40


def test_nothing_is_adopted_where_nothing_was_started(driver):
    attempt = Attempt(study="s", number=5, attempt=1, parameters={}, folder=driver.root / "5", slot=0)
    assert driver.executor.adopt(attempt) is False


@pytest.mark.parametrize("kind", ["isolated", "in-process", "command"])
def test_closing_ends_all_and_leaves_neither_processes_nor_descriptors(kind, tmp_path):
    gc.collect()
    me = psutil.Process()
    before = (set(me.children(recursive=True)), len(os.listdir("/proc/self/fd")))
    for _ in range(2):
        driver = Driver(make(kind), tmp_path)
        driver.executor.open(2)
        driver.start("obey", number=1, slot=0)
        driver.start("obey", number=2, slot=1)
        driver.until_measured()
        driver.executor.close()
        driver.executor.close()
    gc.collect()
    assert (set(me.children(recursive=True)), len(os.listdir("/proc/self/fd"))) == before


def test_a_closed_executor_can_be_opened_again(driver):
    driver.executor.close()
    driver.executor.open(1)
    assert driver.result("score", x=1.0) == {"accuracy": 1.0}
