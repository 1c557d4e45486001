"""Parsing a command line where the store has values: they go before those of the command line.

Each is typed and checked as its argument says. What the store has need not be on the command line, also where the
parser requires it.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any, NoReturn

from meristem.tasks.parameters.casting import UNKNOWN, CannotCast, cast
from meristem.tasks.parameters.connecting import Parameters
from meristem.tasks.parameters.forms import Field
from meristem.tasks.parameters.hooking import quietly
from meristem.tasks.parameters.json_values import JSON, to_json
from meristem.tasks.parameters.sections import Caster

Parse = Callable[[Sequence[str], Any], tuple[Any, list[str]]]

_WHAT = "Reading the arguments of argparse"
_WITHOUT = {None: "?", "+": "*"}
_busy = threading.local()


def is_busy() -> bool:
    """This thread is parsing: what is parsed meanwhile are the parts of a command (subparsers)."""
    return getattr(_busy, "parsing", False)


def parse_connected(parser: argparse.ArgumentParser, parameters: Parameters, section: str) -> argparse.Namespace:
    """`parser.parse_args()`, connected under `section`."""

    def parse(args: Sequence[str], namespace: Any) -> tuple[Any, list[str]]:
        return parser.parse_known_args(args, namespace)

    namespace, rest = parse_following(parse, parser, None, None, parameters, section)
    with parameters.reading_command_line():
        _refuse_rest(parser, rest)
    return namespace  # type: ignore[no-any-return]


def _refuse_rest(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")


def parse_following(
    parse: Parse,
    parser: argparse.ArgumentParser,
    args: Sequence[str] | None,
    namespace: Any,
    parameters: Parameters,
    section: str,
) -> tuple[Any, list[str]]:
    """`parse(args, namespace)`, and then the values of the store in the namespace, or its values told to the store."""
    _busy.parsing = True
    try:
        given = list(sys.argv[1:] if args is None else args)
        with parameters.reading_command_line():
            done = _parse(parse, parser, given, namespace, parameters.stored(section))
    finally:
        _busy.parsing = False
    with quietly(_WHAT):
        parameters.record(done[0], section, caster=caster_of([parser], done[0]))
    return done


def caster_of(parsers: Sequence[argparse.ArgumentParser], namespace: Any) -> Caster:
    """Casts values of the store as the arguments of `parsers` say, which have filled `namespace`."""
    actions: dict[str, argparse.Action] = {}
    for parser in parsers:
        for action in _actions(parser, namespace):
            actions.setdefault(action.dest, action)

    def caster(name: str, value: JSON, field: Field) -> Any:
        action = actions.get(field.key) if isinstance(field.key, str) else None
        if action is None or name.count("/") != 1:
            return cast(value, field.value, field.wanted)
        return _typed(action, value, field.value)

    return caster


def _typed(action: argparse.Action, value: JSON, current: Any) -> Any:
    if value is None or json.dumps(to_json(current)) == json.dumps(value):
        return current if value is not None else None
    if isinstance(action, (argparse._StoreTrueAction, argparse._StoreFalseAction)):
        return cast(value, UNKNOWN, bool)
    if isinstance(action, argparse._CountAction):
        return cast(value, UNKNOWN, int)
    if isinstance(action, (argparse._StoreConstAction, argparse.BooleanOptionalAction)):
        return cast(value, current)
    several = action.nargs in ("*", "+", argparse.REMAINDER) or isinstance(action.nargs, int)
    appended = isinstance(action, argparse._AppendAction)
    if isinstance(value, list) and (several or appended):
        inner = several and appended and any(isinstance(item, list) for item in value)
        return [[_one(action, part) for part in item] if inner else _one(action, item) for item in value]
    if several or appended:
        raise CannotCast("a list")
    return _one(action, value, current)


def _one(action: argparse.Action, value: JSON, current: Any = None) -> Any:
    made = _converted(action, value, current)
    if action.choices is not None and made not in action.choices:
        raise CannotCast(f"one of {', '.join(str(one) for one in action.choices)}")
    return made


def _converted(action: argparse.Action, value: JSON, current: Any) -> Any:
    kind: Any = action.type
    if kind is None:
        return cast(value, current) if current is not None else value
    if kind in (int, float, bool, str) or (isinstance(kind, type) and issubclass(kind, Enum)):
        return cast(value, UNKNOWN, kind)
    text = value if isinstance(value, str) else str(value) if isinstance(value, bool) else json.dumps(value)
    try:
        return kind(text)
    except (argparse.ArgumentTypeError, TypeError, ValueError) as error:
        raise CannotCast(f"what its type takes ({error or getattr(kind, '__name__', kind)})") from error


def _parse(
    parse: Parse, parser: argparse.ArgumentParser, args: list[str], namespace: Any, stored: Mapping[str, JSON]
) -> tuple[Any, list[str]]:
    present = {name.partition("/")[0] for name, value in stored.items() if value is not None}
    actions: list[argparse.Action] = []
    with quietly(_WHAT):
        actions = [action for one in _family(parser) for action in one._actions if action.dest in present]
    if not actions:
        return parse(args, namespace)
    missing = [action for action in actions if not action.option_strings]
    with _not_required(parser, [action for action in actions if action.option_strings]):
        if not missing:
            return parse(args, namespace)
        try:
            with _errors_raised(parser):
                return parse(list(args), namespace)
        except (_Refused, argparse.ArgumentError):
            pass
        with _not_required(parser, missing), _may_be_absent(missing):
            return parse([*args, *_command(parser, args, stored)], namespace)


def _command(parser: argparse.ArgumentParser, args: Sequence[str], stored: Mapping[str, JSON]) -> list[str]:
    """The subcommand of the store, where the command line names none."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and not set(args) & set(action.choices):
            chosen = stored.get(action.dest)
            return [chosen] if chosen in action.choices else []
    return []


