"""Slots of a study that another process runs: suspended, resumed, aborted; also around the death of its engine."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import meristem as ms
from meristem.events import Event

ENGINE = Path(__file__).parent / "engine.py"


class Running:
    """A study that another process runs, as it is seen from here."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        self.engine = self._start()
        wait_until((folder / "s.db").exists)
        wait_until(lambda: self._opened() is not None)
        self.study = ms.Study.open("s", store=f"sqlite:///{folder}/s.db")
        wait_until(lambda: self.study.status == "running")

    def _opened(self) -> ms.Study | None:
        try:
            return ms.Study.open("s", store=f"sqlite:///{self.folder}/s.db")
        except ms.MeristemError:
            return None

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(ENGINE), self.kind, str(self.folder)], cwd=self.folder)

    def restart(self) -> None:
        """Kills the engine where it is, and starts another."""
        self.engine.send_signal(signal.SIGKILL)
        self.engine.wait()
        before = self.runs()
        self.engine = self._start()
        wait_until(lambda: self.runs() > before)

    def runs(self) -> int:
        return sum(event.kind == "study_started" for event in self.events())

    def trial_in(self, slot: int) -> int | None:
        return self.study.slots()[slot].trial

    def wait_for_processes(self, *numbers: int) -> None:
        files = [self.folder / f"pid-{number}" for number in numbers]
        wait_until(lambda: all(file.exists() and file.read_text() != "" for file in files))

    def let_end(self, *numbers: int) -> None:
        for number in numbers:
            (self.folder / f"go-{number}").touch()

    def events(self) -> list[Event]:
        return self.study.events(limit=100_000)

    def moment(self, kind: str, trial: int) -> float:
        return next(event.at for event in self.events() if (event.kind, event.trial) == (kind, trial))

    def finish(self) -> dict[str, int]:
        """Lets everything end, and says what became of the trials."""
        self.let_end(*range(1, 20))
        assert self.engine.wait(60) == 0
        return self.study.counts()


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[str], Running]]:
    started: list[Running] = []

    def start(kind: str) -> Running:
        started.append(Running(kind, tmp_path))
        wait_until(lambda: started[0].trial_in(0) is not None and started[0].trial_in(1) is not None)
        return started[0]

    yield start
    for running in started:
        running.let_end(*range(1, 20))
        running.engine.kill()
        running.engine.wait()


def wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("kind", ["function", "deaf function", "thread", "command", "mmar", "runner"])
def test_an_aborted_trial_ends_within_two_seconds_and_its_slot_gets_another(
    kind: str, begin: Callable[[str], Running]
) -> None:
    running = begin(kind)
    time.sleep(0.5)  # a function's process may still be starting
    assert running.study.abort_slot(1) == 2
    wait_until(lambda: running.trial_in(1) == 3)
    took = running.moment("trial_ended", 2) - running.moment("abort_requested", 2)
    assert took < (3 if kind == "deaf function" else 2)
    assert running.moment("trial_started", 3) - running.moment("trial_ended", 2) < 0.5
    assert running.trial_in(0) == 1  # which nobody asked to end
    assert running.study.get_trial(2).error == "aborted by hand"
    assert running.finish() == {"completed": 6, "abandoned": 1}


def test_a_suspension_outlives_the_engine_and_the_trial_in_it_goes_on(begin: Callable[[str], Running]) -> None:
    running = begin("command")
    running.wait_for_processes(1, 2)  # an engine that dies before it has launched them leaves nothing to take up
    running.study.suspend_slot(1)
    running.restart()
    running.let_end(1)
    wait_until(lambda: running.trial_in(0) == 3)
    assert running.trial_in(1) == 2  # it was taken up
    running.let_end(2, 3)
    wait_until(lambda: running.trial_in(0) == 4)
    wait_until(lambda: [str(slot.state) for slot in running.study.slots()] == ["busy", "suspended"])
    assert [slot.gpus for slot in running.study.slots()] == [("0", "1"), ("2",)]
    asked = time.time()
    running.study.resume_slot(1)
    wait_until(lambda: running.trial_in(1) == 5)
    assert running.moment("trial_started", 5) - asked < 2
    assert running.finish() == {"completed": 6}
    assert [trial.attempt for trial in running.study.trials] == [1] * 6


def test_a_study_whose_slots_are_all_suspended_waits_also_in_its_next_run(begin: Callable[[str], Running]) -> None:
    running = begin("command")
    running.study.suspend_slot(0)
    running.study.suspend_slot(1)
    running.let_end(1, 2)
    wait_until(lambda: running.study.counts() == {"completed": 2})
    running.restart()
    engine = psutil.Process(running.engine.pid)
    time.sleep(1)
    before = engine.cpu_times()
    time.sleep(2)
    after = engine.cpu_times()
    assert after.user + after.system - before.user - before.system < 0.4  # it waits, rather than asking on and on
    assert running.study.counts() == {"completed": 2}
    asked = time.time()
    running.study.resume_slot(0)
    wait_until(lambda: running.trial_in(0) == 3)
    assert running.moment("trial_started", 3) - asked < 2
    assert running.finish() == {"completed": 6}


def test_an_abort_that_the_engine_was_killed_over_is_done_by_the_next_and_leaves_no_process(
    begin: Callable[[str], Running],
) -> None:
    running = begin("command")
    running.wait_for_processes(2)
    training = psutil.Process(int((running.folder / "pid-2").read_text()))
    running.study.abort_slot(1)
    running.restart()
    wait_until(lambda: running.study.get_trial(2).status == "abandoned")
    wait_until(lambda: not training.is_running())
    assert running.trial_in(0) == 1  # it was taken up
    assert running.finish() == {"completed": 6, "abandoned": 1}
    starts = [event.trial for event in running.events() if event.kind == "trial_started"]
    ends = [event.trial for event in running.events() if event.kind == "trial_ended"]
    assert sorted(map(str, starts)) == sorted(map(str, ends))
    assert starts.count(2) == 1
