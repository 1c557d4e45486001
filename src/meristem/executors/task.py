"""`TaskExecutor`: each trial is a task on a queue, a copy of a template with the trial's parameters.

So any study runs on all workers that serve the queue, on however many machines. The store tries a task again whose
machine was lost; the trial sees nothing of that. An attempt's task has an id that follows from the attempt: an engine
that died anywhere is followed by one that finds the task, or knows that there is none.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from meristem import present
from meristem.errors import InputError, MeristemError, StoreUnavailable, TaskError, TaskNotFound, one_line
from meristem.executors.task_template import Template, name_problems, read_names, task_id
from meristem.naming import is_attempts, is_priority
from meristem.needs import read_needs
from meristem.spool import Measurement
from meristem.statuses import TASK_ENDED, TaskStatus
from meristem.store.dataset_rows import ReaderKind
from meristem.store.store import Store
from meristem.store.task_news import Look, NewPoints, Seen, TaskState
from meristem.store.task_rows import TaskFilter, TaskRow
from meristem.study.protocols import Attempt, Outcome, OutcomeStatus, Report
from meristem.tasks.reporting.resources import TITLE as RESOURCES
from meristem.tasks.spool_folder import scalar_name

log = logging.getLogger("meristem.executors")

_STOP = "the study asked it to stop"
_MAY_RUN = "it was asked to stop, and may still run on its worker"
_CONSOLE_LINES = 30
_PATIENCE_SECONDS = 5.0  # of one question to a store of its own: the engine waits meanwhile


@dataclass(slots=True, eq=False)
class _Trial:
    """An attempt in flight.

    Attributes:
        task: Number of its task; None until it was made.
        stop_by: When it must have ended, on the monotonic clock; None unless it was asked to stop.
        highest: By metric, the highest step that was told: a task that is tried again repeats itself.
    """

    attempt: Attempt
    id: str
    task: int | None = None
    enqueued: bool = False
    told: bool = False
    stop_by: float | None = None
    asked: bool = False
    highest: dict[str, int] = field(default_factory=dict)


class TaskExecutor:
    """Runs trials as tasks.

    Args:
        template: Number, id or name of the task that is copied; of several of one name the newest.
        queue: Where the copies wait.
        parameters: The task's parameter (`General/lr`) by the study's (`lr`). One that is not named here stands for
            that of its name in the section General, Args or the only one that has it, else for a new one in General.
        priority: Higher ones start first.
        needs: As `{"gpus": 1, "memory": "16GB"}`; None: those of the template.
        max_attempts: How often a task is tried whose machine was lost; None: as the template.
        project, tags: Of the copies; None: those of the template, to which tags are added.
        store: URL of the store that has the queue; None: the study's own.
        poll_seconds: Between two looks at all trials.

    Raises:
        InputError: Any of these cannot be used; all mistakes are listed.
    """

    lasting = True
    slots = None

    def __init__(
        self,
        template: int | str,
        queue: str,
        *,
        parameters: Mapping[str, str] | None = None,
        priority: int = 0,
        needs: Mapping[str, Any] | None = None,
        max_attempts: int | None = None,
        project: str | None = None,
        tags: Sequence[str] = (),
        store: str | Store | None = None,
        poll_seconds: float = 0.25,
    ) -> None:
        problems = _problems(template, queue, priority, max_attempts, tags, poll_seconds)
        self._names = _tried(problems, lambda: read_names(parameters)) or {}
        self._needs = None if needs is None else _tried(problems, lambda: read_needs(needs))
        if problems:
            raise InputError("Trials cannot be run as tasks like this", problems)
        self._wanted, self._queue, self._priority = template, queue, priority
        self._fields: dict[str, Any] = {"max_attempts": max_attempts, "project": project, "tags": tuple(tags)}
        self._store: Store | None = store if isinstance(store, Store) else None
        self._url = store if isinstance(store, str) else None
        self._poll_seconds = float(poll_seconds)
        self._template: Template | None = None
        self._trials: dict[int, _Trial] = {}
        self._held = False
        self._seen: Mapping[int, Seen] = {}
        self._news: list[Report] = []
        self._looked = self._warned = self._swept = float("-inf")

    # Getting ready

    def use_store(self, store: Store) -> None:
        """Works on the study's store, unless it was given one of its own, and checks that all is there.

        Raises:
            TaskNotFound, QueueNotFound: The template or the queue is not there.
        """
        if self._url is not None and self._store is None:
            self._store = Store(self._url)
            self._store.patience = timedelta(seconds=_PATIENCE_SECONDS)
        elif self._store is None:
            self._store = store
        self._read_template()

    def expect(self, names: Collection[str]) -> list[str]:
        """What is wrong with the names of parameters for a space of these, as sentences."""
        return name_problems(self._names, names)

    def open(self, slots: int) -> None:
        self._held = False
        self._read_template()

    def _read_template(self) -> None:
        store = self._opened()
        store.queues.get(self._queue)
        if self._template is None:
            of = find_template(store, self._wanted)
            self._template = Template(of=of, names=self._names, needs=self._needs, **self._fields)

    def _opened(self) -> Store:
        if self._store is None:
            raise InputError("The executor 'task' has no store.", fix="Give it one: store=…, or use_store(store).")
        return self._store

    # What the engine asks for

    def start(self, attempt: Attempt) -> None:
        """Takes note of the attempt; its task is made by the next poll, with those of all others."""
        self._trials[attempt.number] = _Trial(attempt=attempt, id=task_id(attempt.key))

    def adopt(self, attempt: Attempt) -> bool:
        """Takes up the task of the attempt, wherever it stands; False where there is none."""
        found = self._opened().tasks.find(task_id(attempt.key))
        if found is None:
            return False
        trial = _Trial(attempt=attempt, id=found.id, task=found.number, told=attempt.deployment is not None)
        trial.enqueued = found.status is not TaskStatus.CREATED
        self._trials[attempt.number] = trial
        return True

    def hold(self) -> None:
        """Makes no more tasks: trials without one end as stopped."""
        self._held = True

    def stop(self, number: int, grace: timedelta) -> None:
        """Asks the trial's task to end; its worker gives it the time that it gives to each."""
        if (trial := self._trials.get(number)) is not None:
            by = time.monotonic() + grace.total_seconds() + _STOP_MARGIN
            trial.stop_by = by if trial.stop_by is None else min(trial.stop_by, by)
            self._looked = float("-inf")

    def poll(self, timeout: timedelta) -> list[Report]:
        """What is new of all trials, by one look at the store each `poll_seconds`."""
        end = time.monotonic() + timeout.total_seconds()
        while True:
            if self._due():
                self._step()
            if self._news or time.monotonic() >= end:
                reports, self._news = self._news, []
                return reports
            wait = end if not self._trials else min(end, self._looked + self._poll_seconds)
            time.sleep(max(0.0, wait - time.monotonic()))

    def close(self) -> None:
        """Attends no trial any more; their tasks go on, to be taken up again."""
        self._trials.clear()
        self._news, self._seen = [], {}

    release = close

    # One step

    def _due(self) -> bool:
        fresh = any(not trial.enqueued for trial in self._trials.values())
        return bool(self._trials) and (fresh or time.monotonic() >= self._looked + self._poll_seconds)

    def _step(self) -> None:
        self._looked = time.monotonic()
        for work in (self._drop_unmade, self._make, self._enqueue, self._ask_to_stop, self._sweep, self._look):
            try:
                work()
            except StoreUnavailable as error:
                self._warn(error)
                return

    def _drop_unmade(self) -> None:
        """Ends what was to stop, or is held back, before it had a task."""
        for trial in self._unmade():
            if trial.stop_by is not None or self._held:
                self._end(trial, Outcome(status=OutcomeStatus.STOPPED, error="its task was not made"))

    def _make(self) -> None:
        if unmade := self._unmade():
            template = self._template
            assert template is not None, "open() comes first"
            self._one_by_one(unmade, lambda some: self._create(template, some))

    def _create(self, template: Template, some: Sequence[_Trial]) -> None:
        numbers = self._opened().tasks.create_many([template.task_of(trial.attempt) for trial in some])
        for trial, number in zip(some, numbers, strict=True):
            trial.task = number

    def _enqueue(self) -> None:
        """Puts made tasks into the queue; what stands elsewhere already (an answer was lost) is left where it is."""
        waiting = [trial for trial in self._trials.values() if trial.task is not None and not trial.enqueued]
        if not waiting:
            return
        rows = {row.number: row for row in self._opened().tasks.get_many(_numbers(waiting))}
        drafts = [t for t in waiting if t.task in rows and rows[t.task].status is TaskStatus.CREATED]
        self._one_by_one(drafts, self._put)
        for trial in waiting:
            trial.enqueued = True
            if trial.attempt.number in self._trials and not trial.told:
                trial.told = True
                place = {"task": trial.id, "number": trial.task}
                self._news.append(Report(number=trial.attempt.number, deployment=place))

    def _put(self, some: Sequence[_Trial]) -> None:
        self._opened().queues.enqueue(_numbers(some), self._queue, priority=self._priority)

    def _one_by_one(self, trials: Sequence[_Trial], work: Callable[[Sequence[_Trial]], None]) -> None:
        """Does `work` for all at once; where that is refused, for each, so that one cannot hold up the others."""
        if not trials:
            return
        try:
            work(trials)
            return
        except StoreUnavailable:
            raise
        except MeristemError as error:
            refused = error
        for trial in trials:
            if len(trials) > 1:
                self._one_by_one([trial], work)
            else:
                self._end(trial, Outcome(status=OutcomeStatus.FAILED, error=one_line(refused)))

    def _ask_to_stop(self) -> None:
        for trial in list(self._trials.values()):
            if trial.stop_by is None or trial.asked or trial.task is None:
                continue
            try:
                self._opened().claims.request_abort(trial.task, _STOP)
            except TaskError as error:  # it has ended meanwhile, was taken out of its queue, or deleted
                log.debug("Task %s: %s", trial.task, error)
            trial.asked = True

    def _sweep(self) -> None:
        """Workers give back what dead ones held, but all of them may have died."""
        if time.monotonic() >= self._swept + _SWEEP_SECONDS:
            self._opened().workers.sweep()
            self._swept = time.monotonic()

    def _look(self) -> None:
        made = [trial for trial in self._trials.values() if trial.task is not None]
        found = self._opened().task_news.look(_numbers(made), self._seen, without_titles=[RESOURCES])
        self._seen = found.seen
        news: dict[int, list[NewPoints]] = {}
        for one in found.news:
            news.setdefault(one.number, []).append(one)
        for trial in made:
            assert trial.task is not None
            measured = _measurements(trial, news.get(trial.task, ()))
            outcome = self._outcome(trial, found)
            if outcome is not None:
                self._end(trial, outcome, measured)
            elif measured:
                self._news.append(Report(number=trial.attempt.number, measurements=measured))

    def _outcome(self, trial: _Trial, found: Look) -> Outcome | None:
        assert trial.task is not None
        state = found.states.get(trial.task)
        if state is None:
            return Outcome(status=OutcomeStatus.ABANDONED, error=f"task {trial.task} was deleted")
        if state.status is TaskStatus.CREATED and trial.asked:
            return Outcome(status=OutcomeStatus.STOPPED, error=f"task {trial.task} was taken out of its queue")
        if state.status in TASK_ENDED:
            return self._outcome_of(trial, state)
        if trial.stop_by is not None and time.monotonic() >= trial.stop_by:
            return Outcome(status=OutcomeStatus.STOPPED, error=_MAY_RUN, may_run=True)
        return None

    def _outcome_of(self, trial: _Trial, state: TaskState) -> Outcome:
        store, number = self._opened(), state.number
        self._note_readings(trial)
        if state.status is TaskStatus.COMPLETED:
            row = store.tasks.get(number)
            return Outcome(status=OutcomeStatus.COMPLETED, score=score_of(row.result, self._last_values(number)))
        why = f"task {number}: {state.message or state.cause or state.status}"
        if trial.stop_by is not None:
            return Outcome(status=OutcomeStatus.STOPPED, error=None if state.status is TaskStatus.ABORTED else why)
        if state.status is TaskStatus.ABORTED:
            return Outcome(status=OutcomeStatus.ABANDONED, error=why)
        text = "".join(chunk.text for chunk in store.task_outputs.console_tail(number, _CONSOLE_LINES))
        lines = text.rstrip().splitlines()[-_CONSOLE_LINES:]
        return Outcome(status=OutcomeStatus.FAILED, error=one_line_of(why), traceback="\n".join(lines) or None)

    def _note_readings(self, trial: _Trial) -> None:
        """Versions of datasets that its task has read were read for the trial and its study."""
        readers, study = self._opened().dataset_readers, trial.attempt.study
        for version in readers.of(ReaderKind.TASK, trial.id):
            readers.note(version.id, ReaderKind.TRIAL, present.trial(study, trial.attempt.number).name)
            readers.note(version.id, ReaderKind.STUDY, study)

    def _last_values(self, number: int) -> dict[str, float]:
        found = self._opened().task_outputs.metrics(number)
        return {scalar_name(m.title, m.series): m.last for m in found if m.title != RESOURCES}

    def _end(self, trial: _Trial, outcome: Outcome, measured: Sequence[Measurement] = ()) -> None:
        del self._trials[trial.attempt.number]
        self._news.append(Report(number=trial.attempt.number, measurements=measured, outcome=outcome))

    def _unmade(self) -> list[_Trial]:
        return [trial for trial in self._trials.values() if trial.task is None]

    def _warn(self, error: MeristemError) -> None:
        if time.monotonic() > self._warned + _WARN_AGAIN_SECONDS:
            self._warned = time.monotonic()
            log.warning("Trials' tasks are not heard of just now: %s", one_line(error))


