"""The engine: one run of a study, from study_started to study_ended.

It starts trials where there is room, takes in what the executor reports, tells handlers, and asks the pure
rules of `plan` and `intake` what that means. Each step is one transaction before it has any effect outside:
a trial is stored as running before it is started, an outcome is stored before handlers hear of it. Killed
between any two lines, the next run finds everything in the store.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from meristem.controllers.protocol import Controller
from meristem.errors import ComponentFailed, IllegalMove, LeaseLost, MeristemError, one_line
from meristem.events import Event, EventKind
from meristem.statuses import ENDED, StudyStatus, TrialStatus
from meristem.stopping.rule import StoppingRule
from meristem.store.rows import TrialRow
from meristem.study import happenings as told
from meristem.study.ahead import Ahead
from meristem.study.audience import Audience
from meristem.study.early_stopping import EarlyStopping
from meristem.study.heartbeat import Heartbeat
from meristem.study.intake import ABORTED, ASKED, STUDY, TIMEOUT, Running, cut_off, take_in
from meristem.study.ledger import Ledger
from meristem.study.plan import Ending, Plan, RunCounts, open_slots, room, settled, why_end
from meristem.study.protocols import Attempt, Executor, Handler, Outcome, OutcomeStatus, Report
from meristem.study.run import StudyRun

log = logging.getLogger("meristem.study")

_POLL_SECONDS = 0.5
_FORCE = timedelta(seconds=5)  # how long an executor may take to end by force what it was told to
_ABORT_GRACE = timedelta(seconds=0.5)  # nothing of an aborted trial is kept for which it would need longer
_MOST_FAILURES_KEPT = 10
_BROKEN_OFF = (StudyStatus.INTERRUPTED, StudyStatus.FAILED)


class Engine:
    """Runs one study once.

    Args:
        setup: How the study is run, as JSON, kept for resuming it.
        stopping: Says which running trials are hopeless.
    """

    def __init__(
        self, ledger: Ledger, controller: Controller, executor: Executor, *, handlers: Sequence[Handler],
        plan: Plan, heartbeat: Heartbeat, folder: Path, setup: dict[str, Any], stopping: StoppingRule | None = None,
    ) -> None:  # fmt: skip
        self._ledger, self._controller, self._executor = ledger, controller, executor
        self._plan, self._heartbeat, self._setup = plan, heartbeat, setup
        self._rule = stopping
        self._early: EarlyStopping | None = None
        self._slots = min(plan.parallel, executor.slots or plan.parallel)
        self._lasting = bool(getattr(executor, "lasting", False))
        self._ahead = Ahead(controller) if self._lasting and self._slots > 1 else None
        self._key = ""
        self._running: dict[int, Running] = {}
        self._ending: Ending | None = None
        self._ended_now = self._failed_now = 0
        self._failures: list[str] = []
        self._broken: ComponentFailed | None = None
        self._exhausted = self._all_suspended = False
        self._clock = time.monotonic()
        self._view = StudyRun(
            ledger, plan, folder=folder, slots=self._slots, stop=self.ask_to_stop, stop_trial=self._stop_trial
        )
        self._audience = Audience(handlers, self._view, self._component_failed)

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
        except BaseException:
            self._executor.close()
            raise
        problem = self._work()
        try:
            # What another engine has taken up is no longer ours to end.
            let_go = getattr(self._executor, "release", None) if isinstance(problem, LeaseLost) else None
            (let_go or self._executor.close)()
        except BaseException as error:  # a second Ctrl-C
            problem = problem or error
        self._end(problem)
        if problem is not None:
            raise problem
        if self._broken is not None:
            raise self._broken
        assert self._ending is not None
        return self._ending

    def ask_to_stop(self, message: str, status: StudyStatus = StudyStatus.STOPPED) -> None:
        """Ends the run as soon as may be; the first message counts. Any thread may call it."""
        if self._ending is None or (status == StudyStatus.INTERRUPTED and not self._interrupted()):
            self._ending = Ending(status=status, message=message)

    def _end_with(self, ending: Ending | None) -> None:
        # Only ever from none to some: a signal or another thread may have set it a moment ago.
        if ending is not None:
            self._ending = self._ending or ending

    def interrupt(self) -> None:
        """Ctrl-C: ends the run cleanly; running trials will be run again."""
        left = f"up to {self._plan.grace:g} s for {len(self._running)} running trials; " if self._running else ""
        if self._lasting and self._running:
            left = f"{len(self._running)} deployed trials go on, and are taken up by the next run; "
        log.warning("Stopping (%sCtrl-C again ends at once).", left)
        self.ask_to_stop("by Ctrl-C", StudyStatus.INTERRUPTED)

    @property
    def slots(self) -> int:
        """How many trials it runs at a time."""
        return self._slots

    @property
    def failures(self) -> list[str]:
        """The first failures of this run, one line each."""
        return self._failures

    def _work(self) -> BaseException | None:
        """All between beginning and end; gives what neither a component nor a trial may be blamed for."""
        for stage in (self._tell_beginning, self._loop, self._wind_down):
            try:
                stage()
            except ComponentFailed as error:
                self._component_failed(error, stop=True)
            except BaseException as error:
                return error
        return None

    # Beginning

    def _begin(self) -> None:
        ledger = self._ledger
        ledger.sync()
        row = ledger.store.studies.get(ledger.name)
        self._key = row.folder_key or str(row.id)
        orphans = [row for row in ledger.open.values() if self._is_orphan(row)]
        cut = [self._cut_off(row) for row in orphans]
        events = [event for _, event in cut]
        if row.status == StudyStatus.RUNNING:
            payload = {"status": StudyStatus.INTERRUPTED.value, "message": "the engine that ran it died"}
            events.append(Event(kind=EventKind.STUDY_ENDED, payload=payload))
        self._early = self._early_stopping()
        self._run = row.run + 1
        ledger.write(
            [
                *events,
                Event(kind=EventKind.STUDY_STARTED, payload={"run": self._run}),
                Event(kind=EventKind.SPACE_AVAILABLE),
            ],
            token=self._heartbeat.token,
            moves=[(row, after) for row, (after, _) in zip(orphans, cut, strict=True)],
            study={
                "status": StudyStatus.RUNNING.value, "run": self._run, "message": None,
                "setup": json.dumps(self._setup | {"slots": self._slot_facts()}, default=str),
            },
        )  # fmt: skip

    def _is_orphan(self, row: TrialRow) -> bool:
        """Whether a dead engine left it running and it must be run again; otherwise it is taken up here."""
        if row.run_by != "engine" or row.status != TrialStatus.RUNNING:
            return False
        if not self._executor.adopt(self._attempt(row)):
            return True
        running = self._running[row.number] = Running(row=row, deadline=self._deadline(row))
        if self._lasting:
            return False
        if row.slot not in range(self._slots) or self._is_taken(row):  # fewer slots than it was started with
            running.why_stopped = STUDY
            self._executor.stop(row.number, self._plan.grace_time)
        return False

    def _early_stopping(self) -> EarlyStopping | None:
        """The curves so far; those of trials that are taken up come once more from their executor."""
        if self._rule is None:
            return None
        store, goals = self._ledger.store.trials, self._ledger.definition.goals
        reports = store.list_reports(self._ledger.study_id, list(goals.objectives[0].terms))
        early = EarlyStopping(self._rule, goals, store.list_page(self._ledger.study_id, statuses=list(ENDED)), reports)
        for running in self._running.values():
            early.start(running.row)
        return early

    def _is_taken(self, row: TrialRow) -> bool:
        return any(r.row.slot == row.slot and n != row.number for n, r in self._running.items())

    def _tell_beginning(self) -> None:
        self._audience.tell(told.StudyStarted(run=self._run))
        self._audience.tell(told.SpaceAvailable(space=self._ledger.definition.space))
        for running in self._running.values():
            self._audience.tell(told.TrialStarted(trial=self._view.trial_of(running.row)))

    # The loop

    def _loop(self) -> None:
        while self._ending is None:
            self._heed_others()
            self._end_with(why_end(self._plan, self._counts()))
            if self._ending is not None:
                return
            self._fill()
            if self._running:
                self._think_ahead()
                self._step()
            elif self._exhausted:
                self._end_with(self._nothing_more())
            elif not self._free_slots():  # all are suspended
                self._heartbeat.wait_for_news(min([_POLL_SECONDS, *(max(0.0, left) for left in self._times_left())]))

    def _think_ahead(self) -> None:
        busy = not self._free_slots() and not self._ledger.waiting()
        left = room(self._plan, ended=self._ledger.spent, running=len(self._running), free=1)
        # A launch whose answer is not stored yet would be in doubt after a crash: that goes before.
        if self._ahead is not None and busy and left and not self._launching():
            self._ahead.prepare(self._ledger.snapshot())

    def _step(self) -> None:
        """Waits for news, takes it in, and enforces time limits."""
        wait = min([_POLL_SECONDS, *(max(0.0, left) for left in self._times_left())])
        self._take_in(self._executor.poll(timedelta(seconds=wait)))
        now = time.monotonic()
        for number, running in self._running.items():
            if running.deadline is not None and now >= running.deadline and running.why_stopped is None:
                running.why_stopped = TIMEOUT
                self._executor.stop(number, self._plan.grace_time)

    def _heed_others(self) -> None:
        """What other processes did to the study: asked it to stop, suspended slots, told outcomes, gave up trials."""
        self._heartbeat.raise_if_lost()
        if message := self._heartbeat.stop_message:
            self.ask_to_stop(message)
        if self._heartbeat.last_event > self._ledger.cursor:
            self._ledger.sync()
        self._say_when_all_are_suspended()
        # Whoever synced, here or when a write was refused: what others ended need not run on.
        for number in self._running:
            if number not in self._ledger.open:
                self._stop_trial(number)
            elif number in self._ledger.aborts:
                self._abort(number, self._ledger.aborts[number])

    def _say_when_all_are_suspended(self) -> None:
        suspended = self._ledger.suspended.issuperset(range(self._slots))
        if suspended and not self._all_suspended:
            log.warning(
                "All slots of study %r are suspended: it waits. Go on with: meristem study slots %s resume --all",
                self._ledger.name, self._ledger.name,
            )  # fmt: skip
        self._all_suspended = suspended

    def _fill(self) -> None:
        """Starts trials in free slots: those that wait, then new ones."""
        self._exhausted = False
        for row in self._ledger.waiting():
            if not self._room():
                break
            started = self._ledger.start(row, slot=self._free_slots()[0], token=self._heartbeat.token)
            if started is not None:
                self._launch(started)
        free = self._room()
        if free <= 0 or self._ending is not None:
            return
        slots = self._free_slots()[:free]
        rows = self._ledger.propose(self._ahead or self._controller, free, token=self._heartbeat.token, slots=slots)
        self._exhausted = not rows
        if rows:
            trials = [self._view.trial_of(row) for row in rows]
            self._audience.tell(told.RecommendationsAvailable(trials=trials))
        for row in rows:
            self._launch(row)

    def _launch(self, row: TrialRow) -> None:
        running = self._running[row.number] = Running(row=row, deadline=self._deadline())
        if self._early is not None:
            self._early.start(row)
        self._audience.tell(told.TrialStarted(trial=self._view.trial_of(row)))
        if (message := self._ledger.aborts.get(row.number)) is not None:  # said while its last attempt failed
            running.why_stopped, running.reason = ABORTED, message
            self._take_in([Report(number=row.number, outcome=Outcome(status=OutcomeStatus.STOPPED))])
            return
        try:
            self._executor.start(self._attempt(row))
        except Exception as error:  # an executor that cannot start a trial fails that trial alone
            outcome = Outcome(
                status=OutcomeStatus.FAILED,
                error=f"the executor could not start it: {one_line(error)}",
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
                    if self._early is not None:
                        self._early.end(report.number)
                    self._audience.tell(told.TrialEnded(trial=self._view.get_trial(report.number)))
            self._take_in([r for r in reports if r.number in self._ledger.open])

    def _store(self, reports: Sequence[Report]) -> None:
        """Writes measurements and outcomes in one transaction, then tells handlers."""
        found = take_in(
            reports, self._running, goals=self._ledger.definition.goals, plan=self._plan,
            ending=self._ending is not None, now=time.time(), shown=self._view.trial_of,
        )  # fmt: skip
        self._ledger.write(
            found.events, token=self._heartbeat.token, moves=found.moves, measurements=found.measurements
        )
        for _before, after in found.moves:
            if after.status != TrialStatus.RUNNING:
                self._count(after, bad=after.number in found.bad)
                del self._running[after.number]
        if self._early is not None:
            self._stop_hopeless(self._early, reports)
        for happening in found.happenings:
            self._audience.tell(happening)
        if found.missing is not None and not self._ever_given(found.missing[0]):
            self.ask_to_stop(found.missing[1], StudyStatus.FAILED)
        if why := self._ledger.leaders.why_no_baseline(self._ledger.open.values()):
            self.ask_to_stop(why, StudyStatus.FAILED)

    def _ever_given(self, metrics: Sequence[str]) -> bool:
        return any(all(name in o.metrics for name in metrics) for o in self._ledger.history)

    def _stop_hopeless(self, early: EarlyStopping, reports: Sequence[Report]) -> None:
        for report in reports:
            why = early.why_stop(report.number, report.measurements)
            if report.outcome is not None:
                early.end(report.number)
                if self._ended_now == 1 and report.outcome.status == OutcomeStatus.COMPLETED and not early.heard():
                    metric = self._ledger.definition.goals.objectives[0].metric
                    log.warning("Early stopping has nothing to judge by: trials do not report %r with a step.", metric)
            elif why is not None:
                self._stop_trial(report.number, f"stopped early: {why}")

    def _count(self, after: TrialRow, *, bad: bool) -> None:
        if after.status == TrialStatus.WAITING:
            return
        self._ended_now += 1
        if bad:
            self._failed_now += 1
            if len(self._failures) < _MOST_FAILURES_KEPT:
                self._failures.append(f"trial {after.number}: {after.error}")

    # Ending

    def _wind_down(self) -> None:
        """Awaits or stops what still runs, as configured; what cannot be ended is left to be run again."""
        if self._leaves():
            self._await_launches()
            return
        if self._plan.at_stop == "wait":
            while self._running and not self._interrupted():
                self._heed_others()
                self._step()
        deadline = time.monotonic() + (self._plan.grace_time + _FORCE).total_seconds()
        for number, running in self._running.items():
            running.why_stopped = running.why_stopped or STUDY
            self._executor.stop(number, self._plan.grace_time)
        while any(not r.left for r in self._running.values()) and time.monotonic() < deadline:
            self._take_in(self._executor.poll(timedelta(seconds=0.1)))
        stopped = Outcome(status=OutcomeStatus.STOPPED, may_run=self._lasting)
        self._take_in([Report(number=n, outcome=stopped) for n in list(self._running)])

    def _await_launches(self) -> None:
        """Takes in where trials were just deployed: a launch whose answer nobody heard would be in doubt."""
        if hold := getattr(self._executor, "hold", None):
            hold()
        deadline = time.monotonic() + self._plan.grace
        while time.monotonic() < deadline and (launching := self._launching()):
            for running in launching:
                running.why_stopped = running.why_stopped or STUDY  # where it was not launched, it waits
            self._take_in(self._executor.poll(timedelta(seconds=0.1)))

    def _end(self, problem: BaseException | None) -> None:
        """The last event and the handlers' shutdown; after a problem as much of it as can be stored."""
        if self._ending is not None:
            self._ending = settled(self._plan, self._ending, self._counts())
        if problem is not None:
            status = StudyStatus.INTERRUPTED if isinstance(problem, KeyboardInterrupt) else StudyStatus.FAILED
            self._ending = Ending(status=status, message=one_line(problem))
        assert self._ending is not None
        ending = self._ending
        orphans = [] if self._lasting else [r.row for r in self._running.values()]
        cut = [self._cut_off(row) for row in orphans]
        payload = {"status": ending.status.value, "message": ending.message}
        try:
            self._ledger.write(
                [*(event for _, event in cut), Event(kind=EventKind.STUDY_ENDED, payload=payload)],
                token=self._heartbeat.token,
                moves=[(row, after) for row, (after, _) in zip(orphans, cut, strict=True)],
                study={"status": ending.status.value, "message": ending.message, "stop_message": None},
            )
        except MeristemError as error:
            if problem is None:
                raise
            log.warning("The end of study %r could not be stored: %s", self._ledger.name, error)
        for row, (after, _) in zip(orphans, cut, strict=True):
            goes_on = after.status == TrialStatus.WAITING
            self._audience.tell(told.TrialEnded(trial=self._view.trial_of(row if goes_on else after), again=goes_on))
        self._audience.tell(told.StudyEnded(status=ending.status, message=ending.message))
        self._audience.shut_down(self._controller, self._executor)

    def _nothing_more(self) -> Ending:
        asked = getattr(self._controller, "stop_message", None)
        if asked:
            return Ending(status=StudyStatus.COMPLETED, message=f"the controller asked to stop: {asked}")
        size = self._ledger.definition.space.size
        tried = f" (all {size} points of the space are tried)" if size and len(self._ledger.history) >= size else ""
        return Ending(status=StudyStatus.COMPLETED, message=f"the controller has nothing more to try{tried}")

    def _component_failed(self, failure: ComponentFailed, *, stop: bool = False) -> None:
        if stop or self._plan.on_handler_error == "stop":
            self._broken = self._broken or failure
            self.ask_to_stop(failure.what, StudyStatus.FAILED)

    def _stop_trial(self, number: int, reason: str | None = None) -> None:
        running = self._running.get(number)
        if running is not None and running.why_stopped is None:
            running.why_stopped, running.reason = ASKED, reason
            self._executor.stop(number, self._plan.grace_time)

    def _abort(self, number: int, message: str) -> None:
        running = self._running[number]
        if running.why_stopped == ABORTED:
            return
        if running.why_stopped in (None, STUDY):  # otherwise it is being ended already, for a reason that stands
            running.why_stopped, running.reason = ABORTED, message
        # What runs outside says itself when it has ended, which may take it as long as any other stop.
        grace = self._plan.grace_time if self._lasting else min(self._plan.grace_time, _ABORT_GRACE)
        self._executor.stop(number, grace)

    def _cut_off(self, row: TrialRow) -> tuple[TrialRow, Event]:
        return cut_off(row, self._ledger.aborts.get(row.number), time.time())

    # Reading itself

    def _leaves(self) -> bool:
        """Whether what runs is left where it runs, for the next run to take up."""
        return self._lasting and self._ending is not None and self._ending.status in _BROKEN_OFF

    def _launching(self) -> list[Running]:
        return [running for running in self._running.values() if running.row.deployment is None]

    def _interrupted(self) -> bool:
        return self._ending is not None and self._ending.status == StudyStatus.INTERRUPTED

    def _counts(self) -> RunCounts:
        return RunCounts(
            ended=self._ledger.spent,
            ended_now=self._ended_now,
            failed_now=self._failed_now,
            since_best=self._ledger.leaders.since,
            elapsed=time.monotonic() - self._clock,
            running=len(self._running),
            anything_measured=self._ledger.history.anything_measured,
        )

    def _room(self) -> int:
        free = len(self._free_slots())
        return room(self._plan, ended=self._ledger.spent, running=len(self._running), free=free)

    def _times_left(self) -> list[float]:
        now = time.monotonic()
        left = [r.deadline - now for r in self._running.values() if r.deadline and r.why_stopped is None]
        if self._plan.seconds is not None and self._ending is None:
            left.append(self._plan.seconds - (now - self._clock))
        return left

    def _deadline(self, taken_up: TrialRow | None = None) -> float | None:
        if self._plan.timeout is None:
            return None
        started = None if taken_up is None else taken_up.started_at
        spent = 0.0 if started is None else max(0.0, time.time() - started)
        return time.monotonic() + max(0.0, self._plan.timeout - spent)

    def _free_slots(self) -> list[int]:
        taken = [running.row.slot for running in self._running.values()]
        return open_slots(self._slots, taken=taken, suspended=self._ledger.suspended)

    def _slot_facts(self) -> list[dict[str, Any]]:
        describe = getattr(self._executor, "describe_slot", None)
        return [dict(describe(slot)) if callable(describe) else {} for slot in range(self._slots)]

    def _attempt(self, row: TrialRow) -> Attempt:
        return Attempt(
            study=self._ledger.name,
            number=row.number,
            attempt=row.attempt,
            parameters=row.parameters,
            folder=self._view.folder_of(row.number, row.attempt),
            slot=row.slot or 0,
            parent_folder=self._view.parent_folder_of(row),
            key=f"{self._key}-{row.number}-{row.attempt}",
            deployment=row.deployment,
            origin=row.origin,
        )
