"""Study: the face of the search. Defines a study, runs it, asks and tells, reads its results.

It opens the store, builds components and hands over to the engine; it decides nothing itself.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from meristem.components import ComponentSpec, build, import_folders, spec_of
from meristem.controllers.protocol import Controller
from meristem.errors import InputError, NoBestTrial, NothingToTry, StudyBusy, StudyError, StudyExists, TooManyFailures
from meristem.events import Event, EventKind
from meristem.objective import Objective
from meristem.space import Space
from meristem.spool import line_of, measurements_of_line
from meristem.store.lease import new_owner
from meristem.store.rows import StudyRow, TrialMeasurements, TrialRow
from meristem.store.stopping import request_stop
from meristem.store.store import Store
from meristem.study.definition import Definition, build_controller, check_name, differences, new_seed
from meristem.study.engine import Engine
from meristem.study.folders import study_folder, trial_folder
from meristem.study.heartbeat import Heartbeat
from meristem.study.ledger import Ledger
from meristem.study.plan import Ending, Plan, StudyStatus
from meristem.study.protocols import Executor, Handler, Outcome, OutcomeStatus
from meristem.study.trial import Trial, TrialStatus, trial_of
from meristem.study.verdict import judge, last_values

if TYPE_CHECKING:
    import pandas

_WAIT_SECONDS = 1.0


class Study:
    """One search: a space, an objective, a controller, and the trials so far.

    A name that exists in the store with the same definition is opened; trials go on where they were.

    Args:
        name: Unique in its store.
        space: A Space, or a mapping of names to parameters (or their specifications).
        objective: `"accuracy"` to maximize, `"-loss"` to minimize.
        controller: A name (`auto`, `gp`, `sobol`, `random`, `grid`), `{"name" | "path": …, "args": {…}}`,
            an object with `recommend`, an object in the style of Clara AutoML, or a function.
        store: Where the study is kept, such as `sqlite:///meristem.db`; None: in memory.
        seed: Makes the search repeatable; by default a new one, kept with the study.

    Raises:
        StudyExists: The name is taken by a study with another definition.
        InputError: Something of the definition cannot be used.
        StoreError: The store cannot be opened.
    """

    def __init__(
        self,
        name: str,
        *,
        space: Space | Mapping[str, Any],
        objective: str,
        controller: Any = "auto",
        store: str | Store | None = None,
        seed: int | None = None,
    ) -> None:
        check_name(name)
        built, spec, label = build_controller(controller)
        definition = Definition(
            space=space if isinstance(space, Space) else Space(space),
            objective=Objective.parse(objective),
            controller=spec,
            controller_label=label,
            seed=new_seed() if seed is None else _check_seed(seed),
        )
        opened = store if isinstance(store, Store) else Store(store)
        row = opened.studies.ensure(name, definition.to_json(), StudyStatus.CREATED)
        found = differences(row.definition, definition.to_json())
        if seed is not None and row.definition["seed"] != seed:
            found.append(f"seed was {row.definition['seed']} and is now {seed}")
        if found:
            raise StudyExists(name, found)
        self._set(opened, row, replace(definition, seed=row.definition["seed"]), built)

    @classmethod
    def open(
        cls, name: str, *, store: str | Store | None = "sqlite:///meristem.db", controller: Any = None,
        constraints: Sequence[Callable[[Mapping[str, Any]], bool]] = (),
    ) -> Study:  # fmt: skip
        """Opens a study that exists.

        Args:
            controller: Needed to run on where the study was given its controller as an object.
            constraints: Needed where the space has constraints that are functions which cannot be imported.

        Raises:
            StudyNotFound: There is no such study in the store.
        """
        opened = store if isinstance(store, Store) else Store(store)
        row = opened.studies.get(name)
        stored = row.definition["controller"]
        spec = None if "object" in stored else spec_of("controller", stored)
        built = None
        if controller is not None:
            built, spec, _ = build_controller(controller)
        definition = Definition(
            space=Space.from_json(row.definition["space"], constraints),
            objective=Objective.parse(row.definition["objective"]),
            controller=spec,
            controller_label=stored.get("object", ""),
            seed=row.definition["seed"],
        )
        study = cls.__new__(cls)
        study._set(opened, row, definition, built)
        return study

    def _set(self, store: Store, row: StudyRow, definition: Definition, controller: Controller | None) -> None:
        self.name = row.name
        self.definition = definition
        self.space, self.objective, self.seed = definition.space, definition.objective, definition.seed
        self._store, self._id, self._built = store, row.id, controller
        self._ledger = Ledger(store, row, definition)
        if store.in_memory:  # files of trials go with the study
            self.folder = Path(tempfile.mkdtemp(prefix="meristem-"))
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        else:
            self.folder = study_folder(store, row.name, row.id)

    # Running

    def run(
        self,
        function: Callable[[Trial], Any] | None = None,
        *,
        trials: int | None = None,
        seconds: float | None = None,
        without_improvement: int | None = None,
        parallel: int = 1,
        timeout: float | None = None,
        retries: int = 0,
        max_failure_rate: float = 0.8,
        min_failures_before_abort: int = 5,
        at_stop: str = "stop",
        grace: float = 10.0,
        on_handler_error: str = "stop",
        executor: Any = None,
        isolate: bool = True,
        gpus: str | None = None,
        handlers: Sequence[Any] | None = None,
        wait: bool = False,
    ) -> Study:
        """Runs trials until the budget is used, a goal is reached or there is nothing more to try.

        Args:
            function: Trains once: takes a Trial, returns the objective or a dict of metrics.
            trials: Ended trials in all, those of earlier runs included.
            seconds: Wall time of this run.
            without_improvement: Ends after this many trials in a row without a better one.
            parallel: Trials at a time, each in its own process.
            timeout: Seconds after which a trial is stopped and counts as failed.
            retries: How often a failed trial is run again.
            max_failure_rate: The run is given up when a larger share of its trials fails ...
            min_failures_before_abort: ... once this many have failed.
            at_stop: `"stop"` running trials when the study stops (they are run again on resume), or `"wait"`.
            grace: Seconds between asking a trial to stop and ending it by force.
            on_handler_error: `"stop"` the study when a handler raises, or `"continue"`.
            executor: Instead of a function: `{"name": "command", "args": {…}}` or an Executor object.
            isolate: False runs the function in threads of this process: quicker to start, nothing is
                caught that kills the process, and a trial cannot be ended by force.
            gpus: GPU ids by slot, such as `"0,1:2,3"`: two slots with two GPUs each.
            handlers: Names, `{"name" | "path": …, "args": {…}}` or objects; by default progress on a terminal.
            wait: Waits for another engine that runs this study instead of raising StudyBusy.

        Returns:
            The study itself.

        Raises:
            StudyBusy: Another engine runs it.
            TooManyFailures: More than `max_failure_rate` of the trials failed.
            ComponentFailed: The controller or a handler raised; the study was ended cleanly.
            KeyboardInterrupt: Ctrl-C, once everything is stored.
        """
        plan = Plan(
            trials=trials, seconds=seconds, without_improvement=without_improvement, parallel=parallel,
            timeout=timeout, retries=retries, max_failure_rate=max_failure_rate,
            min_failures_before_abort=min_failures_before_abort, at_stop=at_stop, grace=grace,
            on_handler_error=on_handler_error,
        )  # fmt: skip
        self._check_bounded(plan, handlers)
        built_handlers = [_build_handler(h) for h in default_handlers() if handlers is None] + [
            _build_handler(h) for h in handlers or ()
        ]
        runner, executor_json = _build_executor(function, executor, isolate=isolate, gpus=gpus)
        setup = {
            "plan": plan.to_json(),
            "executor": executor_json,
            "handlers": [_component_json(h) for h in handlers or ()],
            "folder": str(self.folder),
            "import_from": import_folders(),
        }
        ending = self._run(runner, built_handlers, plan, setup, wait)
        if ending.status == StudyStatus.INTERRUPTED:
            raise KeyboardInterrupt
        return self

    def _run(
        self, executor: Executor, handlers: list[Handler], plan: Plan, setup: dict[str, Any], wait: bool
    ) -> Ending:
        controller = self._controller()
        expect = getattr(executor, "expect", None)
        if callable(expect) and (problems := expect(self.space.names)):  # it fills names into a command
            raise InputError("The executor does not fit the space", problems)
        token = self._acquire(wait)
        with Heartbeat(self._store, self._id, token) as heartbeat:
            engine = Engine(
                self._ledger, controller, executor, handlers=handlers, plan=plan, heartbeat=heartbeat,
                folder=self.folder, setup=setup,
            )  # fmt: skip
            with _interruptible(engine.interrupt):
                ending = engine.run()
        if ending.status == StudyStatus.FAILED:
            raise TooManyFailures(self.name, ending.message, engine.failures)
        return ending

    def _acquire(self, wait: bool) -> int:
        owner = new_owner()
        while True:
            try:
                return self._store.leases.acquire(self._id, owner)
            except StudyBusy:
                if not wait:
                    raise
                time.sleep(_WAIT_SECONDS)

    def _check_bounded(self, plan: Plan, handlers: Sequence[Any] | None) -> None:
        limits = (plan.trials, plan.seconds, plan.without_improvement)
        if all(limit is None for limit in limits) and not handlers and self.space.size is None:
            raise InputError(
                "This study would never end: its space is infinite and it has no budget.",
                fix="Give trials=50, seconds=3600 or without_improvement=20.",
            )

    def _controller(self) -> Controller:
        if self._built is None and self.definition.controller is None:
            raise StudyError(
                f"Study {self.name!r} was given its controller as an object ({self.definition.controller_label}).",
                "An object cannot be kept in the store.",
                "Pass it again: Study.open(name, controller=…); or name it by path, so that it can be rebuilt.",
            )
        if self._built is None:
            self._built, _, _ = build_controller(self.definition.controller)
        return self._built

    def stop(self, message: str = "stopped by hand") -> None:
        """Asks the engine that runs this study, in whatever process, to stop.

        Raises:
            StudyError: The study is not running.
        """
        request_stop(self._store, self.name, message)

    # Ask and tell

    def ask(self) -> Trial:
        """A trial to run yourself; give its result to `tell`.

        Raises:
            NothingToTry: The controller has no more recommendations now.
        """
        self._ledger.sync()
        waiting = self._ledger.waiting()
        if waiting:
            row = self._ledger.start(replace(waiting[0], run_by="caller"), slot=None, token=None)
        else:
            rows = self._ledger.propose(self._controller(), 1, run_by="caller")
            if not rows:
                raise NothingToTry(self.name)
            row = rows[0]
        return self._asked(row)

    def tell(
        self, trial: Trial | int, value: float | None = None, *, failed: str | None = None, **metrics: float
    ) -> Trial:
        """Stores what came of a trial that `ask` gave.

        Args:
            value: The objective; or give metrics by name: `tell(trial, accuracy=0.9, seconds=3)`.
            failed: Why it failed, where it did.

        Raises:
            IllegalMove: The trial has ended already.
            InputError: Neither a value, nor metrics, nor a failure; or a trial that an engine runs.
        """
        row = self._asked_row(trial)
        score = metrics if value is None else {**metrics, self.objective.metric: value}
        if failed is None and not score:
            raise InputError("tell() got no result.", fix="Write tell(trial, accuracy=0.9) or tell(trial, failed='…').")
        outcome = Outcome(status=OutcomeStatus.COMPLETED, score=score)
        if failed is not None:
            outcome = Outcome(status=OutcomeStatus.FAILED, score=score, error=str(failed))
        reported = last_values(self._store.trials.measurements(self._id, row.number, attempt=row.attempt))
        verdict = judge(outcome, self.objective, reported)
        return self._end(row, self._ledger.ended_row(row, verdict))

    def abandon(self, trial: Trial | int, reason: str = "abandoned by hand") -> Trial:
        """Gives a trial up; it is neither run nor counted as failed. Errors as `tell`."""
        number = trial if isinstance(trial, int) else trial.number
        row = self._row(number)
        after = replace(row, status=TrialStatus.ABANDONED, error=reason, ended_at=time.time())
        return self._end(row, after)

    def enqueue(self, parameters: Mapping[str, Any]) -> Trial:
        """Has these parameters tried before the controller is asked; missing ones take their defaults.

        Raises:
            ParameterError: They do not lie in the space.
        """
        complete = self.space.normalize(self.space.complete(parameters))
        self.space.check(complete)
        self._ledger.sync()
        return self._trial(self._ledger.enqueue(complete))

    def _end(self, before: TrialRow, after: TrialRow) -> Trial:
        event = Event(
            kind=EventKind.TRIAL_ENDED,
            trial=before.number,
            payload={"status": str(after.status), "attempt": after.attempt},
        )
        self._ledger.write([event], moves=[(before, after)])
        return self._trial(after)

    def _asked_row(self, trial: Trial | int) -> TrialRow:
        row = self._row(trial if isinstance(trial, int) else trial.number)
        if row.run_by != "caller" and row.status == TrialStatus.RUNNING:
            raise InputError(f"Trial {row.number} is run by an engine, which tells its result itself.")
        return row

    def _row(self, number: int) -> TrialRow:
        row = self._store.trials.find(self._id, number)
        if row is None:
            raise InputError(f"Study {self.name!r} has no trial {number}.")
        return row

    def _asked(self, row: TrialRow) -> Trial:
        trial = self._trial(row)
        return AskedTrial(**{**_fields(trial), "keep": self._keep_report})

    def _keep_report(self, trial: Trial, step: int | None, metrics: Mapping[str, Any]) -> None:
        points = measurements_of_line(line_of(step, metrics))
        event = Event(
            kind=EventKind.MEASUREMENT_REPORTED, trial=trial.number, payload={"count": len(points), "last_step": step}
        )
        told = TrialMeasurements(trial=trial.number, attempt=trial.attempt, measurements=points)
        self._ledger.write([event], measurements=[told])

    # Reading

    @property
    def status(self) -> StudyStatus:
        """Where it stands; `interrupted` also when the engine that ran it has died."""
        row = self._store.studies.get(self.name)
        return StudyStatus.INTERRUPTED if row.engine_died else StudyStatus(row.status)

    @property
    def best(self) -> Trial:
        """The completed trial with the best objective value; among equals the earlier one.

        Raises:
            NoBestTrial: None has completed yet.
        """
        rows = self._store.trials.best(self._id)
        if not rows:
            counts = ", ".join(f"{n} {status}" for status, n in self.counts().items()) or "no trials"
            raise NoBestTrial(self.name, counts)
        return self._trial(rows[0])

    @property
    def trials(self) -> list[Trial]:
        """All trials in order of their numbers."""
        return [self._trial(row) for row in self._store.trials.list_page(self._id)]

    def get_trial(self, number: int) -> Trial:
        """One trial. Raises InputError when there is none of that number."""
        return self._trial(self._row(number))

    def counts(self) -> dict[str, int]:
        """How many trials there are in each status."""
        return self._store.trials.counts(self._id)

    def measurements(self, number: int) -> list[Any]:
        """What a trial reported, by step."""
        return list(self._store.trials.measurements(self._id, number))

    def events(self, after: int = 0, *, limit: int = 1000) -> list[Event]:
        """The study's log after cursor `after`; the last event's number is the next cursor."""
        return self._store.events.list_after(self._id, after, limit=limit)

    def trials_dataframe(self) -> pandas.DataFrame:
        """All trials as a table: one row a trial, `parameters.NAME` and `metrics.NAME` columns.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas  # optional, and slow to import
        except ImportError as error:
            raise InputError("A DataFrame needs pandas.", fix="pip install 'meristem[pandas]'") from error
        rows = [
            {
                "number": t.number,
                "status": t.status.value,
                "value": t.value,
                **{f"parameters.{n}": v for n, v in t.parameters.items()},
                **{f"metrics.{n}": v for n, v in t.metrics.items()},
                "seconds": t.seconds,
                "error": t.error,
            }
            for t in self.trials
        ]
        return pandas.DataFrame(rows)

    def _trial(self, row: TrialRow) -> Trial:
        ordered = {n: row.parameters[n] for n in self.space.names if n in row.parameters}
        folder = trial_folder(self.folder, row.number, row.attempt)
        return trial_of(replace(row, parameters=ordered), self.objective, folder=folder)

    def __repr__(self) -> str:
        return f"Study({self.name!r}, {self._store.database.shown_url}, objective={str(self.objective)!r})"