_STOP_MARGIN = 15.0  # a worker hears of an abort within 2 s, and then gives the training its own time to end
_WARN_AGAIN_SECONDS = 60.0
_SWEEP_SECONDS = 5.0


def find_template(store: Store, wanted: int | str) -> TaskRow:
    """The task of this number, id or name; of several of one name the newest.

    Raises:
        TaskNotFound: There is none.
    """
    if (found := store.tasks.find(wanted)) is not None:
        return found
    named = [row for row in store.tasks.list(TaskFilter(name=str(wanted))) if row.name == wanted]
    if not named:
        raise TaskNotFound(str(wanted), store.shown_url)
    return named[0]


def score_of(result: Any, last: Mapping[str, float]) -> Any:
    """A trial's score from the result of its task and the last values of its scalars.

    The numbers of a result that is a mapping count before scalars; what else a task gives back is no metric.
    """
    if isinstance(result, Mapping):
        return {**last, **{name: value for name, value in result.items() if _is_metric(value)}}
    return result if _is_metric(result) else dict(last) or None


def one_line_of(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")[:500]


def _is_metric(value: Any) -> bool:
    if isinstance(value, Mapping):
        return set(value) <= {"value", "sem"} and "value" in value
    numbers = value if isinstance(value, list) and len(value) == 2 else [value]
    return all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in numbers)


