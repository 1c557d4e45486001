"""How a MONAI bundle is run for a trial: its files put together, its outputs, its validations, its command line.

Pure; the `bundle` executor reads the files and starts the training. What is said here of MONAI holds from 1.4 to 1.6.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meristem.bundles.bundle_search import place_of
from meristem.bundles.dialect import MONAI
from meristem.bundles.places import Place, Problems, find_at, put_at, shown
from meristem.bundles.walking import Role, mappings
from meristem.errors import did_you_mean
from meristem.space.conditions import MISSING
from meristem.space.values import describe

# By the last part of an id, the folder of a trial in which the output belongs; named as in bundles.
OUTPUT_FOLDERS = {"ckpt_dir": "models", "save_dir": "models", "output_dir": "eval", "log_dir": "eval"}
# Options of `monai.bundle run`; an id of this name cannot be overridden.
RUN_OPTIONS = (
    "run_id", "init_id", "final_id", "meta_file", "config_file", "logging_file", "tracking", "args_file",
    "workflow_name", "workflow_type",
)  # fmt: skip
_REFERENCE = re.compile(r"@([^@$%#\s]\S*)")
_MACRO = re.compile(r"%([^%#:]+\.(?:json|yaml|yml))((?:#|::).*)?")
_AS_IT_IS = re.compile(r"[@A-Za-z_][\w@:./]*")
_LONGEST_CHAIN = 20


def merged(files: Sequence[tuple[str, Mapping[str, Any]]], problems: Problems) -> dict[str, Any]:
    """The configuration of several files, by name, as MONAI puts them together.

    A later file replaces what earlier ones say under the same id; with `+` before the id, mappings and lists are
    added to what is there.
    """
    config: dict[str, Any] = {}
    for name, file in files:
        for written, value in file.items():
            place = place_of(config, written.removeprefix("+"))
            there = find_at(config, place)
            if written.startswith("+") and there is not MISSING:
                _add(there, value, f"{name}: {written}", problems)
            elif _leads_into_a_value(config, place):
                problems.say((), f"{name}: {written}: leads into a value that is no mapping")
            else:
                put_at(config, place, copy.deepcopy(value))
    return config


def _add(there: Any, value: Any, where: str, problems: Problems) -> None:
    if isinstance(there, dict) and isinstance(value, Mapping):
        there.update(copy.deepcopy(dict(value)))
    elif isinstance(there, list) and isinstance(value, list):
        there.extend(copy.deepcopy(value))
    else:
        problems.say((), f"{where}: {describe(value)} cannot be added to {describe(there)}")


def _leads_into_a_value(config: Mapping[str, Any], place: Place) -> bool:
    for length in range(1, len(place)):
        around = find_at(config, place[:length])
        if around is MISSING:
            return False
        if not isinstance(around, Mapping) and find_at(config, place[: length + 1]) is MISSING:
            return True
    return False


def metric_name(config: Mapping[str, Any], metric: str, problems: Problems) -> str:
    """What the key metric at the id `metric` is called: the only key there."""
    found = find_at(config, place_of(config, metric))
    if isinstance(found, Mapping) and found and not MONAI.is_component(found):
        return str(next(iter(found)))
    if found is MISSING:
        section = find_at(config, place_of(config, metric)[:-1])
        hint = did_you_mean(str(place_of(config, metric)[-1]), list(section)) if isinstance(section, Mapping) else ""
        problem = f"there is no {metric}, by which trials are compared. {hint}If it has another id, give key_metric"
        problems.say((), problem)
    else:
        problems.say((), f'{metric}: must be a mapping such as {{"val_dice": {{…}}}}, not {describe(found)}')
    return ""


def with_handler(
    config: Mapping[str, Any], metric: str, handler: Mapping[str, Any], problems: Problems
) -> dict[str, Any]:
    """A configuration file that, given after the bundle's own, adds `handler` to the evaluator with this key metric."""
    place = place_of(config, metric)
    evaluators = [where for where, node in _components(config) if _uses(config, where, node, place)]
    if not evaluators:
        problems.say((), f"{metric}: no component takes it as its key metric, so that nothing would be validated by it")
        return {}
    place = (*evaluators[0], "val_handlers")
    value = find_at(config, place)
    for _ in range(_LONGEST_CHAIN):
        if value is MISSING or value is None:
            return {_id(place): [dict(handler)]}
        if isinstance(value, list):
            return {f"+{_id(place)}": [dict(handler)]}
        reference = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if reference is None:
            break
        place = place_of(config, reference[1])
        value = find_at(config, place)
    problems.say(place, f"must be a list of handlers, or refer to one, not {describe(value)}; a handler is added to it")
    return {}


