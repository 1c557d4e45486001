"""Lets any sampler of Optuna decide what to try next.

A fresh sampler is asked each time, with a seed of its own, about a study that is shown to it (see
`optuna_storage`); what it notes down stands in the origins of its trials. So it goes on after a resume as
if nothing had happened, and nothing of Optuna's has to be kept.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np

from meristem.controllers.protocol import History, Observation, Recommendation, Snapshot
from meristem.controllers.random import RandomController
from meristem.controllers.taken import Taken
from meristem.errors import InputError, did_you_mean
from meristem.space import Choice, Fixed, Float, Int
from meristem.space.values import identity

_BY = "optuna"
_TRIES = 10
_ONE_SEQUENCE = ("QMCSampler", "GridSampler", "BruteForceSampler")  # whose trials all belong to one seed
_UNKNOWN_EXCESS = 1e9
_NEEDS = {"GPSampler": "torch", "CmaEsSampler": "cmaes"}  # packages that Optuna itself can do without


class OptunaController:
    """Asks a sampler of Optuna.

    Args:
        sampler: A class of `optuna.samplers`, such as "TPESampler".
        sampler_args: What it is made with. A seed and the study's limits are handed to it anyway.

    Raises:
        InputError: Optuna or a package that the sampler needs is not installed, or there is no such sampler, or it
            refuses its arguments.
    """

    def __init__(self, sampler: str = "TPESampler", sampler_args: Mapping[str, Any] | None = None) -> None:
        self._class = _find_sampler(sampler)
        self.sampler, self.sampler_args = sampler, dict(sampler_args or {})
        self._accepts = set(inspect.signature(self._class.__init__).parameters)
        self._sampler(seed=0, limits=0)
        self._random = RandomController()
        self._history: History | None = None
        self._baseline: Mapping[str, float] | None = None
        self._shown: list[Any] = []

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        taken = Taken(snapshot)
        recommended: list[Recommendation] = []
        promised: list[Observation] = []
        for place in range(count):
            point, noted = self._ask(snapshot, promised, taken, place)
            origin: dict[str, Any] = {"by": _BY, "sampler": self.sampler, **noted}
            if point is None:
                point = self._random.draw(snapshot, taken, place)
                origin["fallback"] = "random"
            if point is None:
                break
            taken.add(point)
            recommended.append(Recommendation(parameters=point, origin=origin))
            number = snapshot.created + place + 1
            promised.append(Observation(number=number, parameters=point, status="waiting", origin=origin))
        return recommended

    def _ask(
        self, snapshot: Snapshot, promised: list[Observation], taken: Taken, place: int
    ) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """An untaken point and what the sampler noted about it; None where it gave none in many tries."""
        from optuna.exceptions import ExperimentalWarning  # an optional dependency, and slow to import
        from optuna.study import Study

        from meristem.controllers.optuna_storage import NAME, SnapshotStorage

        waiting = [*snapshot.pending, *promised]
        for attempt in range(_TRIES):
            trials = [*self._ended(snapshot), *(_shown(o, snapshot) for o in waiting)]
            noted = _study_notes([*snapshot.history, *waiting])
            storage = SnapshotStorage(trials, len(snapshot.objectives), noted)
            seed = _seed(snapshot, 0 if self.sampler in _ONE_SEQUENCE else snapshot.created + place, attempt)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                sampler = self._sampler(seed=seed, limits=len(snapshot.goals.constraints))
                try:
                    trial = Study(study_name=NAME, storage=storage, sampler=sampler).ask()
                    point = _drawn(trial, snapshot)
                except ImportError as error:  # samplers import what they need when they first need it
                    raise _lacking(self.sampler, error.name) from error
            notes = {"trial": dict(storage.get_trial(trial._trial_id).system_attrs), "study": storage.noted}
            if snapshot.space.is_feasible(point) and point not in taken:
                return point, {name: found for name, found in notes.items() if found}
        return None, {}

    def _sampler(self, *, seed: int, limits: int) -> Any:
        args = dict(self.sampler_args)
        if "seed" in self._accepts:
            args["seed"] = (seed + int(args.get("seed") or 0)) % 2**32
        if limits and "constraints_func" in self._accepts:
            args.setdefault("constraints_func", _excesses_of)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._class(**args)
        except ImportError as error:
            raise _lacking(self.sampler, error.name) from error
        except Exception as error:  # Optuna's samplers raise what they like about their arguments
            raise InputError(
                f"Optuna's {self.sampler} cannot be made of sampler_args {sorted(args)}: {error}",
                fix=f"It takes: {', '.join(sorted(self._accepts - {'self'}))}.",
            ) from error

    def _ended(self, snapshot: Snapshot) -> list[Any]:
        """The history as Optuna's trials; converted once, since history only grows."""
        same = snapshot.history is self._history and snapshot.baseline == self._baseline
        if not same or len(snapshot.history) < len(self._shown):
            self._history, self._baseline, self._shown = snapshot.history, snapshot.baseline, []
        for place in range(len(self._shown), len(snapshot.history)):
            self._shown.append(_shown(snapshot.history[place], snapshot))
        return self._shown


