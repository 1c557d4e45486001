"""Puts parameter values into a command line, safely, and finds placeholders that mean nothing. Pure.

`{name}` stands for the value of a known name. `{{name}}` gives `{name}` itself. All other braces
stay as they are, so `${HOME}` and `awk '{ print $1 }'` need no care.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from meristem.errors import did_you_mean

Command = str | Sequence[str]
ALWAYS_KNOWN = ("trial", "folder")
_IDENTIFIER = r"[^\W\d]\w*"
_HERE_DOCUMENT = re.compile(r"(?<!<)<<-?[ \t]*(?:['\"\\][^\s<]|[A-Za-z_])")


def placeholders(command: Command, known_names: Collection[str]) -> list[str]:
    """What is wrong with the placeholders of `command`, as sentences; none when all are known."""
    known = [*known_names, *ALWAYS_KNOWN]
    found: dict[str, None] = {}
    for part in [command] if isinstance(command, str) else command:
        for match in _pattern(known).finditer(part):
            if match["name"] is not None and match["name"] not in known:
                found[match["name"]] = None
    return (
        _clashes(known_names)
        + _in_here_document(command, known)
        + _in_arithmetic(command, known)
        + [
            f"the command has the placeholder {{{name}}}, but there is no parameter {name!r}. "
            f"{did_you_mean(name, known)}Known: {', '.join(known)}. "
            f"Write {{{{{name}}}}} where the braces themselves are meant"
            for name in found
        ]
    )


def variable_of(name: str) -> str:
    """The environment variable in which a parameter's value comes."""
    return "MERISTEM_PARAM_" + re.sub(r"[^A-Z0-9]", "_", name.upper())


def _clashes(names: Collection[str]) -> list[str]:
    problems = [
        f"the parameter {name!r} cannot be told from {{{name}}}, the trial's own; rename it"
        for name in names
        if name in ALWAYS_KNOWN
    ]
    by_variable: dict[str, list[str]] = {}
    for name in names:
        by_variable.setdefault(variable_of(name), []).append(name)
    return problems + [
        f"the parameters {', '.join(map(repr, same))} would all come in the environment variable {variable}; rename one"
        for variable, same in by_variable.items()
        if len(same) > 1
    ]


def _in_here_document(command: Command, known: Collection[str]) -> list[str]:
    opening = _HERE_DOCUMENT.search(command) if isinstance(command, str) else None
    if opening is None or not isinstance(command, str):
        return []
    after = [m["name"] for m in _pattern(known).finditer(command, opening.end()) if m["name"] in known]
    return [
        f"the placeholder {{{name}}} stands in or after a here-document (<<), where quotes mean something else; "
        f"write ${variable_of(name)} there, or put the text into a file of its own"
        for name in dict.fromkeys(after)
    ]


def _in_arithmetic(command: Command, known: Collection[str]) -> list[str]:
    if not isinstance(command, str):
        return []
    found = [m for m in _pattern(known).finditer(command) if m["name"] in known]
    inside = [m["name"] for m in found if command.count("$((", 0, m.start()) > command.count("))", 0, m.start())]
    return [
        f"the placeholder {{{name}}} stands in $((…)), where its value would be read as an expression; "
        f"put it into a variable before: v={{{name}}}; … $((v * 2))"
        for name in dict.fromkeys(inside)
    ]


def fill_arguments(command: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The arguments with the values in place, as they are: no shell will read them."""
    pattern = _pattern(values)

    def value_of(match: re.Match[str]) -> str:
        return _literal(match) or values.get(match["name"], match[0])

    return [pattern.sub(value_of, argument) for argument in command]


def fill_shell(command: str, values: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The shell command with references to variables in place of placeholders, and these variables.

    A value never becomes part of the text that the shell parses, so no value can be run as code,
    whatever quotes stand around its placeholder. (A value that the command itself hands to a second
    shell, as in `sh -c "… {name}"`, is that shell's to read.)
    """
    variables: dict[str, str] = {}
    context = _contexts(command)

    def reference_to(match: re.Match[str]) -> str:
        if (literal := _literal(match)) is not None:
            return literal
        if match["name"] not in values:
            return match[0]
        variable = f"MERISTEM_VALUE_{list(values).index(match['name']) + 1}"
        variables[variable] = values[match["name"]]
        return _REFERENCES[context[match.start()]].format(variable)

    return _pattern(values).sub(reference_to, command), variables


_PLAIN, _DOUBLE, _SINGLE = "plain", "double", "single"
_REFERENCES = {_PLAIN: '"${{{}}}"', _DOUBLE: "${{{}}}", _SINGLE: "'\"${{{}}}\"'"}


def _pattern(known: Collection[str]) -> re.Pattern[str]:
    # Longest first: of two names, one of which begins the other, the whole one is meant.
    names = [re.escape(name) for name in sorted(known, key=len, reverse=True)]
    name = "|".join([*names, _IDENTIFIER])
    return re.compile(rf"(?<!\$)(?:\{{\{{(?P<escaped>{name})\}}\}}|\{{(?P<name>{name})\}})")


def _literal(match: re.Match[str]) -> str | None:
    return None if match["escaped"] is None else f"{{{match['escaped']}}}"


def _contexts(command: str) -> list[str]:
    """For each character, which quotes it stands in; a `$(…)` within double quotes starts anew."""
    contexts: list[str] = []
    stack = [_PLAIN]
    position = 0
    while position < len(command):
        taken = _step(command, position, stack)
        contexts += [stack[-1]] * taken
        position += taken
    return contexts


def _step(command: str, position: int, stack: list[str]) -> int:
    """Moves `stack` past what stands at `position`; gives how many characters that was."""
    here, inside = command[position], stack[-1]
    if inside == _SINGLE:
        _pop_at(stack, here == "'")
    elif here == "\\":
        return min(2, len(command) - position)
    elif here == '"':
        if not _pop_at(stack, inside == _DOUBLE):
            stack.append(_DOUBLE)
    elif command.startswith("$(", position):
        stack.append(_PLAIN)
        return 2
    elif inside == _PLAIN:
        return _step_plain(command, position, stack)
    return 1


def _step_plain(command: str, position: int, stack: list[str]) -> int:
    here = command[position]
    if here == "'":
        stack.append(_SINGLE)
    elif here == "(":
        stack.append(_PLAIN)
    elif here == ")":
        _pop_at(stack, len(stack) > 1)
    elif here == "#" and (position == 0 or command[position - 1] in " \t\n;(|&"):
        end = command.find("\n", position)
        return (len(command) if end < 0 else end) - position  # an apostrophe in a comment quotes nothing
    return 1


def _pop_at(stack: list[str], condition: bool) -> bool:
    if condition:
        stack.pop()
    return condition