def _components(config: Mapping[str, Any]) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    for place, node, role in mappings(config, MONAI):
        if role is Role.COMPONENT:
            yield place, node


def _uses(config: Mapping[str, Any], where: Place, component: Mapping[str, Any], metric: Place) -> bool:
    if metric[:-1] == where:  # it stands in the component itself
        return True
    texts = [value for value in MONAI.args_of(component).values() if isinstance(value, str)]
    references = [found[1] for text in texts if (found := _REFERENCE.fullmatch(text))]
    return any(place_of(config, reference) == metric for reference in references)


def folder_of(written: str) -> str:
    """The folder of a trial in which what is written under an id belongs."""
    return OUTPUT_FOLDERS.get(str(place_of({}, written)[-1]), "eval")


def output_ids(config: Mapping[str, Any]) -> dict[str, str]:
    """The ids under which a bundle says where it writes, each with the folder of a trial that it is given.

    They are known by their names; those that refer to another of them follow it.
    """
    found: dict[Place, str] = {}
    for place, node, role in mappings(config, MONAI):
        for key, value in node.items():
            if key in OUTPUT_FOLDERS and isinstance(value, str) and role is not Role.PARKED:
                found[(*place, key)] = value
    return {_id(place): folder_of(_id(place)) for place, value in found.items() if not _follows(value, found)}


def _follows(value: str, others: Mapping[Place, str]) -> bool:
    reference = _REFERENCE.fullmatch(value)
    return reference is not None and any(_id(place) == reference[1].replace("#", "::") for place in others)


def relative_macros(config: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """By id, the macros `%file::id` with a relative path: the path, and what comes after it."""
    found: dict[str, tuple[str, str]] = {}
    stack: list[tuple[Place, Any]] = [((), config)]
    while stack:
        place, node = stack.pop()
        if isinstance(node, (Mapping, list)):
            inner = node.items() if isinstance(node, Mapping) else enumerate(node)
            stack += [((*place, key), item) for key, item in inner]
        elif isinstance(node, str) and (macro := _MACRO.fullmatch(node)) and not macro[1].startswith("/"):
            found[_id(place)] = (macro[1], macro[2] or "")
    return found


def override_problems(config: Mapping[str, Any], ids: Sequence[str]) -> list[str]:
    """What is wrong with ids that are to be overridden, as sentences."""
    problems = []
    for written in ids:
        place = place_of(config, written)
        if written in RUN_OPTIONS:
            problems.append(f"{written} is an option of monai.bundle run, so that no id of this name can be set")
        elif not isinstance(find_at(config, place[:-1]), (Mapping, list)):
            problems.append(f"there is no {shown(place[:-1])} in the configuration, in which {written} could be set")
    return problems


def flag(written: str, value: Any) -> str | None:
    """`--id=value` as `monai.bundle run` reads it; None where its command line cannot carry this.

    It takes no null (which means "not given" there), and reads `-` in an id as `_`.
    """
    if value is None or "-" in written or "=" in written:
        return None
    return f"--{written}={_literal(value)}"


def _literal(value: Any) -> str:
    """A value as the command line of MONAI (python-fire) reads it back: as a Python literal, else as text."""
    if isinstance(value, str) and _AS_IT_IS.fullmatch(value) and value not in ("True", "False", "None"):
        return value
    return repr(value)


def _id(place: Place) -> str:
    return "::".join(map(str, place))
