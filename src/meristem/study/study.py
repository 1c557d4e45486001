"""Study: the face of the search. Defines a study, runs it, asks and tells, reads its results.

It opens the store, builds components and hands over to the engine; it decides nothing itself.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from meristem.clara.run import bring_together
from meristem.components import spec_of
from meristem.controllers.protocol import Controller
from meristem.errors import InputError, StudyBusy, StudyError, StudyExists, TooManyFailures, did_you_mean
from meristem.objective import Goals
from meristem.space import Space
from meristem.statuses import StudyStatus
from meristem.stopping.rule import StoppingRule
from meristem.store.lease import new_owner
from meristem.store.rows import StudyRow
from meristem.store.stopping import request_stop
from meristem.store.store import Store
from meristem.study.ask_and_tell import AskAndTell
from meristem.study.asking import Asking
from meristem.study.definition import (
    Definition,
    build_controller,
    check_fits,
    check_name,
    check_seed,
    differences,
    goals_of,
)
from meristem.study.early_stopping import rule_of
from meristem.study.engine import Engine
from meristem.study.folders import study_folder
from meristem.study.heartbeat import Heartbeat
from meristem.study.interrupts import interruptible
from meristem.study.ledger import Ledger
from meristem.study.plan import Ending, Plan
from meristem.study.protocols import Executor, Handler
from meristem.study.setup import Setup, build_executor, build_handler, setup_of, with_progress
from meristem.study.slot_control import SlotControl
from meristem.trial import Trial

_WAIT_SECONDS = 1.0


class Study(AskAndTell, SlotControl):
    """One search: a space, objectives, a controller, and the trials so far.

    A name that exists in the store with the same definition is opened; trials go on where they were.

    Args:
        name: Unique in its store.
        space: A Space, or a mapping of names to parameters (or their specifications).
        objective: `"accuracy"` to maximize, `"-loss"` to minimize, `"2*accuracy - latency"` for a weighted sum,
            `"accuracy, -latency"` or a list for several (see `pareto`).
        outcome_constraints: Limits on metrics: `["latency <= 10", "size <= 1.1 * baseline"]`.
        thresholds: Of several objectives the worst values worth having: `{"accuracy": 0.8}`.
        controller: A name (`auto`, `gp`, `evolution`, `cmaes`, `optuna`, `asha`, `hyperband`, `pbt`, `sobol`, `random`,
            `grid`), `{"name" | "path": …, "args": {…}}`, an object with `recommend`, an object in the style of Clara
            AutoML, or a function.
        store: Where the study is kept, such as `sqlite:///meristem.db`; None: in memory, gone with the process.
        seed: Makes the search repeatable; by default a new one, kept with the study.
        warm_start: Names of earlier studies of the same store, from whose trials the controller learns where
            they share parameters with this one.

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
        objective: str | Sequence[str],
        outcome_constraints: Sequence[str] = (),
        thresholds: Mapping[str, float] | None = None,
        controller: Any = "auto",
        store: str | Store | None = None,
        seed: int | None = None,
        warm_start: Sequence[str] = (),
    ) -> None:
        check_name(name)
        built, spec, label = build_controller(controller)
        definition = Definition(
            space=space if isinstance(space, Space) else Space(space),
            goals=Goals.parse(objective, outcome_constraints, thresholds),
            controller=spec,
            controller_label=label,
            seed=check_seed(seed),
            warm_start=_check_names(warm_start),
        )
        check_fits(built, definition.goals)
        opened = store if isinstance(store, Store) else Store(store)
        for earlier in definition.warm_start:
            opened.studies.get(earlier)
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
            goals=goals_of(row.definition),
            controller=spec,
            controller_label=stored.get("object", ""),
            seed=row.definition["seed"],
            warm_start=tuple(row.definition.get("warm_start", ())),
        )
        study = cls.__new__(cls)
        study._set(opened, row, definition, built)
        return study

    def _set(self, store: Store, row: StudyRow, definition: Definition, controller: Controller | None) -> None:
        self.name = row.name
        self.definition = definition
        self.space, self.goals, self.seed = definition.space, definition.goals, definition.seed
        self._store, self._id, self._built = store, row.id, controller
        self._row = row
        self._ledger = Ledger(store, row, definition)
        self._asking = Asking(self._ledger)
        self._engine: Engine | None = None
        if store.in_memory:  # files of trials go with the study
            made_when_used = Path(tempfile.gettempdir()) / f"meristem-{secrets.token_hex(6)}"
            self.folder = study_folder(store, row, root=made_when_used)
            weakref.finalize(self, shutil.rmtree, made_when_used, ignore_errors=True)
        else:
            self.folder = study_folder(store, row)

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
        early_stopping: Any = None,
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
            early_stopping: Stops trials whose learning curve is hopeless: `"auto"`, another rule by name,
                `{"name" | "path": …, "args": {…}}`, a list of rules of which any may stop, or an object.
            handlers: Names, `{"name" | "path": …, "args": {…}}` or objects. Progress is shown beside them, unless
                the list is empty.
            wait: Waits for another engine that runs this study instead of raising StudyBusy.

        Returns:
            The study itself.

        Raises:
            StudyBusy: Another engine runs it.
            TooManyFailures: More than `max_failure_rate` of the trials failed, or all of them.
            ComponentFailed: The controller or a handler raised; the study was ended cleanly.
            KeyboardInterrupt: Ctrl-C, once everything is stored.
        """
        plan = Plan(
            trials=trials, seconds=seconds, without_improvement=without_improvement, parallel=parallel,
            timeout=timeout, retries=retries, max_failure_rate=max_failure_rate,
            min_failures_before_abort=min_failures_before_abort, at_stop=at_stop, grace=grace,
            on_handler_error=on_handler_error,
        )  # fmt: skip
        if not handlers and not plan.is_bounded(self.space, self._controller()):
            raise InputError(
                "This study would never end: its space is infinite and it has no budget.",
                fix="Give trials=50, seconds=3600 or without_improvement=20.",
            )
        given = with_progress(handlers)
        built_handlers = [build_handler(handler) for handler in given]
        for handler in built_handlers:
            check_fits(handler, self.goals)
        runner = build_executor(function, executor, isolate=isolate, gpus=gpus)
        rule = rule_of(early_stopping, self._controller(), self.goals)
        setup = setup_of(plan, function, executor, given, early_stopping, root=str(self.folder.parent.parent))
        ending = self._run(runner, built_handlers, setup, rule, wait)
        if ending.status == StudyStatus.INTERRUPTED:
            raise KeyboardInterrupt
        return self

    def _run(
        self, executor: Executor, handlers: list[Handler], setup: Setup, rule: StoppingRule | None, wait: bool
    ) -> Ending:
        controller = self._controller()
        use_store = getattr(executor, "use_store", None)
        if callable(use_store):  # it runs trials through the study's own store
            use_store(self._store)
        expect = getattr(executor, "expect", None)
        if callable(expect) and (problems := expect(self.space.names)):  # it fills names into a command
            raise InputError("The executor does not fit the space", problems)
        metrics = getattr(executor, "metric_names", None)
        if metrics is not None and (missing := [name for name in self.goals.metrics if name not in metrics]):
            known = ", ".join(map(repr, metrics)) or "none"
            raise InputError(
                f"No metric fetches {', '.join(map(repr, missing))} (given: {known}). "
                f"{did_you_mean(missing[0], metrics)}".strip(),
                fix="Metrics are found by their names: give each that the objective and the limits name.",
            )
        if rule is not None and not getattr(executor, "can_stop", True):
            raise InputError(
                "Trials cannot be stopped early: the runner has no stop_trial.",
                fix="Write stop_trial(number, metadata), or leave early_stopping out.",
            )
        self._asking.mark_baseline()
        token = self._acquire(wait)
        with Heartbeat(self._store, self._id, token) as heartbeat:
            # The engine has the ledger while it runs; whoever asks and tells meanwhile, in another thread, a new one.
            self._asking.use(Ledger(self._store, self._row, self.definition))
            self._engine = engine = Engine(
                self._ledger, controller, executor, handlers=handlers, plan=setup.plan, heartbeat=heartbeat,
                folder=self.folder, setup=setup.to_json(), stopping=rule,
            )  # fmt: skip
            if shared := bring_together([controller, executor, *handlers]):
                shared.begin(self.space, slots=engine.slots, stop=engine.ask_to_stop)
            try:
                with interruptible(engine.interrupt):
                    ending = engine.run()
            finally:
                self._engine = None
                self._asking.use(self._ledger)
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
        if self._engine is not None and self._store.in_memory:
            self._engine.ask_to_stop(message)
        else:
            request_stop(self._store, self.name, message)

    def __repr__(self) -> str:
        return f"Study({self.name!r}, {self._store.shown_url}, objective={str(self.goals)!r})"


def resume(name: str, *, store: str | Store, wait: bool = False, **changes: Any) -> Study:
    """Goes on with a study as it was run last.

    Args:
        changes: Settings of the run that are to be different, such as `trials=100`.

    Raises:
        StudyNotFound: There is no such study.
        InputError: It was never run, or its trials are a Python function, which only its script has.
    """
    opened = store if isinstance(store, Store) else Store(store)
    setup = Setup.from_json(opened.studies.get(name).setup)
    spec = setup.resumable(name)
    setup.find_components()
    study = Study.open(name, store=opened)
    settings = {**setup.plan.to_json(), "early_stopping": setup.early_stopping, **changes}
    return study.run(executor=spec, handlers=setup.handlers, wait=wait, **settings)


def _check_names(names: Any) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise InputError(f"warm_start={names!r:.80} is no list of studies.", fix="Write warm_start=['digits-2024'].")
    return tuple(check_name(name) for name in names)