def _find_sampler(name: str) -> Any:
    try:
        import optuna  # an optional dependency, and slow to import
    except ImportError as error:
        raise InputError(
            "The controller 'optuna' needs the package optuna, which is not installed.",
            fix="Install it with: pip install 'meristem[optuna]'",
        ) from error
    known = sorted(n for n in optuna.samplers.__all__ if n.endswith("Sampler") and n != "BaseSampler")
    if name not in known:
        raise InputError(
            f"Optuna has no sampler {name!r}.", fix=f"{did_you_mean(str(name), known)}Known: {', '.join(known)}."
        )
    if (package := _NEEDS.get(name)) is not None and find_spec(package) is None:
        raise _lacking(name, package)
    return getattr(optuna.samplers, name)


def _lacking(sampler: str, package: str | None) -> InputError:
    found = (package or "that Optuna's documentation names").partition(".")[0]
    return InputError(
        f"Optuna's {sampler} needs the package {found}, which is not installed.",
        fix=f"Install it with: pip install {found}" if package else "",
    )


def _drawn(trial: Any, snapshot: Snapshot) -> dict[str, Any]:
    """The point that the sampler gives when asked parameter by parameter, parents first."""
    space, found = snapshot.space, dict[str, Any]()
    while missing := [name for name in space.active(found) if name not in found]:
        for name in missing:
            parameter = space.parameters[name]
            if name in snapshot.fixed:
                found[name] = snapshot.fixed[name]
            elif isinstance(parameter, Fixed):
                found[name] = parameter.value
            else:
                found[name] = _value(parameter, trial._suggest(name, _distribution(parameter)))
    return space.normalize(found)


def _distribution(parameter: Any) -> Any:
    """Where the parameter is drawn from: its values where Optuna has such, else their places in order."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    count = parameter.cardinality
    match parameter:
        case Float() if count is None:
            return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
        case Int():
            step = parameter.step or 1
            return IntDistribution(parameter.low, parameter.low + (count - 1) * step, log=parameter.log, step=step)
        case Choice(ordered=False):
            return CategoricalDistribution(tuple(range(count)))
    return IntDistribution(0, count - 1)


def _value(parameter: Any, drawn: Any) -> Any:
    match parameter:
        case Float() if parameter.cardinality is None:
            return drawn
        case Int():
            return drawn
        case Float():
            return parameter.low + drawn * (parameter.step or 0.0)
    return parameter.choices[drawn]


def _internal(parameter: Any, value: Any) -> Any:
    """What Optuna would have drawn for `value`; the inverse of `_value`."""
    match parameter:
        case Float() if parameter.cardinality is None:
            return min(max(float(value), parameter.low), parameter.high)
        case Int():
            return int(value)
        case Float():
            return round((value - parameter.low) / parameter.step) if parameter.step else 0
    return [identity(choice) for choice in parameter.choices].index(identity(value))


def _shown(observation: Observation, snapshot: Snapshot) -> Any:
    """An observation as a trial of Optuna's."""
    from optuna.trial import TrialState, create_trial

    space, goals = snapshot.space, snapshot.goals
    names = [n for n in observation.parameters if n in space.parameters and not isinstance(space.parameters[n], Fixed)]
    values = list(observation.losses) or ([] if observation.loss is None else [observation.loss])
    done = len(values) == len(goals.objectives)
    pending = observation.status in ("waiting", "running")
    notes = observation.origin.get("trial") if observation.origin.get("by") == _BY else None
    system = dict(notes) if isinstance(notes, Mapping) else {}
    if goals.constraints and done:
        excesses = goals.excesses(observation.metrics, snapshot.baseline)
        system["constraints"] = [_UNKNOWN_EXCESS if e is None else e for e in excesses]
    state = TrialState.RUNNING if pending else TrialState.COMPLETE if done else TrialState.FAIL
    return create_trial(
        state=state,
        values=values if state is TrialState.COMPLETE else None,
        params={n: _internal(space.parameters[n], observation.parameters[n]) for n in names},
        distributions={n: _distribution(space.parameters[n]) for n in names},
        system_attrs=system,
    )


def _study_notes(observations: list[Observation]) -> dict[str, Any]:
    """What samplers have noted about the study so far; the latest trial's word counts."""
    notes: dict[str, Any] = {}
    for observation in sorted(observations, key=lambda o: o.number):
        found = observation.origin.get("study") if observation.origin.get("by") == _BY else None
        notes.update(found if isinstance(found, Mapping) else {})
    return notes


def _excesses_of(trial: Any) -> list[float]:
    return list(trial.system_attrs.get("constraints", ()))


def _seed(snapshot: Snapshot, number: int, attempt: int) -> int:
    return int(np.random.SeedSequence([snapshot.seed, number, attempt]).generate_state(1)[0])