class _Refused(Exception):
    pass


@contextmanager
def _errors_raised(parser: argparse.ArgumentParser) -> Iterator[None]:
    """In place of printing the usage and leaving: another attempt follows."""

    def error(message: str) -> NoReturn:
        raise _Refused(message)

    family = [one for one in _family(parser) if "error" not in vars(one)]
    for one in family:
        one.error = error  # type: ignore[method-assign]
    try:
        yield
    finally:
        for one in family:
            del one.error


@contextmanager
def _not_required(parser: argparse.ArgumentParser, actions: Sequence[argparse.Action]) -> Iterator[None]:
    groups = [group for one in _family(parser) for group in one._mutually_exclusive_groups]
    freed: list[Any] = [group for group in groups if set(group._group_actions) & set(actions)]
    freed = [one for one in (*actions, *freed) if one.required]
    for one in freed:
        one.required = False
    try:
        yield
    finally:
        for one in freed:
            one.required = True


@contextmanager
def _may_be_absent(positionals: Sequence[argparse.Action]) -> Iterator[None]:
    before = [(action, action.nargs) for action in positionals if not isinstance(action, argparse._SubParsersAction)]
    for action, nargs in before:
        action.nargs = "*" if isinstance(nargs, int) else _WITHOUT.get(nargs, nargs)
    try:
        yield
    finally:
        for action, nargs in before:
            action.nargs = nargs


def _actions(parser: argparse.ArgumentParser, namespace: Any) -> Iterator[argparse.Action]:
    """Those of the parser, and those of the subcommand that was chosen (of all, where that is not known)."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            chosen = action.choices.get(str(getattr(namespace, action.dest, None)))
            for one in [chosen] if chosen else action.choices.values():
                yield from _actions(one, namespace)


def _family(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parser and its subparsers at all depths, each once (a subcommand may have several names)."""
    found = {id(parser): parser}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                found |= {id(child): child for child in _family(one)}
    return list(found.values())
