"""The `command` executor: trials are runs of any program.

A running command outlives the engine: it is started through a small shell that writes its pid and
exit code into the trial's folder, where the next engine finds them (`adopt`).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from meristem.errors import InputError
from meristem.executors.command_outcome import completed_or_failed
from meristem.executors.launch import (
    EXIT_CODE_FILE,
    Surroundings,
    command_problems,
    find_running,
    launch,
    read_number,
)
from meristem.executors.placeholders import Command, placeholders
from meristem.processes.gpus import gpus_of, parse_gpus, slot_count
from meristem.processes.group_leader import POLL_SECONDS, GroupLeader, wakers
from meristem.spool import REPORT_FILE, STOP_FILE, Measurement, SpoolReader
from meristem.study.protocols import Attempt, Outcome, OutcomeStatus, Report

_SPOOL_SECONDS = 0.2


@dataclass(slots=True, kw_only=True)
class _Running:
    """A command that was started or adopted; `leader` is None where it has ended before."""

    attempt: Attempt
    leader: GroupLeader | None
    reader: SpoolReader
    reported: bool = False
    stop_asked: bool = False
    kill_at: float | None = None

    def ended(self) -> bool:
        if self.leader is None:
            return True
        return self.leader.ended() and not self.winding_down()

    def winding_down(self) -> bool:
        """Asked to stop, its first process has ended; others of its group still have time to save their work."""
        graced = self.stop_asked and self.kill_at is not None and time.monotonic() < self.kill_at
        return graced and self.leader is not None and self.leader.ended() and bool(self.leader.others())

    def read(self, *, final: bool = False) -> list[Measurement]:
        found = self.reader.read(final=final)
        self.reported = self.reported or bool(found)
        return found


class CommandExecutor:
    """Runs a program for each trial.

    Args:
        command: Text for the shell, in which no value can be run as code, or a list of arguments.
            `{name}` stands for a parameter's value (nothing where it is inactive), `{trial}` for
            the trial's number, `{folder}` for its folder; `{{name}}` is `{name}` itself.
        cwd: Where it runs; None: where the engine does.
        env: Environment variables beside those of the engine.
        slots: How many at once; None: as many as the engine asks for.
        gpus: GPU ids, `,` within a slot and `:` between slots: `"0,1:2,3"`.

    Raises:
        InputError: Any of these cannot be used; all mistakes are listed.
    """

    def __init__(
        self,
        command: Command,
        *,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        slots: int | None = None,
        gpus: str | None = None,
    ) -> None:
        if problems := _problems(command, cwd, env):
            raise InputError("The command executor cannot be used", problems)
        self._command: Command = command if isinstance(command, str) else [str(part) for part in command]
        self._cwd = cwd
        self._env = {name: str(value) for name, value in (env or {}).items()}
        self._names: frozenset[str] = frozenset()
        self._gpus = None if gpus is None else parse_gpus(gpus)
        self._slots = slot_count(slots, self._gpus)
        self._running: dict[int, _Running] = {}
        self._unstarted: list[Report] = []
        self._read_at = 0.0

    @property
    def slots(self) -> int | None:
        return self._slots

    def expect(self, names: Collection[str]) -> list[str]:
        """Takes note of all parameters of the space, so that inactive ones become empty text.

        Returns what is wrong with the command's placeholders, as sentences.
        """
        self._names = frozenset(names)
        return placeholders(self._command, sorted(names))

    def describe_slot(self, slot: int) -> dict[str, Any]:
        """Its GPUs, where any were given."""
        return {"gpus": list(gpus_of(self._gpus, slot))} if self._gpus else {}

    def open(self, slots: int) -> None:
        """Nothing to get ready: each attempt starts its own program."""

    def start(self, attempt: Attempt) -> None:
        try:
            surroundings, attempt = self._prepare(attempt)
            leader = launch(surroundings, attempt, gpus_of(self._gpus, attempt.slot))
        except (OSError, ValueError) as error:
            outcome = Outcome(status=OutcomeStatus.FAILED, error=f"the command could not be started: {error}")
            self._unstarted.append(Report(number=attempt.number, outcome=outcome))
            return
        self._take_up(attempt, leader)

    # What an executor of trainings of one kind decides anew

    def _prepare(self, attempt: Attempt) -> tuple[Surroundings, Attempt]:
        """What is run for an attempt, and the attempt with the folder in which its traces and its report will be.

        Raises:
            OSError: It cannot be made ready.
        """
        cwd = Path(self._cwd or ".")
        return Surroundings(command=self._command, cwd=cwd, env=self._env, names=self._names), attempt

    def _place(self, attempt: Attempt) -> Attempt:
        """The attempt with the folder that `_prepare` gave it before."""
        return attempt

    def _news(self, attempt: Attempt, *, final: bool) -> list[Measurement]:
        """What its training measured, beside what it reported."""
        return []

    def _judge(self, attempt: Attempt, code: int | None, *, reported: bool, faults: Sequence[str]) -> Outcome:
        """What came of a training that ended by itself, with this exit code where it is known."""
        return completed_or_failed(attempt.folder, code, reported=reported, faults=faults)

    # As executors do

    def adopt(self, attempt: Attempt) -> bool:
        """Takes up a command that a dead engine had started, running or ended; reports all of it again."""
        attempt = self._place(attempt)
        leader = find_running(attempt.folder)
        if (attempt.folder / STOP_FILE).exists():  # it was being stopped: what it left is not whole
            if leader is not None:
                leader.kill()
            return False
        if leader is None and read_number(attempt.folder / EXIT_CODE_FILE) is None:
            return False
        self._take_up(attempt, leader)
        return True

    def release(self) -> None:
        """Lets its commands go on, for another engine that has taken them up."""
        for running in self._running.values():
            if running.leader is not None:
                running.leader.release()
        self._running.clear()
        self._unstarted.clear()

    def poll(self, timeout: timedelta) -> Sequence[Report]:
        end = time.monotonic() + timeout.total_seconds()
        while True:
            self._kill_overdue()
            reports, self._unstarted = self._unstarted, []
            reports += self._collect_ended(0.0 if reports else self._patience(end))
            reports += self._read_spools()
            if reports or time.monotonic() >= end:
                return reports

    def stop(self, number: int, grace: timedelta) -> None:
        running = self._running.get(number)
        if running is None:
            return
        kill_at = time.monotonic() + grace.total_seconds()
        if not running.stop_asked or running.kill_at is None:
            running.stop_asked = True
            with suppress(OSError):  # a full disk or a removed folder: the signal does it
                (running.attempt.folder / STOP_FILE).touch()
            if running.leader is not None:
                running.leader.signal_group(signal.SIGTERM)
        running.kill_at = min(kill_at, running.kill_at or kill_at)
        self._kill_overdue()

    def close(self) -> None:
        leaders = [running.leader for running in self._running.values() if running.leader is not None]
        self._running.clear()
        self._unstarted.clear()
        for leader in leaders:
            leader.signal_group(signal.SIGKILL)
        for leader in leaders:
            leader.kill()

    def _take_up(self, attempt: Attempt, leader: GroupLeader | None) -> None:
        reader = SpoolReader(attempt.folder / REPORT_FILE)
        self._running[attempt.number] = _Running(attempt=attempt, leader=leader, reader=reader)

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for running in self._running.values():
            if running.leader is not None and running.kill_at is not None and running.kill_at <= now:
                running.leader.signal_group(signal.SIGKILL)

    def _patience(self, end: float) -> float:
        """Seconds until something must be done even when no command ends."""
        now = time.monotonic()
        moments = [end]
        # A deadline that has passed is dealt with: waiting for the dead must not become a busy loop.
        moments += [r.kill_at for r in self._running.values() if r.kill_at is not None and r.kill_at > now]
        if self._running:
            moments.append(self._read_at)
        return max(0.0, min(moments) - now)

    def _collect_ended(self, seconds: float) -> list[Report]:
        leaders = [running.leader for running in self._running.values() if running.leader is not None]
        ears = wakers([leader for leader in leaders if not leader.ended()])
        if len(ears) < len(leaders):
            seconds = min(seconds, POLL_SECONDS)
        if len(leaders) < len(self._running):  # adopted after its end: nothing to wait for
            seconds = 0.0
        if ears:
            wait(ears, seconds)
        else:
            time.sleep(seconds)
        return [self._end(running) for running in list(self._running.values()) if running.ended()]

    def _end(self, running: _Running) -> Report:
        attempt = running.attempt
        del self._running[attempt.number]
        code = running.leader.kill() if running.leader is not None else None
        written = read_number(attempt.folder / EXIT_CODE_FILE)
        measurements = [*running.read(final=True), *self._news(attempt, final=True)]
        if running.stop_asked:
            outcome = Outcome(status=OutcomeStatus.STOPPED)
        else:
            known = code if written is None else written
            outcome = self._judge(attempt, known, reported=running.reported, faults=running.reader.faults)
        return Report(number=attempt.number, measurements=measurements, outcome=outcome)

    def _read_spools(self) -> list[Report]:
        now = time.monotonic()
        if now < self._read_at:
            return []
        self._read_at = now + _SPOOL_SECONDS
        readings = [(n, [*r.read(), *self._news(r.attempt, final=False)]) for n, r in self._running.items()]
        return [Report(number=number, measurements=found) for number, found in readings if found]


def _problems(command: object, cwd: object, env: object) -> list[str]:
    problems = command_problems(command, cwd)
    if env is not None and not isinstance(env, Mapping):
        problems.append(f"'env' must be a mapping of names to values, not {type(env).__name__}")
    elif bad := [name for name in env or {} if not isinstance(name, str) or not name or "=" in name]:
        problems.append(f"'env' has {bad[0]!r:.60}, which is no name of a variable")
    return problems
