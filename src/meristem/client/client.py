"""Client: a study under Ax's names, so that a script written for Ax runs once its imports are changed.

All state is a `meristem.Study`, and whatever is decided it decides. Trials count from 0 here and from 1 there.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from meristem.client import loop, snapshot
from meristem.client.analyses import cards_of
from meristem.client.configs import ParameterConfig, StorageConfig
from meristem.client.goals import goals_of
from meristem.client.indexed import IndexedTrials, arm_of, index_of
from meristem.client.opening import Draft, url_of
from meristem.client.predictions import Predictions, observed
from meristem.client.protocols.metric import IMetric
from meristem.client.protocols.runner import IRunner, TrialStatus
from meristem.client.raw_data import read_data, read_progression
from meristem.client.spaces import space_of
from meristem.client.strategies import controller_of
from meristem.client.summary import summary_of
from meristem.client.types import TOutcome, TParameterization, TPrediction
from meristem.errors import InputError, NothingToTry, StudyError
from meristem.executors.runner_protocol import Metric, Runner
from meristem.statuses import ENDED
from meristem.stopping.combined import build_rule
from meristem.study.definition import build_controller, check_name, check_seed
from meristem.study.study import Study
from meristem.trial import Trial

if TYPE_CHECKING:
    import pandas

log = logging.getLogger("meristem.client")

Best = tuple[TParameterization, TPrediction, int, str]  # parameters, metrics, trial_index, name
DEFAULT_FILE = "meristem_client.json"


class Client:
    """Optimizes in Ax's words.

    Args:
        storage_config: Where the study is kept; None: in memory, gone with the process.
        random_seed: Makes the search repeatable.
    """

    def __init__(self, storage_config: StorageConfig | None = None, random_seed: int | None = None) -> None:
        url_of(storage_config)
        if random_seed is not None:
            check_seed(random_seed)
        self._storage = storage_config
        self._draft = Draft(seed=random_seed)
        self._study: Study | None = None
        self._trials: IndexedTrials | None = None
        self._opening = threading.RLock()
        self._models: Predictions | None = None
        self._runner: Any = None
        self._metrics: dict[str, Any] = {}
        self._tracking: list[str] = []
        self._with_tracking = True
        self._early_stopping: Any = None

    @property
    def study(self) -> Study:
        """The study beneath: everything that Meristem has beyond Ax.

        Raises:
            StudyError: `configure_experiment` or `configure_optimization` is still to be called.
        """
        with self._opening:
            if self._study is None:
                self._use(self._draft.open(self._storage))
        assert self._study is not None
        return self._study

    # Configure

    def configure_experiment(
        self, parameters: Sequence[ParameterConfig], parameter_constraints: Sequence[str] | None = None,
        name: str | None = None, description: str | None = None, experiment_type: str | None = None,
        owner: str | None = None,
    ) -> None:  # fmt: skip
        """What may be chosen. With a store, `name` is needed, and a study of that name and definition goes on.

        Args:
            parameter_constraints: Linear, such as `["x1 + 2*x2 <= 1"]`.
            description, experiment_type, owner: Kept with the client and in its JSON file, not in a store.

        Raises:
            StudyError: It was called before.
            InputError: Something of it cannot be used; lists every mistake.
        """
        if self._draft.space is not None or self._study is not None:
            raise StudyError("The experiment is configured already.", fix="Make a new Client for another experiment.")
        space = space_of(parameters, parameter_constraints or ())
        self._draft.name = None if name is None else check_name(name)
        about = {"description": description, "experiment_type": experiment_type, "owner": owner}
        self._draft.about = {key: value for key, value in about.items() if value is not None}
        self._draft.space = space

    def configure_optimization(
        self, objective: str, outcome_constraints: Sequence[str] | None = None,
        pruning_target_parameterization: TParameterization | None = None,
    ) -> None:  # fmt: skip
        """What is wanted: `"-loss"`, `"ne1 + 2*ne2"` or `"-ne, qps"`; within `["qps >= 0.95 * baseline"]`.

        With several objectives, a limit on one of them is the worst value of it that is worth having.

        Raises:
            StudyError: The study has trials already.
            InputError: Something of it cannot be used; lists every mistake.
        """
        if pruning_target_parameterization is not None:
            _refuse("pruning_target_parameterization", "client.study.insight().importance() tells what matters")
        goals = goals_of(objective, outcome_constraints)
        if self._study is not None and goals == self._study.goals:
            return
        self._redefine("objective")
        self._draft.goals = goals

    def configure_generation_strategy(
        self, method: Literal["quality", "fast", "random_search"] = "fast", initialization_budget: int | None = None,
        initialization_random_seed: int | None = None, initialize_with_center: bool = True,
        use_existing_trials_for_initialization: bool = True, min_observed_initialization_trials: int | None = None,
        allow_exceeding_initialization_budget: bool = False, torch_device: str | None = None,
        simplify_parameter_changes: bool = False, fit_tracking_metrics: bool = True,
    ) -> None:  # fmt: skip
        """How candidates are found.

        `fast` and `quality` are both the centre, Sobol points, then Meristem's Gaussian process, whose shape is chosen
        by evidence. `random_search` is Sobol points alone.

        Args:
            initialization_budget: How many trials come before the process is asked; 5 unless told otherwise.
            min_observed_initialization_trials: How many of them must have a value; half of them unless told otherwise.
                The search never waits for them: it gives further Sobol points, as in Ax with
                `allow_exceeding_initialization_budget`.
            initialization_random_seed: The seed of the study, unless the client has one.
            torch_device: Not needed: there is no torch.
            fit_tracking_metrics: Whether `predict` tells of metrics that no goal names; no search looks at them.

        Raises:
            StudyError: The study has trials already.
            InputError: Something of it cannot be used.
        """
        if not use_existing_trials_for_initialization:
            _refuse("use_existing_trials_for_initialization=False", "trials that are there always count")
        if simplify_parameter_changes:
            _refuse("simplify_parameter_changes", "client.study.insight().importance() tells what matters")
        controller = controller_of(
            method, initialization_budget=initialization_budget, initialize_with_center=initialize_with_center,
            min_observed_initialization_trials=min_observed_initialization_trials,
        )  # fmt: skip
        seed = check_seed(initialization_random_seed) if initialization_random_seed is not None else None
        self.set_generation_strategy(controller)
        self._with_tracking = fit_tracking_metrics
        self._draft.seed = seed if self._draft.seed is None else self._draft.seed

    def configure_runner(self, runner: IRunner | Runner) -> None:
        """Deploys trials in `run_trials`. Not stored: configure it again after loading.

        A `meristem.Runner`, as the one for Slurm, is told by its `run_trial(number, parameters)`, and counts from 1.
        """
        self._runner = loop.check_runner(runner)

    def configure_metrics(self, metrics: Sequence[IMetric | Metric]) -> None:
        """Fetch the data of trials in `run_trials`, each of the metric of its name. Not stored.

        A `meristem.Metric` is told by its `fetch(number, metadata)`, and counts from 1.
        """
        self._metrics |= loop.check_metrics(metrics)

    def configure_tracking_metrics(self, metric_names: Sequence[str]) -> None:
        """Metrics that are recorded beside those of the goals. Data of other names is recorded as well."""
        if isinstance(metric_names, str) or not all(isinstance(name, str) and name for name in metric_names):
            raise InputError(f"metric_names={metric_names!r:.80} is no list of names.", fix="Write ['seconds'].")
        self._tracking += [name for name in metric_names if name not in self._tracking]

    def set_generation_strategy(self, generation_strategy: Any) -> None:
        """One of Meristem's controllers instead: a name, `{"name" | "path": …, "args": {…}}`, or an object.

        Raises:
            StudyError: The study has trials already.
        """
        if not isinstance(generation_strategy, (str, Mapping)) and not _is_controller(generation_strategy):
            _refuse("a generation strategy of Ax", "give a controller of Meristem, such as 'gp' or 'evolution'")
        build_controller(generation_strategy)
        if self._study is not None and self._study.definition.controller is None:  # an object, which is not stored
            self._use(Study.open(self._study.name, store=self._study.store, controller=generation_strategy))
            return
        self._redefine("generation strategy")
        self._draft.controller = generation_strategy

    def set_early_stopping_strategy(self, early_stopping_strategy: Any) -> None:
        """One of Meristem's stopping rules: `"auto"`, `"median"`, `{"name": …, "args": {…}}`, a list of which any may
        stop, or an object with `why_stop`."""
        build_rule(early_stopping_strategy)
        self._early_stopping = early_stopping_strategy

    def set_experiment(self, experiment: Any) -> NoReturn:
        """Not to be had: raises InputError."""
        _refuse("set_experiment", "call configure_experiment, or Client.load_from_database for one that is stored")

    def set_optimization_config(self, optimization_config: Any) -> NoReturn:
        """Not to be had: raises InputError."""
        _refuse("set_optimization_config", "call configure_optimization(objective, outcome_constraints)")

    # Ask and tell

    def get_next_trials(
        self, max_trials: int, fixed_parameters: TParameterization | None = None
    ) -> dict[int, TParameterization]:
        """Up to `max_trials` trials to run yourself, by index; fewer where there is nothing more to try now.

        Raises:
            NothingToTry: There is nothing, and no trial is pending whose result could change that.
            ParameterError: The fixed parameters do not lie in the space.
        """
        if isinstance(max_trials, bool) or not isinstance(max_trials, int) or max_trials < 1:
            raise InputError(f"max_trials={max_trials!r:.60} is no whole number from 1.")
        found: dict[int, TParameterization] = {}
        for _ in range(max_trials):
            try:
                trial = self.study.ask(fixed_parameters)
            except NothingToTry:
                if not found and all(trial.status in ENDED for trial in self.study.trials):
                    raise
                log.warning("%d trials were asked for and %d could be given.", max_trials, len(found))
                break
            found[index_of(trial)] = dict(trial.parameters)
        return found

    def complete_trial(
        self, trial_index: int, raw_data: TOutcome | None = None, progression: int | None = None
    ) -> TrialStatus:
        """Ends a trial with its data, and all that `attach_data` gave before.

        Returns:
            COMPLETED; or FAILED where an objective is NaN or infinite, which no model sees.

        Raises:
            StudyError: The trial has ended already.
            InputError: There is no such trial, or the data lacks an objective; the trial then goes on.
        """
        trials = self._indexed()
        number = trials.running(trial_index)
        step = read_progression(progression)
        data = {} if raw_data is None else read_data(raw_data, self.study.goals.metrics)
        if data and step is not None:
            trials.add(number, data, step)
            data = {}
        return TrialStatus.of(trials.complete(number, data).status)

    def attach_data(self, trial_index: int, raw_data: TOutcome, progression: int | None = None) -> None:
        """Adds data to a trial that goes on; metrics may be missing, and further ones are recorded.

        Raises as `complete_trial`.
        """
        trials = self._indexed()
        number = trials.running(trial_index)
        trials.add(number, read_data(raw_data, self.study.goals.metrics), read_progression(progression))

    def attach_trial(self, parameters: TParameterization, arm_name: str | None = None) -> int:
        """Adds a trial of your own choice, to be completed by you; gives its index.

        Raises:
            ParameterError: The parameters do not lie in the space; lists every mistake.
        """
        return index_of(self._indexed().attach(parameters, arm_name=arm_name))

    def attach_baseline(self, parameters: TParameterization, arm_name: str | None = None) -> int:
        """Adds the trial to which limits such as `"qps >= 0.95 * baseline"` are relative; complete it as any other.

        Raises:
            StudyError: There is one already.
            ParameterError: The parameters do not lie in the space.
        """
        there = [trial for trial in self.study.trials if trial.origin.get("baseline")]
        if there:
            raise StudyError(
                f"Trial {index_of(there[0])} is the baseline already.",
                "Where none was attached before trials were asked for, the middle of the space is.",
                "Attach the baseline before the first get_next_trials or run_trials.",
            )
        return index_of(self._indexed().attach(parameters, baseline=True, arm_name=arm_name or "baseline"))

    def should_stop_trial_early(self, trial_index: int) -> bool:
        """Whether a running trial looks hopeless; to heed it, stop it and call `mark_trial_early_stopped`.

        Raises:
            InputError: The study has several objectives.
        """
        rule = "auto" if self._early_stopping is None else self._early_stopping
        trials = self._indexed()
        why = self.study.why_stop(trials.get(trial_index).number, rule)
        trials.running(trial_index)
        if why is not None:
            log.info("Trial %d should be stopped early: %s.", trial_index, why)
        return why is not None

    def mark_trial_failed(self, trial_index: int, failed_reason: str | None = None) -> None:
        """Ends a trial that failed. Its parameters are not given again: attach_trial tries them once more."""
        number = self._indexed().running(trial_index)
        self.study.tell(number, failed=failed_reason or "failed without saying why")

    def mark_trial_abandoned(self, trial_index: int) -> None:
        """Gives a trial up. Its parameters are not given again."""
        trial = self._indexed().get(trial_index)
        if trial.status in ENDED:
            self._indexed().running(trial_index)  # which says why not
        self.study.abandon(trial.number)

    def mark_trial_early_stopped(self, trial_index: int) -> None:
        """Ends a trial early; what it measured so far counts for models.

        Raises:
            StudyError: It has no data: call `mark_trial_abandoned`.
        """
        trials = self._indexed()
        trials.stop(trials.running(trial_index))

    # The closed loop

    def run_trials(
        self, max_trials: int | None = None, parallelism: int = 1, tolerated_trial_failure_rate: float = 0.5,
        initial_seconds_between_polls: float = 1, *, total_trials: int | None = None,
        seconds_between_launches: float = 0,
    ) -> None:  # fmt: skip
        """Deploys trials through the runner, polls them and fetches their data, until they have ended.

        Args:
            max_trials: So many more trials.
            total_trials: So many in all instead, those of earlier runs included: for scripts that are started again.
            parallelism: Trials at a time.
            tolerated_trial_failure_rate: The share of failed and abandoned trials above which the run is given up;
                looked at once five have failed, and at the end.
            initial_seconds_between_polls: Of one trial, at least.
            seconds_between_launches: At least; for systems that cannot take two trials at once, and for runners written
                for Ax's pace of about one a second.

        Raises:
            StudyError: The runner or a metric is missing.
            TooManyFailures: More trials failed than are tolerated.
            StudyBusy: Another process runs the trials of this study.
        """
        loop.check_plan(parallelism, tolerated_trial_failure_rate)
        polls = loop.check_seconds("initial_seconds_between_polls", initial_seconds_between_polls)
        launches = loop.check_seconds("seconds_between_launches", seconds_between_launches)
        count = loop.trials_in_all(self.study, max_trials, total_trials)
        stops = self._early_stopping is not None
        loop.check_fit(self.study, self._runner, self._metrics, stops=stops)
        loop.run(
            self.study, self._runner, self._metrics, trials=count, parallelism=parallelism,
            failure_rate=tolerated_trial_failure_rate, seconds_between_polls=polls,
            seconds_between_launches=launches, early_stopping=self._early_stopping,
        )  # fmt: skip

    # Analyse

    def get_best_parameterization(self, use_model_predictions: bool = True) -> Best:
        """The best tried parameters that keep all limits: as a model expects, or as measured.

        Returns:
            Parameters, (mean, variance) by metric, trial_index, name. A variance that was not measured is NaN.

        Raises:
            NoBestTrial: No trial has completed within the limits.
            InputError: There are several objectives: see `get_pareto_frontier`.
        """
        study = self.study
        if not study.goals.single:
            raise InputError(
                f"There are several objectives ({study.goals}), so that no trial is the best.",
                fix="Call get_pareto_frontier().",
            )
        found = self._predictions().best() if use_model_predictions else None
        return self._told([found or study.best], found is not None)[0]

    def get_pareto_frontier(self, use_model_predictions: bool = True) -> list[Best]:
        """The tried parameters that keep all limits and that no others beat in everything, as the best one is told.

        Raises:
            NoBestTrial: No trial has completed within the limits.
            InputError: There is one objective: see `get_best_parameterization`.
        """
        study = self.study
        if study.goals.single:
            raise InputError(
                f"There is one objective ({study.goals}), and no front.", fix="Call get_best_parameterization()."
            )
        found = self._predictions().pareto() if use_model_predictions else None
        return self._told(found or study.pareto, found is not None)

    def predict(self, points: Sequence[TParameterization]) -> list[TPrediction]:
        """The mean and the standard error of each metric at each point.

        Raises:
            InputError: Fewer than five trials have a value of a metric.
            ParameterError: A point does not lie in the space.
        """
        return self._predictions().at(points)

    def summarize(
        self, trial_indices: Iterable[int] | None = None, trial_statuses: Sequence[str] | None = None
    ) -> pandas.DataFrame:
        """A table of one row a trial; needs pandas.

        Args:
            trial_statuses: Such as `["completed", "running"]`.
        """
        return summary_of(self.study, trial_indices, trial_statuses)

    def compute_analyses(self, analyses: Sequence[Any] | None = None, display: bool = True) -> list[Any]:
        """Cards that explain what the trials tell; one that cannot be made says why.

        Args:
            analyses: Functions of a study from `meristem.reports`; by default all that fit it.
            display: Shows them in a notebook; prints their notes and tables elsewhere.
        """
        return cards_of(self.study, analyses, display=display)

    # Save and load

    def save_to_json_file(self, filepath: str | Path = DEFAULT_FILE) -> None:
        """Writes the whole study to a file: definition, trials and their data. Runner and metrics are not in it."""
        data = isinstance(self._early_stopping, (str, Mapping, list))
        client = {
            "about": self._draft.about,
            "tracking_metrics": self._tracking,
            "fit_tracking_metrics": self._with_tracking,
            "early_stopping": self._early_stopping if data else None,
        }
        snapshot.write(filepath, self.study, client)

    @classmethod
    def load_from_json_file(
        cls, filepath: str | Path = DEFAULT_FILE, storage_config: StorageConfig | None = None
    ) -> Client:
        """The client that was saved. Configure runner and metrics again to go on with `run_trials`.

        Args:
            storage_config: Where the study is kept from now on.

        Raises:
            InputError: The file cannot be read.
            StudyExists: The store has a study of that name.
        """
        document = snapshot.read(filepath)
        client = cls(storage_config)
        known = document["client"]
        client._draft.about, client._tracking = known["about"], known["tracking_metrics"]
        client._with_tracking, client._early_stopping = known["fit_tracking_metrics"], known["early_stopping"]
        client._use(snapshot.restore(document, url_of(storage_config)))
        return client

    @classmethod
    def load_from_database(cls, experiment_name: str, storage_config: StorageConfig | None = None) -> Client:
        """The client of a study that is stored. Configure runner and metrics again to go on with `run_trials`.

        Raises:
            StudyNotFound: There is none of that name.
        """
        if storage_config is None:
            raise InputError(
                "load_from_database() was not told which database.",
                fix="Give storage_config=StorageConfig(url='sqlite:///meristem.db').",
            )
        client = cls(storage_config)
        client._use(Study.open(experiment_name, store=url_of(storage_config)))
        return client

    def __repr__(self) -> str:
        return f"Client({self._study!r})" if self._study is not None else "Client(not used yet)"

    # What it holds

    def _use(self, study: Study) -> None:
        self._study, self._models = study, None
        self._trials = IndexedTrials(study)
        self._draft.space, self._draft.goals, self._draft.seed = study.space, study.goals, study.seed
        self._draft.name = study.name
        if study.definition.controller is not None:
            self._draft.controller = study.definition.controller

    def _redefine(self, what: str) -> None:
        """Lets go of a study without trials; one with trials keeps its definition."""
        if self._study is None:
            return
        if self._study.counts():
            raise StudyError(
                f"The {what} cannot be changed once there are trials.",
                "Trials of different definitions are not mixed in one study.",
                "Make a new Client, and bring the trials along with attach_trial and complete_trial.",
            )
        self._study.store.studies.delete(self._study.name)
        self._study = self._trials = self._models = None

    def _indexed(self) -> IndexedTrials:
        _ = self.study
        assert self._trials is not None
        return self._trials

    def _predictions(self) -> Predictions:
        if self._models is None:
            self._models = Predictions(self.study)
        self._models.with_tracking = self._with_tracking
        return self._models

    def _told(self, trials: Sequence[Trial], predicted: bool) -> list[Best]:
        told = self._predictions().of(trials) if predicted else [observed(trial) for trial in trials]
        return [(dict(t.parameters), metrics, index_of(t), arm_of(t)) for t, metrics in zip(trials, told, strict=True)]


def _refuse(what: str, instead: str) -> NoReturn:
    raise InputError(f"Meristem has no {what}.", fix=f"Leave it out: {instead}.")


def _is_controller(given: Any) -> bool:
    return callable(given) or callable(getattr(given, "recommend", None))
