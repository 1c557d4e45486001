"""What makes a study this study: space, objective, controller, seed. As values, as JSON, compared."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meristem.components import ComponentSpec, build, find_class, spec_of
from meristem.controllers.adapt import as_controller
from meristem.controllers.protocol import Controller
from meristem.errors import InputError
from meristem.objective import Goals
from meristem.space import Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A study's definition.

    Attributes:
        controller: How it is built again after a restart; None where it was given as an object.
        controller_label: What the definition calls the controller.
        warm_start: Earlier studies of the same store that the controller learns from.
    """

    space: Space
    goals: Goals
    controller: ComponentSpec | None
    controller_label: str
    seed: int
    warm_start: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        controller = self.controller.to_json() if self.controller else {"object": self.controller_label}
        data: dict[str, Any] = {
            "space": self.space.to_json(),
            "objective": str(self.goals),
            "controller": controller,
            "seed": self.seed,
        }
        if self.goals.constraints:
            data["outcome_constraints"] = [str(limit) for limit in self.goals.constraints]
        if self.goals.thresholds:
            data["thresholds"] = dict(self.goals.thresholds)
        if self.warm_start:
            data["warm_start"] = list(self.warm_start)
        return data


def goals_of(data: Mapping[str, Any]) -> Goals:
    """The goals of a definition that was stored."""
    return Goals.parse(data["objective"], data.get("outcome_constraints", ()), data.get("thresholds"))


def check_seed(seed: Any) -> int:
    """A seed, checked; a new one for None.

    Raises:
        InputError: Not a whole number from 0 below 2**63.
    """
    if seed is None:
        return random.SystemRandom().randrange(2**31)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"seed={seed!r:.80} is not a whole number from 0.")
    return seed


def check_name(name: Any) -> str:
    """A study's name, checked.

    Raises:
        InputError: Not text, empty, longer than 200 characters, or with control characters.
    """
    if not isinstance(name, str) or not name.strip() or len(name) > 200 or not name.isprintable():
        raise InputError(
            f"{name!r:.80} cannot be a study's name.", fix="A name is 1 to 200 printable characters, such as 'digits'."
        )
    return name


def build_controller(given: Any) -> tuple[Controller, ComponentSpec | None, str]:
    """The controller that the user gave (a name, a mapping, an object or a function), with its specification."""
    if isinstance(given, (str, Mapping, ComponentSpec)):
        spec = spec_of("controller", given)
        target = find_class("controller", spec)
        built = build("controller", spec) if isinstance(target, type) or spec.args else target
        return as_controller(built), spec, spec.label
    label = getattr(given, "__qualname__", type(given).__qualname__)
    module = getattr(given, "__module__", type(given).__module__)
    return as_controller(given), None, f"{module}.{label}"


def check_fits(component: Any, goals: Goals) -> None:
    """Makes sure that a controller or handler can serve a study of these goals.

    Raises:
        InputError: It says of itself that it is for `one_objective` only, and there are several.
    """
    if getattr(component, "one_objective", False) and not goals.single:
        raise InputError(
            f"{type(component).__name__} has one objective only, and the study has several ({goals}).",
            fix="Use auto, gp or evolution for several, or one weighted sum such as '2*accuracy - latency'.",
        )


def differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """What is different between two definitions, one sentence each; the seed is not compared."""
    found = []
    old_space, new_space = stored["space"], given["space"]
    old, new = old_space["parameters"], new_space["parameters"]
    found += [f"parameter {n!r} is new: {_short(new[n])}" for n in new if n not in old]
    found += [f"parameter {n!r} is missing: it was {_short(old[n])}" for n in old if n not in new]
    found += [
        f"parameter {n!r} was {_short(old[n])} and is now {_short(new[n])}"
        for n in new
        if n in old and old[n] != new[n]
    ]
    if old_space.get("constraints", []) != new_space.get("constraints", []):
        found.append(
            f"constraints were {_short(old_space.get('constraints', []))} "
            f"and are now {_short(new_space.get('constraints', []))}"
        )
    for part in ("objective", "outcome_constraints", "thresholds", "controller", "warm_start"):
        if stored.get(part) != given.get(part):
            found.append(f"{part} was {_short(stored.get(part))} and is now {_short(given.get(part))}")
    return found


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:97] + "…"