@dataclass(frozen=True, kw_only=True)
class AskedTrial(Trial):
    """A trial that was asked for: its reports go straight to the store."""

    keep: Callable[[Trial, int | None, Mapping[str, Any]], None]

    def report(self, step: int | None = None, **metrics: float) -> None:
        self.keep(self, step, metrics)


def default_handlers() -> list[str]:
    """Progress, where somebody is watching."""
    return ["progress"] if sys.stderr.isatty() else []


def _build_executor(function: Any, executor: Any, *, isolate: bool, gpus: str | None) -> tuple[Executor, Any]:
    if (function is None) == (executor is None):
        raise InputError(
            "run() needs either a function or an executor.",
            fix="Write study.run(train, trials=50) or study.run(executor={'name': 'command', 'args': {…}}, trials=50).",
        )
    if executor is None:
        if not callable(function):
            raise InputError(f"run() got {type(function).__name__}, which cannot be called.", fix="Pass a function.")
        spec = ComponentSpec(name="function")
        name = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', type(function).__name__)}"
        built: Executor = build("executor", spec, function=function, isolate=isolate, gpus=gpus)
        return built, {"object": name}
    if isinstance(executor, (str, Mapping, ComponentSpec)):
        spec = spec_of("executor", executor)
        built = build("executor", spec, **({"gpus": gpus} if gpus else {}))
        return built, spec.to_json()
    return executor, {"object": type(executor).__qualname__}


def _build_handler(given: Any) -> Handler:
    if isinstance(given, (str, Mapping, ComponentSpec)):
        handler: Handler = build("handler", spec_of("handler", given))
        return handler
    if not callable(getattr(given, "handle", None)):
        raise InputError(
            f"The handler {given!r:.80} has no method handle(event, run).",
            fix="Subclass meristem.Handler, and pass an object, not the class.",
        )
    return given  # type: ignore[no-any-return]


def _component_json(given: Any) -> Any:
    if isinstance(given, (str, Mapping, ComponentSpec)):
        return spec_of("handler", given).to_json()
    return {"object": f"{type(given).__module__}.{type(given).__qualname__}"}


def _check_seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"seed={seed!r} is not a whole number from 0.")
    return seed


def _fields(trial: Trial) -> dict[str, Any]:
    return {name: getattr(trial, name) for name in Trial.__dataclass_fields__}


@contextmanager
def _interruptible(interrupt: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) ends the run cleanly, the second at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = 0

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise KeyboardInterrupt
        interrupt()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
