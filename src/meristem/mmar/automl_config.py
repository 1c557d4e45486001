"""Reads `config_automl.json`: which handlers, executor and controller a search of an MMAR has. Decides nothing else."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meristem.bundles import Variables, read_json
from meristem.clara.vendor_paths import vendor_class
from meristem.components import ALIASES, ComponentSpec, spec_of
from meristem.errors import InputError, did_you_mean

log = logging.getLogger("meristem.mmar")

_KEYS = ("controller", "executor", "handlers", "early_stopping")
# Arguments of MMARHandler that say how jobs' MMARs are made, which the executor does here.
_OF_EXECUTOR = ("train_config_file", "work_dir", "key_mmar_content_only", "data_list_file_name")
# Arguments of MMARExecutor that change nothing here: a job's output is always in its log.txt, and its configuration is
# always free of the search notation.
_WITHOUT_MEANING = ("msg_destination", "remove_search_augs", "poll_interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomlConfig:
    """What a search is made of.

    Attributes:
        executor: None: the one for MMARs.
        jobs: Arguments of that executor, from wherever they stood.
        early_stopping: A stopping rule, as in study files.
    """

    controller: ComponentSpec
    executor: ComponentSpec | None = None
    handlers: tuple[ComponentSpec, ...] = ()
    jobs: Mapping[str, Any] = field(default_factory=dict)
    early_stopping: Any = None


def read_automl_config(path: str | Path, settings: Mapping[str, Any]) -> AutomlConfig:
    """The configuration in a file.

    Args:
        settings: Values for `"{name}"` in its strings; `trainconf` and `workdir` may be left out.

    Raises:
        InputError: It has mistakes; lists all of them, each with its place.
    """
    return automl_config_of(read_json(path), settings, source=str(path))


def automl_config_of(config: Mapping[str, Any], settings: Mapping[str, Any], *, source: str) -> AutomlConfig:
    """The parsed configuration; see `read_automl_config`."""
    problems: list[str] = []
    for key in config:
        if key not in _KEYS and not key.startswith("_"):
            log.warning("%s: %r means nothing here. %s", source, key, did_you_mean(key, _KEYS))
    resolved = Variables.of({}, None, settings).resolve(dict(config))
    controller = _component("controller", resolved.get("controller"), "controller", problems)
    if resolved.get("controller") is None:
        problems.append('controller: is missing; name one, such as {"name": "auto"}')
    executor = None
    if "executor" in resolved:
        executor = _component("executor", resolved["executor"], "executor", problems)
    handlers = []
    given = resolved.get("handlers", [])
    if not isinstance(given, list):
        problems.append("handlers: must be a list")
        given = []
    for index, item in enumerate(given):
        if (handler := _component("handler", item, f"handlers[{index}]", problems)) is not None:
            handlers.append(handler)
    if problems or controller is None:
        raise InputError(f"{source} has mistakes", problems)
    jobs: dict[str, Any] = {}
    kept = [_without_jobs(handler, jobs) for handler in handlers]
    if executor is not None and executor.path is None:
        jobs |= {name: value for name, value in executor.args.items() if name not in _WITHOUT_MEANING}
        executor = None if executor.name == "mmar" else executor
    return AutomlConfig(
        controller=controller,
        executor=executor,
        handlers=tuple(kept),
        jobs=_said(jobs),
        early_stopping=resolved.get("early_stopping"),
    )


def _component(kind: str, given: Any, place: str, problems: list[str]) -> ComponentSpec | None:
    if given is None:
        return None
    known = (
        {key: value for key, value in given.items() if not key.startswith("_")} if isinstance(given, dict) else given
    )
    if isinstance(known, dict):
        known = {key: value for key, value in known.items() if key in ("name", "path", "args")}
    try:
        spec = spec_of(kind, known)
    except InputError as error:
        problems.append(f"{place}: {error.what} {'; '.join(error.problems)}".strip())
        return None
    vendors = None if spec.path is None else vendor_class(spec.path)
    name, path = (spec.name, spec.path) if vendors is None else (vendors, None)
    return ComponentSpec(name=ALIASES[kind].get(name or "", name), path=path, args=spec.args)


def _without_jobs(handler: ComponentSpec, jobs: dict[str, Any]) -> ComponentSpec:
    """The handler without the arguments that are the executor's, which go into `jobs`."""
    if handler.name != "mmar":
        return handler
    jobs |= {name: handler.args[name] for name in _OF_EXECUTOR if name in handler.args}
    left = {name: value for name, value in handler.args.items() if name not in _OF_EXECUTOR}
    return ComponentSpec(name=handler.name, args=left)


def _said(jobs: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is a variable that nobody gave (`"{workdir}"`): as if it were not there."""
    return {n: v for n, v in jobs.items() if not (isinstance(v, str) and v.startswith("{") and v.endswith("}"))}
