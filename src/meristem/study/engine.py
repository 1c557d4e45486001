"""The engine: one run of a study, from study_started to study_ended.

It starts trials where there is room, takes in what the executor reports, tells handlers, and asks
the pure rules of `plan` whether to go on. Each step is one transaction before it has any effect
outside: a trial is stored as running before it is started, an outcome is stored before handlers
hear of it. Killed between any two lines, the next run finds everything in the store.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from meristem.controllers.protocol import Controller
from meristem.errors import ComponentFailed, IllegalMove, MeristemError
from meristem.events import Event, EventKind
from meristem.spool import Measurement
from meristem.store.rows import TrialMeasurements, TrialRow
from meristem.study import happenings as told
from meristem.study.heartbeat import Heartbeat
from meristem.study.ledger import Ledger
from meristem.study.plan import Ending, Plan, Progress, StudyStatus, room, why_end
from meristem.study.protocols import Executor, Handler, Job, Outcome, OutcomeStatus, Report
from meristem.study.run import StudyRun
from meristem.study.trial import Trial, TrialStatus, trial_of
from meristem.study.verdict import Verdict, judge, last_values

log = logging.getLogger("meristem.study")

_POLL = timedelta(seconds=0.5)
_FORCE = timedelta(seconds=5)  # how long an executor may take to end by force what it was told to


@dataclass(slots=True)
class Running:
    """A trial that runs now, and what is known of it."""

    row: TrialRow
    deadline: float | None
    latest: dict[str, Measurement] = field(default_factory=dict)
    why_stopped: str | None = None  # "timeout", "asked" or "study"


class Engine:
    """Runs one study once.

    Args:
        token: Fencing number of the lease that the caller holds.
        setup: How the study is run, as JSON, kept for `meristem study resume`.
    """

    def __init__(
        self, ledger: Ledger, controller: Controller, executor: Executor, *, handlers: Sequence[Handler],
        plan: Plan, heartbeat: Heartbeat, folder: Path, setup: dict[str, Any],
    ) -> None:  # fmt: skip
        self._ledger, self._controller, self._executor = ledger, controller, executor
        self._handlers, self._plan, self._heartbeat = list(handlers), plan, heartbeat
        self._folder, self._setup = folder, setup
        self._slots = min(plan.parallel, executor.slots or plan.parallel)
        self._running: dict[int, Running] = {}
        self._ending: Ending | None = None
        self._ended_now = self._failed_now = 0
        self._failures: list[str] = []
        self._broken: ComponentFailed | None = None
        self._exhausted = False
        self._clock = time.monotonic()
        self.run_view = StudyRun(
            ledger, plan, folder=folder, slots=self._slots, stop=self._asked_to_stop, stop_trial=self._stop_trial
        )

    def run(self) -> Ending:
        """Runs the study until it ends, and says how it ended.

        Raises:
            ComponentFailed: The controller or a handler raised; the study has been ended cleanly.
            LeaseLost: Another engine took the study over.
            StoreError: The store could not be written for longer than it is waited for.
        """
        try:
            self._executor.open(self._slots)
            self._begin()
            self._loop()
            ending = self._ending or Ending(status=StudyStatus.COMPLETED, message="")
            self._wind_down()
        except ComponentFailed as error:
            self._broken = self._broken or error
            ending = Ending(status=StudyStatus.FAILED, message=error.what)
            self._wind_down()
        except BaseException as error:
            self._executor.close()
            status = StudyStatus.INTERRUPTED if isinstance(error, KeyboardInterrupt) else StudyStatus.FAILED
            self._end(Ending(status=status, message=_why(error)), storing_may_fail=True)
            raise
        self._executor.close()
        self._end(ending)
        if self._broken is not None:
            raise self._broken
        return ending

    def interrupt(self) -> None:
        """Ctrl-C: ends the run cleanly; running trials will be run again."""
        self._asked_to_stop("interrupted", StudyStatus.INTERRUPTED)

    @property
    def failures(self) -> list[str]:
        """The first failures of this run, one line each."""
        return self._failures

    # Beginning

    def _begin(self) -> None:
        ledger = self._ledger
        ledger.sync()
        row = ledger.store.studies.get(ledger.name)
        events = self._settle_last_run(died=row.status == StudyStatus.RUNNING)
        run = row.run + 1
        ledger.write(
            [*events, Event(kind=EventKind.STUDY_STARTED, payload={"run": run}), Event(kind=EventKind.SPACE_AVAILABLE)],
            token=self._heartbeat.token,
            moves=[(r, ledger.again_row(r)) for r in self._orphans],
            study={
                "status": StudyStatus.RUNNING.value, "run": run, "message": None, "stop_message": None,
                "setup": _json(self._setup),
            },
        )  # fmt: skip
        self._tell(told.StudyStarted(run=run))
        self._tell(told.SpaceAvailable(space=ledger.definition.space))

    def _settle_last_run(self, *, died: bool) -> list[Event]:
        """Takes up running trials of a dead engine, or has them run again; closes its log."""
        events = []
        self._orphans: list[TrialRow] = []
        free = list(range(self._slots))
        for row in list(self._ledger.open.values()):
            if row.run_by != "engine" or row.status != TrialStatus.RUNNING:
                continue
            if row.slot in free and self._executor.adopt(self._job(row, row.slot or 0)):
                free.remove(row.slot)
                self._running[row.number] = Running(row=row, deadline=self._deadline())
                continue
            self._orphans.append(row)
            events.append(_ended_event(row, "interrupted", again=True))
        if died:
            message = "the engine that ran it died"
            events.append(
                Event(
                    kind=EventKind.STUDY_ENDED,
                    payload={"status": StudyStatus.INTERRUPTED.value, "message": message},
                )
            )
        return events

    # The loop

    def _loop(self) -> None:
        while self._ending is None:
            self._heed_others()
            self._ending = self._ending or why_end(self._plan, self._progress())
            if self._ending is not None:
                return
            self._fill()
            if not self._running:
                if self._exhausted and self._ending is None:
                    self._ending = self._nothing_more()
                if self._ending is None and not self._room():
                    time.sleep(0.05)  # every trial left belongs to another process
                continue
            self._step()

    def _step(self) -> None:
        """Waits for news, takes it in, and enforces time limits."""
        wait = min([_POLL.total_seconds(), *(max(0.0, d) for d in self._times_left())])
        self._take_in(self._executor.poll(timedelta(seconds=wait)))
        now = time.monotonic()
        for number, running in self._running.items():
            if running.deadline is not None and now >= running.deadline and running.why_stopped is None:
                running.why_stopped = "timeout"
                self._executor.stop(number, self._plan.grace_time)

    def _heed_others(self) -> None:
        """What other processes did to the study: asked it to stop, told outcomes, gave up trials."""
        self._heartbeat.raise_if_lost()
        if message := self._heartbeat.stop_message:
            self._asked_to_stop(message)
        if self._heartbeat.take_changed(self._ledger.last_event):
            self._ledger.sync()
            for number in [n for n in self._running if n not in self._ledger.open]:
                self._executor.stop(number, self._plan.grace_time)

    def _room(self) -> int:
        return room(self._plan, ended=len(self._ledger.history), running=len(self._running), slots=self._slots)

    def _fill(self) -> None:
        """Starts trials in free slots: those that wait, then new ones."""
        free = self._room()
        self._exhausted = False
        waiting = self._ledger.waiting()[:free]
        for row in waiting:
            slot = self._free_slots()[0]
            row = self._ledger.start(row, slot=slot, token=self._heartbeat.token)
            self._launch(row)
        free -= len(waiting)
        if free <= 0 or self._ending is not None:
            return
        rows = self._ledger.propose(
            self._controller, free, token=self._heartbeat.token, slots=self._free_slots()[:free]
        )
        self._exhausted = not rows
        if rows:
            self._tell(told.RecommendationsAvailable(trials=[self._trial(row) for row in rows]))
        for row in rows:
            self._launch(row)

    def _launch(self, row: TrialRow) -> None:
        assert row.slot is not None
        job = self._job(row, row.slot)
        if job.folder.exists():  # left by a study of the same name that was deleted
            shutil.rmtree(job.folder)
        self._running[row.number] = Running(row=row, deadline=self._deadline())
        self._tell(told.TrialStarted(trial=self._trial(row)))
        try:
            self._executor.start(job)
        except Exception as error:  # an executor that cannot start a trial fails that trial alone
            outcome = Outcome(
                status=OutcomeStatus.FAILED,
                error=f"the executor could not start it: {_why(error)}",
                traceback=traceback.format_exc(),
            )
            self._take_in([Report(number=row.number, outcome=outcome)])

    # Taking in news

    def _take_in(self, reports: Sequence[Report]) -> None:
        reports = [report for report in reports if report.number in self._running]
        if not reports:
            return
        try:
            self._store(reports)
        except IllegalMove:  # somebody else ended one of these trials meanwhile
            self._ledger.sync()
            for report in reports:
                if report.number not in self._ledger.open and report.outcome is not None:
                    del self._running[report.number]
            self._take_in([r for r in reports if r.number in self._ledger.open])

    def _store(self, reports: Sequence[Report]) -> None:
        """Writes measurements and outcomes in one transaction, then tells handlers."""
        events: list[Event] = []
        moves: list[tuple[TrialRow, TrialRow]] = []
        points: list[TrialMeasurements] = []
        tell: list[told.Happening] = []
        for report in reports:
            running = self._running[report.number]
            if report.measurements:
                _remember(running, report.measurements)
                points.append(
                    TrialMeasurements(
                        trial=report.number, attempt=running.row.attempt, measurements=report.measurements
                    )
                )
                events.append(_measured_event(report))
                trial = self._trial(running.row)
                tell += [told.MeasurementReported(trial=trial, measurement=m) for m in report.measurements]
            if report.outcome is not None:
                after, again = self._after(running, report.outcome)
                moves.append((running.row, after))
                events.append(_ended_event(running.row, _end_status(after, again), again=again))
                shown = self._shown_end(running, after, again)
                tell.append(told.TrialEnded(trial=shown, again=again))
        self._ledger.write(events, token=self._heartbeat.token, moves=moves, measurements=points)
        for _before, after in moves:
            self._count(after)
            del self._running[after.number]
        for happening in tell:
            self._tell(happening)

    def _after(self, running: Running, outcome: Outcome) -> tuple[TrialRow, bool]:
        """The trial's row after `outcome`, and whether it will be run again."""
        row, ledger = running.row, self._ledger
        if running.why_stopped == "study" and outcome.status == OutcomeStatus.STOPPED:
            return ledger.again_row(row), True
        verdict = judge(outcome, ledger.definition.objective, last_values(list(running.latest.values())))
        if running.why_stopped == "timeout" and verdict.status != TrialStatus.COMPLETED:
            error = f"timed out after {self._plan.timeout:g} s"
            verdict = Verdict(status=TrialStatus.FAILED, metrics=verdict.metrics, error=error)
        if verdict.status == TrialStatus.FAILED and row.failures < self._plan.retries and self._ending is None:
            failed = replace(ledger.again_row(row), failures=row.failures + 1)
            return _with_error(failed, verdict), True
        return ledger.ended_row(row, verdict), False

    def _shown_end(self, running: Running, after: TrialRow, again: bool) -> Trial:
        row = running.row if again else after
        return trial_of(
            _with_error(row, after) if again else row,
            self._ledger.definition.objective,
            folder=self.run_view.folder_of(row.number, row.attempt),
        )

    def _count(self, after: TrialRow) -> None:
        if after.status == TrialStatus.WAITING:
            return
        self._ended_now += 1
        if after.status == TrialStatus.FAILED:
            self._failed_now += 1
            if len(self._failures) < 10:
                self._failures.append(f"trial {after.number}: {after.error}")

    # Ending

    def _wind_down(self) -> None:
        """Awaits or stops what still runs, as configured; what cannot be ended is left to be run again."""
        if self._plan.at_stop == "wait" and not self._interrupted():
            while self._running and not self._interrupted():
                self._heed_others()
                self._step()
        deadline = time.monotonic() + (self._plan.grace_time + _FORCE).total_seconds()
        for number, running in self._running.items():
            running.why_stopped = running.why_stopped or "study"
            self._executor.stop(number, self._plan.grace_time)
        while self._running and time.monotonic() < deadline:
            self._take_in(self._executor.poll(timedelta(seconds=0.1)))
        stopped = Outcome(status=OutcomeStatus.STOPPED)
        self._take_in([Report(number=n, outcome=stopped) for n in list(self._running)])

    def _end(self, ending: Ending, *, storing_may_fail: bool = False) -> None:
        """The last event and the handlers' shutdown."""
        payload = {"status": ending.status.value, "message": ending.message}
        orphans = [] if not storing_may_fail else [r.row for r in self._running.values()]
        events = [_ended_event(row, "interrupted", again=True) for row in orphans]
        try:
            self._ledger.write(
                [*events, Event(kind=EventKind.STUDY_ENDED, payload=payload)],
                token=self._heartbeat.token,
                moves=[(row, self._ledger.again_row(row)) for row in orphans],
                study={"status": ending.status.value, "message": ending.message, "stop_message": None},
            )
        except MeristemError as error:
            if not storing_may_fail:
                raise
            log.warning("The end of study %r could not be stored: %s", self._ledger.name, error)
        for row in orphans:
            self._tell(told.TrialEnded(trial=self._trial(row), again=True))
        self._tell(told.StudyEnded(status=ending.status, message=ending.message))
        for handler in reversed(self._handlers):
            self._guarded(handler, lambda handler=handler: handler.shutdown(self.run_view))
        shut = getattr(self._controller, "shutdown", None)
        if callable(shut):
            shut()

    def _nothing_more(self) -> Ending:
        asked = getattr(self._controller, "stop_message", None)
        if asked:
            return Ending(status=StudyStatus.COMPLETED, message=f"the controller asked to stop: {asked}")
        size = self._ledger.definition.space.size
        tried = f" (all {size} points of the space are tried)" if size and len(self._ledger.history) >= size else ""
        return Ending(status=StudyStatus.COMPLETED, message=f"the controller has nothing more to try{tried}")

    # Handlers

    def _tell(self, happening: told.Happening) -> None:
        for handler in self._handlers:
            self._guarded(handler, lambda handler=handler: handler.handle(happening, self.run_view))

    def _guarded(self, handler: Handler, call: Any) -> None:
        try:
            call()
        except Exception:  # a user's handler may raise anything
            failure = ComponentFailed("handler", type(handler).__name__, traceback.format_exc())
            log.error("%s", failure)
            if self._plan.on_handler_error == "stop":
                self._broken = self._broken or failure
                self._asked_to_stop(failure.what, StudyStatus.FAILED)

    def _asked_to_stop(self, message: str, status: StudyStatus = StudyStatus.STOPPED) -> None:
        if self._ending is None or (status == StudyStatus.INTERRUPTED and not self._interrupted()):
            self._ending = Ending(status=status, message=message)

    def _stop_trial(self, number: int) -> None:
        running = self._running.get(number)
        if running is not None and running.why_stopped is None:
            running.why_stopped = "asked"
            self._executor.stop(number, self._plan.grace_time)

    # Reading itself

    def _interrupted(self) -> bool:
        return self._ending is not None and self._ending.status == StudyStatus.INTERRUPTED

    def _progress(self) -> Progress:
        return Progress(
            ended=len(self._ledger.history),
            ended_now=self._ended_now,
            failed_now=self._failed_now,
            since_best=self._ledger.since_best,
            elapsed=time.monotonic() - self._clock,
            running=len(self._running),
        )

    def _times_left(self) -> list[float]:
        now = time.monotonic()
        left = [r.deadline - now for r in self._running.values() if r.deadline and r.why_stopped is None]
        if self._plan.seconds is not None:
            left.append(self._plan.seconds - (now - self._clock))
        return left

    def _deadline(self) -> float | None:
        return None if self._plan.timeout is None else time.monotonic() + self._plan.timeout

    def _free_slots(self) -> list[int]:
        taken = {running.row.slot for running in self._running.values()}
        return [slot for slot in range(self._slots) if slot not in taken]

    def _job(self, row: TrialRow, slot: int) -> Job:
        return Job(
            study=self._ledger.name,
            number=row.number,
            attempt=row.attempt,
            parameters=row.parameters,
            folder=self.run_view.folder_of(row.number, row.attempt),
            slot=slot,
        )

    def _trial(self, row: TrialRow) -> Trial:
        return trial_of(row, self._ledger.definition.objective, folder=self.run_view.folder_of(row.number, row.attempt))


