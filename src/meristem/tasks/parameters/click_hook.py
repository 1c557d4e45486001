"""What click or Typer parses becomes the section "Args"; of a command in a group, "Args/command/name".

Values of the store are handed to each parameter as if they stood on the command line, so that click itself converts
and checks them, and what the store has need not be given again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from meristem.tasks.parameters.connecting import ARGS, Parameters
from meristem.tasks.parameters.hooking import Undo, patch, quietly, when_imported

# Typer brings its own copy of click in newer versions.
_MODULES = ("click.core", "typer._click.core")
_WHAT = "Reading the options of click"
_OWN_TYPES = ("FuncParamType", "UnprocessedParamType")  # of click, but what they make is the script's


def install(parameters: Parameters) -> Undo:
    """Follow all commands from now on, and tell the options of the one that is running; returns an undo."""
    undos = [when_imported(name, lambda name=name: _install(sys.modules[name], parameters)) for name in _MODULES]  # type: ignore[misc]

    def undo() -> None:
        for one in undos:
            one()

    return undo


def _install(core: Any, parameters: Parameters) -> Undo:
    undos = [
        patch(core.Parameter, "handle_parse_result", lambda original: _handed(original, parameters)),
        patch(core.Command, "make_context", lambda original: _left(original, parameters)),
        patch(core.Command, "invoke", lambda original: _recorded(original, parameters)),
    ]
    context = _running(core)
    while context is not None:
        _take(context, parameters)
        context = context.parent

    def undo() -> None:
        for one in undos:
            one()

    return undo


def _running(core: Any) -> Any:
    """The context of the command that is being run, None outside of one."""
    current = getattr(sys.modules.get(f"{core.__name__.rpartition('.')[0]}.globals"), "get_current_context", None)
    return current(silent=True) if current else None


def _handed(original: Callable[..., Any], parameters: Parameters) -> Callable[..., Any]:
    def handle_parse_result(self: Any, ctx: Any, opts: Mapping[str, Any], args: list[str]) -> Any:
        with quietly(_WHAT):
            opts = _with_stored(self, ctx, opts, parameters)
        return original(self, ctx, opts, args)

    return handle_parse_result


def _left(original: Callable[..., Any], parameters: Parameters) -> Callable[..., Any]:
    def make_context(self: Any, *args: Any, **named: Any) -> Any:
        with parameters.reading_command_line():
            return original(self, *args, **named)

    return make_context


def _recorded(original: Callable[..., Any], parameters: Parameters) -> Callable[..., Any]:
    def invoke(self: Any, ctx: Any) -> Any:
        with quietly(_WHAT):
            _take(ctx, parameters)
        return original(self, ctx)

    return invoke


def _with_stored(param: Any, ctx: Any, opts: Mapping[str, Any], parameters: Parameters) -> Mapping[str, Any]:
    known = parameters.stored("/".join((ARGS, *_path(ctx)))) if not ctx.resilient_parsing else {}
    value = known.get(param.name)
    if value is None or not param.expose_value or not _converts(param):
        return opts
    return {**opts, param.name: tuple(value) if isinstance(value, list) else value}


def _converts(param: Any) -> bool:
    """The value that the script gets can be handed in again: nothing of the script's own has made it."""
    kind = getattr(param, "type", None)
    described = getattr(param, "type_descriptor", None)  # of newer Typer
    if described is not None:
        info = getattr(described, "parameter_info", None)
        own = getattr(info, "parser", None) or getattr(info, "click_type", None)
        return param.callback is None and own is None
    ours = type(kind).__module__.partition(".")[0] in ("click", "typer") and type(kind).__name__ not in _OWN_TYPES
    return param.callback is None and ours


def _path(ctx: Any) -> list[str]:
    """Names of the commands below the first, which has that of the program."""
    names: list[str] = []
    while ctx is not None and ctx.parent is not None:
        names.insert(0, str(ctx.info_name))
        ctx = ctx.parent
    return names


def _take(ctx: Any, parameters: Parameters) -> None:
    secret = {param.name for param in ctx.command.params if getattr(param, "hide_input", False)}
    by_value = type(ctx).__module__.startswith("typer") or type(ctx.command).__module__.startswith("typer")
    shown = {name: _shown(value, by_value) for name, value in ctx.params.items() if name not in secret}
    if not shown:
        return
    before = dict(shown)
    parameters.record(shown, "/".join((ARGS, *_path(ctx))))
    for name, value in shown.items():
        if value is not before[name] and not _is_own(ctx, name):
            ctx.params[name] = value


def _is_own(ctx: Any, name: str) -> bool:
    """click has put the value of the store there already, in its own type."""
    return any(param.name == name and _converts(param) for param in ctx.command.params)


def _shown(value: Any, by_value: bool) -> Any:
    """As it is written on the command line: Typer takes values of enums and click their names, both names of files."""
    if by_value and isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [_shown(item, by_value) for item in value]
    name = getattr(value, "name", None)
    return name if isinstance(name, str) and (hasattr(value, "read") or hasattr(value, "write")) else value
