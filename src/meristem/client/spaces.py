"""Reads parameter configs as a Space. Pure; what contradicts itself in a parameter the space says itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meristem.client.configs import (
    ChoiceParameterConfig,
    DerivedParameterConfig,
    ParameterConfig,
    RangeParameterConfig,
)
from meristem.errors import InputError, did_you_mean
from meristem.space import Choice, Float, Int, Space
from meristem.space.parameters import Parameter

_TYPES = {"float": float, "int": int, "str": str, "bool": bool}


def space_of(configs: Sequence[ParameterConfig], constraints: Sequence[str] = ()) -> Space:
    """The space that `configs` describe.

    Raises:
        InputError: Something of it cannot be used; lists every mistake.
    """
    if isinstance(configs, (str, Mapping)) or not isinstance(configs, Sequence) or not configs:
        raise InputError(
            f"parameters={configs!r:.80} is no list of parameters.",
            fix="Write parameters=[RangeParameterConfig(name='x', bounds=(0, 1), parameter_type='float')].",
        )
    problems = [problem for config in configs for problem in _problems(config)]
    if problems:
        raise InputError("The parameters cannot be used", problems)
    names = [config.name for config in configs]
    problems = [f"{name}: is there {names.count(name)} times" for name in dict.fromkeys(names) if names.count(name) > 1]
    when, unknown = _conditions(configs)
    if problems := problems + unknown:
        raise InputError("The parameters cannot be used", problems)
    return Space({c.name: _parameter(c, when.get(c.name)) for c in configs}, constraints)


def _problems(config: Any) -> list[str]:
    if isinstance(config, DerivedParameterConfig):
        return [
            f"{config.name}: is derived from others ({config.expression_str}), which a space has no part for. Leave it "
            "out and compute it where the trial runs; a limit on it is a parameter constraint on its terms"
        ]
    if isinstance(config, RangeParameterConfig):
        return _range_problems(config)
    if isinstance(config, ChoiceParameterConfig):
        return _choice_problems(config)
    return [f"{config!r:.80} is neither a RangeParameterConfig nor a ChoiceParameterConfig"]


def _range_problems(config: RangeParameterConfig) -> list[str]:
    problems = []
    if config.parameter_type not in ("float", "int"):
        problems.append(f"{config.name}: parameter_type must be 'float' or 'int', not {config.parameter_type!r:.60}")
    if config.scaling not in (None, "linear", "log"):
        problems.append(f"{config.name}: scaling must be 'linear' or 'log', not {config.scaling!r:.60}")
    if not isinstance(config.bounds, (tuple, list)) or len(config.bounds) != 2:
        problems.append(f"{config.name}: bounds must be (lower, upper), not {config.bounds!r:.60}")
    return problems


def _choice_problems(config: ChoiceParameterConfig) -> list[str]:
    if config.parameter_type not in _TYPES:
        known = "'float', 'int', 'str' or 'bool'"
        return [f"{config.name}: parameter_type must be {known}, not {config.parameter_type!r:.60}"]
    if isinstance(config.values, str) or not isinstance(config.values, Sequence) or not config.values:
        return [f"{config.name}: values must be a list of at least one, not {config.values!r:.60}"]
    wrong = [value for value in config.values if not _is_a(config.parameter_type, value)]
    return [f"{config.name}: the value {value!r:.60} is no {config.parameter_type}" for value in wrong]


def _is_a(kind: str, value: Any) -> bool:
    if kind == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is _TYPES[kind]


def _conditions(configs: Sequence[ParameterConfig]) -> tuple[dict[str, dict[str, list[Any]]], list[str]]:
    """By parameter: under which values of which others it exists; and what is wrong with that."""
    names = [config.name for config in configs]
    found: dict[str, dict[str, list[Any]]] = {}
    problems = []
    for config in configs:
        for value, children in (getattr(config, "dependent_parameters", None) or {}).items():
            for child in [children] if isinstance(children, str) else children:
                if child not in names:
                    hint = did_you_mean(str(child), names)
                    problems.append(f"{config.name}: {child!r} depends on it, but is no parameter. {hint}".rstrip())
                found.setdefault(child, {}).setdefault(config.name, []).append(value)
    return found, problems


def _parameter(config: ParameterConfig, when: Mapping[str, Any] | None) -> Parameter:
    if isinstance(config, RangeParameterConfig):
        low, high = config.bounds
        log, step = config.scaling == "log", config.step_size
        if config.parameter_type == "int":
            return Int(low, high, log=log, step=step, when=when)  # type: ignore[arg-type]  # checked by the space
        return Float(low, high, log=log, step=step, when=when)
    assert isinstance(config, ChoiceParameterConfig)
    numbers = config.parameter_type in ("float", "int")
    ordered = numbers if config.is_ordered is None else config.is_ordered
    values: list[Any] = [_TYPES[config.parameter_type](value) for value in config.values]
    return Choice(sorted(values) if numbers and ordered else values, ordered=ordered, when=when)