def _remember(running: Running, measurements: Sequence[Measurement]) -> None:
    """Keeps the last value of each metric; a final value (without step) stays the last."""
    for m in measurements:
        known = running.latest.get(m.metric)
        if known is None or m.step is None or (known.step is not None and m.step >= known.step):
            running.latest[m.metric] = m


def _measured_event(report: Report) -> Event:
    steps = [m.step for m in report.measurements if m.step is not None]
    return Event(
        kind=EventKind.MEASUREMENT_REPORTED,
        trial=report.number,
        payload={"count": len(report.measurements), "last_step": max(steps) if steps else None},
    )


def _ended_event(row: TrialRow, status: str, *, again: bool) -> Event:
    payload: dict[str, Any] = {"status": status, "attempt": row.attempt}
    if again:
        payload["again"] = True
    return Event(kind=EventKind.TRIAL_ENDED, trial=row.number, payload=payload)


def _end_status(after: TrialRow, again: bool) -> str:
    if not again:
        return str(after.status)
    return "failed" if after.error else "interrupted"


def _with_error(row: TrialRow, of: Verdict | TrialRow) -> TrialRow:
    return replace(row, error=of.error, traceback=of.traceback)


def _why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0][:500]


def _json(value: Any) -> str:
    return json.dumps(value, default=str)