def _measurements(trial: _Trial, news: Iterable[NewPoints]) -> list[Measurement]:
    found = []
    for one in news:
        metric = scalar_name(one.title, one.series)
        for point in one.points:
            if point.step is not None:
                if one.attempt > 1 and point.step <= trial.highest.get(metric, point.step - 1):
                    continue  # an earlier attempt of the task has told as much
                trial.highest[metric] = max(point.step, trial.highest.get(metric, point.step))
            found.append(Measurement(metric=metric, value=point.value, step=point.step, at=point.at))
    # As they were reported: a final value comes last.
    return sorted(found, key=lambda m: (m.step is None, m.at))


def _numbers(trials: Iterable[_Trial]) -> list[int]:
    return [trial.task for trial in trials if trial.task is not None]


def _tried(problems: list[str], read: Callable[[], Any]) -> Any:
    try:
        return read()
    except InputError as error:
        problems += error.problems or [str(error)]
        return None


def _problems(template: Any, queue: Any, priority: Any, max_attempts: Any, tags: Any, poll_seconds: Any) -> list[str]:
    problems = []
    if isinstance(template, bool) or not isinstance(template, (int, str)) or not str(template).strip():
        problems.append(f"'template' is {template!r:.60}; give the number, id or name of a task")
    if not isinstance(queue, str) or not queue.strip():
        problems.append(f"'queue' is {queue!r:.60}; give the name of a queue")
    if not is_priority(priority):
        problems.append(f"'priority' is {priority!r:.60}; give a whole number up to a million")
    if max_attempts is not None and not is_attempts(max_attempts):
        problems.append(f"'max_attempts' is {max_attempts!r:.60}; give a whole number from 1")
    if isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags):
        problems.append(f"'tags' is {tags!r:.60}; give a list of texts")
    if isinstance(poll_seconds, bool) or not isinstance(poll_seconds, (int, float)) or not 0 < poll_seconds <= 3600:
        problems.append(f"'poll_seconds' is {poll_seconds!r:.60}; give a number of seconds above 0")
    return problems
