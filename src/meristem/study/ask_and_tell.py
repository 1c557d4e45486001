"""The asking side of a study: trials that its user runs, asked for or of the user's own choice.

It reads what users hand in; what becomes of trials, `Asking` decides.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from meristem.controllers.protocol import Controller
from meristem.errors import InputError, ParameterError, did_you_mean
from meristem.store.rows import TrialRow
from meristem.study.asking import OwnTrial
from meristem.study.results import Results
from meristem.trial import Trial


class AskAndTell(Results, ABC):
    """A study whose trials may be run by hand."""

    @abstractmethod
    def _controller(self) -> Controller:
        """What decides what to try next."""

    def ask(self, fixed: Mapping[str, Any] | None = None) -> Trial:
        """A trial to run yourself; give its result to `tell`.

        Args:
            fixed: Parameters that it must have; the controller chooses the others.

        Raises:
            NothingToTry: The controller has no more recommendations now.
            ParameterError: The fixed parameters do not lie in the space, or leave no room between its constraints.
            StudyError: The baseline failed, so that no trial can keep the limits.
        """
        if fixed is not None:
            fixed = self._checked_part(fixed)
            if problems := self.space.contradictions(fixed):
                shown = ", ".join(f"{name}={value!r:.80}" for name, value in fixed.items())
                raise ParameterError(
                    f"The fixed parameters ({shown}) leave no point of the space",
                    problems,
                    fix="Fix other values, or fewer; or widen the constraints.",
                )
        return self._own(self._asking.ask(self._controller, fixed))

    def tell(self, trial: Trial | int, value: Any = None, *, failed: str | None = None, **metrics: Any) -> Trial:
        """Stores what came of a trial that `ask` or `begin` gave, which ends it.

        Args:
            value: The objective: a number or a pair (mean, standard error); or give metrics by name:
                `tell(trial, accuracy=0.9, seconds=3)`.
            failed: Why it failed, where it did.

        Raises:
            IllegalMove: The trial has ended already.
            InputError: No result, one that names no objective or is no number (the trial goes on), or a trial
                that an engine runs.
        """
        number = _number_of(trial)
        return self._trial(self._asking.tell(number, self._score(value, metrics, failed), failed))

    def attach(
        self, parameters: Mapping[str, Any], value: Any = None, *, failed: str | None = None, **metrics: Any
    ) -> Trial:
        """Adds a trial that was run elsewhere; missing parameters are at their defaults or in the middle.

        Errors as `tell`.
        """
        row = self._asking.attach(self._complete(parameters), self._score(value, metrics, failed), failed)
        return self._trial(row)

    def begin(
        self, parameters: Mapping[str, Any], *, baseline: bool = False, origin: Mapping[str, Any] | None = None
    ) -> Trial:  # fmt: skip
        """Begins a trial of your own choice, as if it had been asked for; missing parameters as in `enqueue`.

        Args:
            baseline: Limits such as `"latency <= 1.1 * baseline"` are relative to this trial.
            origin: Who chose it and why, kept with it as `trial.origin`: JSON values.

        Raises:
            ParameterError: They do not lie in the space.
        """
        return self._own(self._asking.begin(self._complete(parameters), _origin(baseline, origin)))

    def record(self, trial: Trial | int, /, step: int | None = None, **metrics: Any) -> None:
        """Stores what a trial has measured that goes on, as its `report` does; also from another process.

        Args:
            step: Where in the training, such as the epoch; without it they are final values.
            metrics: Numbers, or pairs (mean, standard error).

        Raises:
            StudyError: The trial does not run.
            InputError: A metric is no number; or an engine runs the trial.
        """
        self._asking.record(_number_of(trial), step, metrics)

    def why_stop(self, trial: Trial | int, early_stopping: Any = "auto") -> str | None:
        """Why a running trial looks hopeless by what it and others recorded; None where it may go on, or does not run.

        Args:
            early_stopping: The rule, as for `run`.

        Raises:
            InputError: It stands for no rule, or the study has several objectives, or no such trial.
        """
        return self._asking.why_stop(_number_of(trial), early_stopping)

    def stop_trial(self, trial: Trial | int, reason: str | None = None) -> Trial:
        """Ends a running trial early: what it recorded counts for models, and it is never the best.

        Raises:
            StudyError: The trial does not run, or has recorded nothing.
            InputError: An engine runs the trial.
        """
        return self._trial(self._asking.stop(_number_of(trial), reason))

    def abandon(self, trial: Trial | int, reason: str = "abandoned by hand") -> Trial:
        """Gives a trial up; it is neither run nor counted as failed. Errors as `tell`."""
        return self._trial(self._asking.abandon(_number_of(trial), reason))

    def enqueue(self, parameters: Mapping[str, Any], *, baseline: bool = False) -> Trial:
        """Has these parameters tried before the controller is asked; missing ones at their defaults or in the middle.

        Args:
            baseline: Limits such as `"latency <= 1.1 * baseline"` are relative to this trial.

        Raises:
            ParameterError: They do not lie in the space.
        """
        return self._trial(self._asking.enqueue(self._complete(parameters), _origin(baseline)))

    def _complete(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(parameters, Mapping):
            raise InputError(f"Parameters are a mapping of names to values, not {parameters!r:.80}.")
        complete = self.space.normalize(self.space.complete(parameters, middle=True))
        self.space.check(complete)
        return complete

    def _own(self, row: TrialRow) -> Trial:
        """A trial that its caller runs."""
        return OwnTrial(**_fields(self._trial(row)), record=self._asking.record)

    def _checked_part(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Some parameters of a point, checked one by one."""
        if not isinstance(given, Mapping):
            raise InputError(f"Parameters are a mapping of names to values, not {given!r:.80}.")
        known = self.space.parameters
        problems = [
            f"{name}: is not a parameter. {did_you_mean(str(name), list(known))}" for name in given if name not in known
        ]
        found = self.space.normalize(given)
        refused = {name: known[name].refuses(value) for name, value in found.items() if name in known}
        problems += [f"{name}: {why}" for name, why in refused.items() if why]
        for name, parameter in known.items():
            if name in found and parameter.when is not None:
                missing = [parent for parent in parameter.when if parent not in found]
                problems += [f"{name}: exists only under conditions on {p!r}; fix that, too" for p in missing]
        if not problems and set(found) - set(self.space.active(self.space.complete(found, middle=True))):
            problems.append("the values exclude each other: some exist only where others are different")
        if problems:
            raise ParameterError("The fixed parameters do not lie in the space", problems)
        return found

    def _score(self, value: Any, metrics: Mapping[str, Any], failed: str | None) -> Any:
        if value is None and not metrics and failed is None:
            raise InputError("tell() got no result.", fix="Write tell(trial, accuracy=0.9) or tell(trial, failed='…').")
        if value is None or isinstance(value, Mapping):
            return {**(value or {}), **metrics}
        objective = self.goals.objectives[0]
        if not self.goals.single or (len(objective.terms) > 1 and not metrics):
            return value
        name = next(iter(objective.terms)) if len(objective.terms) == 1 else objective.metric
        return {**metrics, name: value}


def _origin(baseline: bool, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    try:
        told = json.loads(json.dumps(dict(more or {}), allow_nan=False))
    except (TypeError, ValueError) as error:
        how = "Write origin={'by': 'the night shift'}."
        raise InputError(f"origin={more!r:.80} is no mapping of JSON values.", fix=how) from error
    return {"by": "user", **told, **({"baseline": True} if baseline else {})}


def _number_of(trial: Trial | int) -> int:
    number = trial.number if isinstance(trial, Trial) else trial
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 2**31:
        raise InputError(f"{trial!r:.80} is no trial.", fix="Give a trial that ask() gave, or its number.")
    return number


def _fields(trial: Trial) -> dict[str, Any]:
    return {name: getattr(trial, name) for name in Trial.__dataclass_fields__}
