"""What argparse parses becomes the section "Args" without a change to the script.

Also what was parsed before the task began: the namespace is found in the variables of the script.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from meristem.tasks.parameters.argparse_parsing import caster_of, is_busy, parse_following
from meristem.tasks.parameters.connecting import ARGS, Parameters
from meristem.tasks.parameters.hooking import Undo, called_from, living, patch, quietly

# They parse for themselves, or for a hook of their own.
_NOT_THE_SCRIPTS = (
    "hydra", "IPython", "ipykernel", "traitlets", "pytest", "_pytest", "unittest", "torch.distributed", "setuptools",
    "distutils", "pip", "site", "pydoc", "tensorboard", "ray", "runpy", "cProfile", "trace", "timeit",
)  # fmt: skip


def install(parameters: Parameters) -> Undo:
    """Follow all that is parsed from now on, and what was parsed before; returns an undo."""
    with quietly("Finding arguments that argparse has parsed before"):
        _take_earlier(parameters)

    def wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
        def parse_known(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> Any:
            if is_busy() or called_from(_NOT_THE_SCRIPTS, skip="argparse"):
                return original(self, args, namespace)
            return parse_following(
                lambda words, into: original(self, words, into), self, args, namespace, parameters, ARGS
            )

        return parse_known

    def left(original: Callable[..., Any]) -> Callable[..., Any]:
        def parse(self: argparse.ArgumentParser, *args: Any, **named: Any) -> Any:
            with parameters.reading_command_line():  # it also refuses what is left over
                return original(self, *args, **named)

        return parse

    names = ("parse_known_args", "parse_known_intermixed_args")
    undos = [patch(argparse.ArgumentParser, name, wrapper) for name in names]
    undos += [patch(argparse.ArgumentParser, name, left) for name in ("parse_args", "parse_intermixed_args")]

    def undo() -> None:
        for one in undos:
            one()

    return undo


def _take_earlier(parameters: Parameters) -> None:
    namespaces = living(argparse.Namespace)
    parsers = living(argparse.ArgumentParser) if namespaces else []
    for namespace in namespaces:
        fitting = [one for one in parsers if any(hasattr(namespace, action.dest) for action in one._actions)]
        parameters.record(namespace, ARGS, caster=caster_of(fitting, namespace))
