"""The composed configuration of Hydra becomes the section "Hydra", and the overrides of its command line
"Args/overrides".

Values of the store go into the composed configuration, so that interpolations follow them. Where the store has other
overrides than the command line, the configuration is composed with those: of the stored values, then only those
count that somebody has edited, which are those that the old overrides do not explain.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from meristem.tasks.parameters.connecting import ARGS, Parameters
from meristem.tasks.parameters.hooking import Undo, patch, quietly, when_imported
from meristem.tasks.parameters.sections import flatten

SECTION = "Hydra"
_OVERRIDES = "overrides"
_log = logging.getLogger("meristem.tasks")
_WHAT = "Reading the configuration of Hydra"


def install(parameters: Parameters) -> Undo:
    """Follow functions of @hydra.main from now on, and the one that is running; returns an undo."""

    def of_hydra() -> Undo:
        with quietly(_WHAT):
            _take_running(parameters)
        runner = sys.modules["hydra._internal.hydra"].Hydra
        return patch(runner, "run", lambda original: _following(original, parameters))

    return when_imported("hydra._internal.hydra", of_hydra)


def _following(original: Callable[..., Any], parameters: Parameters) -> Callable[..., Any]:
    def run(
        self: Any, config_name: str | None, task_function: Callable[..., Any], overrides: list[str], *args: Any,
        **kwargs: Any,
    ) -> Any:  # fmt: skip
        without: set[str] = set()
        with quietly(_WHAT):
            overrides, without = _chosen(self, config_name, overrides, parameters)

        @functools.wraps(task_function)
        def followed(config: Any) -> Any:
            with quietly(_WHAT):
                parameters.record(config, SECTION, without=without)
            return task_function(config)

        return original(self, config_name, followed, overrides, *args, **kwargs)

    return run


def _chosen(
    hydra: Any, config_name: str | None, given: Sequence[str], parameters: Parameters
) -> tuple[list[str], set[str]]:
    """The overrides to compose with, and the names whose stored values were not edited."""
    stored = _stored_if_other(parameters, given)
    if stored is None:
        return list(given), set()
    as_recorded = _composed(hydra, config_name, given)
    values = parameters.values
    return stored, {n for n, v in as_recorded.items() if n in values and values[n] == v}


def _stored_if_other(parameters: Parameters, given: Sequence[str]) -> list[str] | None:
    """The overrides of the store where they are not those of the command line, which are told."""
    here = [one for one in given if not one.startswith("hydra.mode=")]  # added by Hydra itself
    stored = parameters.stored(ARGS).get(_OVERRIDES)
    parameters.tell({f"{ARGS}/{_OVERRIDES}": here})
    return [str(one) for one in stored] if isinstance(stored, list) and stored != here else None


def _composed(hydra: Any, config_name: str | None, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration that the overrides make, by parameter names."""
    from hydra.types import RunMode  # asked for by Hydra's own code, so it is loaded

    config = hydra.compose_config(
        config_name=config_name, overrides=list(overrides), run_mode=RunMode.RUN, with_log_configuration=False
    )
    return flatten({name: value for name, value in config.items_ex(resolve=False) if name != "hydra"}, SECTION)


def _take_running(parameters: Parameters) -> None:
    """The task begins inside the function: Hydra, which has called it, holds the configuration it was given."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "run_job" and frame.f_globals.get("__name__") == "hydra.core.utils":
            names = frame.f_locals
            told = names["config"].hydra.overrides
            if _stored_if_other(parameters, [*told.task, *told.hydra]) is not None:
                _log.warning("The overrides of the store came too late for Hydra: import Task before @hydra.main runs.")
            parameters.record(names["task_cfg"], SECTION, without=())
            return
        frame = frame.f_back
