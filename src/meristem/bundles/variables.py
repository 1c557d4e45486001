"""Variables of a training configuration: what `"{NAME}"` stands for in its strings.

Three places name them; what comes later counts more: the configuration's own first level, environment.json, and
what is set by `--set NAME=VALUE`. What nobody names is left as it stands, as trainings do: braces also occur in
code (`lambda x: {…}`) and in formats.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from meristem.bundles.places import Place, shown
from meristem.errors import InputError

CONFIG, ENVIRONMENT, SET = "the configuration", "environment.json", "--set"
_REFERENCE = re.compile(r"\{([^\W\d]\w*)\}")
_LONGEST = 1_000_000  # characters: variables of variables of variables may double at each step


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """The variables that strings may refer to; made by `of`.

    Attributes:
        values: By name, with their own references resolved.
        sources: By name, who gives the value: CONFIG, ENVIRONMENT or SET.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        config: Mapping[str, Any],
        environment: Mapping[str, Any] | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> Self:
        """The variables of a configuration.

        Args:
            config: The training configuration; its first-level values count, but not its sections.
            environment: What environment.json holds.
            given: What is set by hand.

        Raises:
            InputError: Variables stand for each other in a circle, or grow beyond measure.
        """
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for source, named in ((CONFIG, config), (ENVIRONMENT, environment or {}), (SET, given or {})):
            for name, value in named.items():
                if not name.startswith("_") and _is_value(value):
                    values[name], sources[name] = value, source
        return cls(values=_resolved(values, sources), sources=sources)

    def resolve(self, value: Any) -> Any:
        """A copy of `value` with the references in its strings resolved; nothing under a key with `_` before it is.

        A string that is nothing but a reference becomes the variable's value, of whatever type; within other text,
        text stands as it is, and numbers, true and false as in JSON.
        """
        if isinstance(value, str):
            return _put_in(value, self.values)
        if isinstance(value, Mapping):
            return {key: item if str(key).startswith("_") else self.resolve(item) for key, item in value.items()}
        return [self.resolve(item) for item in value] if isinstance(value, list) else value

    def overrides(self, name: str) -> str | None:
        """What gives `name` a value that counts more than the configuration's: ENVIRONMENT or SET; else None."""
        source = self.sources.get(name)
        return None if source == CONFIG else source

    def unknown(self, value: Any) -> dict[str, list[str]]:
        """Names in capitals that strings in `value` consist of and nobody gives, with the places where they stand.

        Nearly always these are meant as variables (`"{DATA_ROOT}"`), and the training will not find them.
        """
        found: dict[str, list[str]] = {}
        for place, text in _strings(value, ()):
            match = _REFERENCE.fullmatch(text)
            if match and match[1] == match[1].upper() and match[1] not in self.values:
                found.setdefault(match[1], []).append(shown(place))
        return found


def read_set(texts: Iterable[str]) -> dict[str, Any]:
    """The variables that `--set NAME=VALUE` gives, typed by `typed`; of equal names the last counts.

    Raises:
        InputError: A text is not of the form NAME=VALUE.
    """
    return {name: typed(value) for name, value in split_set(texts).items()}


def split_set(texts: Iterable[str]) -> dict[str, str]:
    """As `read_set`, with values as they are written: a run named `1e3` is not the number 1000.

    Raises:
        InputError: A text is not of the form NAME=VALUE.
    """
    found: dict[str, str] = {}
    problems = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            problems.append(f"{text!r} has no {'name before' if equals else 'value after'} '='")
        found[name.strip()] = value
    if problems:
        raise InputError("--set takes NAME=VALUE", problems)
    return found


def typed(text: str) -> Any:
    """The JSON value that `text` is (`3`, `1e-3`, `true`, `[1, 2]`), or else the text itself."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _is_value(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_value, value))
    return not isinstance(value, Mapping)


def _put_in(text: str, values: Mapping[str, Any]) -> Any:
    if "{" not in text:
        return text
    whole = _REFERENCE.fullmatch(text)
    if whole and whole[1] in values:
        return values[whole[1]]
    return _REFERENCE.sub(lambda match: _as_text(values.get(match[1]), match[0]), text)


def _as_text(value: Any, otherwise: str) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, (bool, int, float)) else otherwise


def _strings(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not str(key).startswith("_"):
                yield from _strings(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, (*place, index))


def _resolved(values: Mapping[str, Any], sources: Mapping[str, str]) -> dict[str, Any]:
    """Each value with the variables in it resolved, innermost first."""
    done: dict[str, Any] = {}
    problems: dict[frozenset[str], str] = {}
    needs = {name: [n for n in _names_in(value) if n in values] for name, value in values.items()}
    for name in values:
        _resolve_from(name, values, needs, done, problems)
    for name, value in done.items():
        if isinstance(value, str) and len(value) > _LONGEST and sources.get(name):
            problems[frozenset((name,))] = f"{name} ({sources[name]}) becomes a text of over {_LONGEST:,} characters"
    if problems:
        raise InputError("The variables of the configuration cannot be resolved", list(problems.values()))
    return done


def _resolve_from(
    start: str,
    values: Mapping[str, Any],
    needs: Mapping[str, list[str]],
    done: dict[str, Any],
    problems: dict[frozenset[str], str],
) -> None:
    """Resolves `start` and all that it needs; a stack instead of recursion, as chains may be long."""
    way, on_way = [start], {start}
    while way:
        name = way[-1]
        missing = next((need for need in needs[name] if need not in done), None)
        if name in done or missing is None:
            if name not in done:
                done[name] = _resolve_one(values[name], done)
            on_way.discard(way.pop())
        elif missing in on_way:
            circle = way[way.index(missing) :]
            told = " -> ".join(f"{{{n}}}" for n in (*circle, missing))
            problems.setdefault(frozenset(circle), f"these stand for each other in a circle: {told}")
            done[missing] = values[missing]  # so that what needs it does not complain, too
        else:
            way.append(missing)
            on_way.add(missing)


def _resolve_one(value: Any, done: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_resolve_one(item, done) for item in value]
    if not isinstance(value, str):
        return value
    lengths = [len(done[n]) for n in _REFERENCE.findall(value) if isinstance(done.get(n), str)]
    # Cut where it grows beyond measure, which is then told; building it could fill the memory.
    return value + "." * _LONGEST if sum(lengths) > _LONGEST else _put_in(value, done)


def _names_in(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in _names_in(item)]
    return _REFERENCE.findall(value) if isinstance(value, str) else []
