"""What an item of the search notation may become: an interval of numbers, or listed choices of several values at once.

A row is what one trial gets: one concrete value for each argument of the item.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from meristem.bundles.places import Place, Problems
from meristem.errors import did_you_mean
from meristem.space import Choice, Float, Int, Parameter
from meristem.space.conditions import MISSING
from meristem.space.values import describe, identity, integer_problem, json_problem, number_problem, shorten

DTYPES = ("float", "enum", "int")
_SCALES = ("linear", "log")
_KEYS = ("domain", "type", "args", "id", "ids", "scale")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """One number from `low` to `high`, which all `width` arguments get."""

    low: float
    high: float
    log: bool = False
    whole: bool = False
    width: int = 1

    @property
    def dtype(self) -> str:
        return "int" if self.whole else "float"

    def parameter(self, default: Any = MISSING) -> Parameter:
        """The parameter of a space, which starts at `default` where that is given."""
        start = None if default is MISSING else default
        if self.whole:
            return Int(int(self.low), int(self.high), log=self.log, default=start)
        return Float(self.low, self.high, log=self.log, default=start)

    def row(self, value: Any) -> list[Any]:
        return [value] * self.width

    def column(self, position: int) -> tuple[Any, ...]:
        """Values that the argument at `position` may get; of an interval its ends."""
        return (self.low, self.high)

    def value_of(self, row: Sequence[Any]) -> Any:
        """The value of the parameter that gives this row; MISSING where none does."""
        first = row[0]
        if any(identity(value) != identity(first) for value in row) or self.parameter().refuses(first):
            return MISSING
        return int(first) if self.whole else float(first)

    def index_of(self, value: Any) -> Any:
        return value

    def at(self, index: Any) -> Any:
        return index


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """One of several rows."""

    rows: tuple[tuple[Any, ...], ...]

    @property
    def dtype(self) -> str:
        return "enum"

    def parameter(self, default: Any = MISSING) -> Parameter:
        """The parameter of a space: its values are rows, or bare values where rows have just one.

        Numbers that rise or fall from choice to choice are ordered: models may then tell near from far.
        """
        start = None if default is MISSING else default  # a null that is shipped cannot be said so
        return Choice(self._values(), ordered=self._ordered(), default=start)

    def row(self, value: Any) -> list[Any]:
        return list(copy.deepcopy(self.rows[self.index_of(value)]))

    def column(self, position: int) -> tuple[Any, ...]:
        return tuple(row[position] for row in self.rows)

    def value_of(self, row: Sequence[Any]) -> Any:
        wanted = identity(list(row))
        places = [place for place, found in enumerate(self.rows) if identity(list(found)) == wanted]
        return self._values()[places[0]] if places else MISSING

    def index_of(self, value: Any) -> int:
        """The position of the choice; `value` is one of them."""
        return [identity(choice) for choice in self._values()].index(identity(value))

    def at(self, index: Any) -> Any:
        """The choice at a position; MISSING where there is none."""
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(self.rows):
            return MISSING
        return self._values()[index]

    def _values(self) -> list[Any]:
        return [row[0] if len(row) == 1 else list(row) for row in self.rows]

    def _ordered(self) -> bool:
        values = self._values()
        if len(values) < 3 or any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in values):
            return False
        steps = [after - before for before, after in pairwise(values)]
        return all(step > 0 for step in steps) or all(step < 0 for step in steps)


Range: TypeAlias = Interval | Choices


def read_range(
    item: Mapping[str, Any],
    names: Sequence[str] | None,
    place: Place,
    problems: Problems,
    *,
    targets_at: Place | None = None,
    bare: bool = False,
) -> Range | None:
    """The range of an item, from its `type`, `targets` and `scale`; None where they have mistakes, which are told.

    Args:
        names: What is searched, one name a value of a row; None: unknown, because that is mistaken itself.
        place: Of the item.
        targets_at: Where the targets stand, if not under that name in the item.
        bare: Choices are given as values, not as rows of one value.
    """
    before = len(problems.found)
    kind, targets = item.get("type", MISSING), item.get("targets", MISSING)
    log = _read_scale(item, place, problems)
    if kind is MISSING:
        problems.say(place, f"type is missing: one of {', '.join(DTYPES)}")
    elif kind == "dynamic":
        problems.say((*place, "type"), f"dynamic is not supported; choose one of {', '.join(DTYPES)}")
    elif kind not in DTYPES:
        hint = did_you_mean(str(kind), DTYPES)
        problems.say((*place, "type"), f"there is no type {shorten(kind)}. {hint}Known: {', '.join(DTYPES)}")
    if targets is MISSING:
        others = [key for key in item if key not in _KEYS]
        near = "".join(f" ({key!r} is not read)" for key in others if did_you_mean(str(key), ["targets"]))
        problems.say(place, f"targets is missing{near}")
    if len(problems.found) > before or kind not in DTYPES:
        return None
    where = targets_at or (*place, "targets")
    if kind == "enum":
        return _read_choices(targets, names, where, problems, bare=bare)
    return _read_interval(targets, names, where, problems, log=log, whole=kind == "int")


def _read_scale(item: Mapping[str, Any], place: Place, problems: Problems) -> bool:
    scale = item.get("scale", "linear")
    if scale not in _SCALES:
        problems.say((*place, "scale"), f"must be linear or log, not {shorten(scale)}")
    elif "scale" in item and item.get("type") == "enum":
        problems.say((*place, "scale"), "is for float and int; an enum has choices")
    return bool(scale == "log")


def _read_interval(
    targets: Any, names: Sequence[str] | None, place: Place, problems: Problems, *, log: bool, whole: bool
) -> Interval | None:
    if not isinstance(targets, list) or len(targets) != 2:
        kind = "an int" if whole else "a float"
        problems.say(place, f"must be [min, max] for {kind}, not {shorten(targets)}")
        return None
    problem_of = _whole_problem if whole else _number_problem
    wrong = [(end, problem) for end, value in enumerate(targets) if (problem := problem_of(value))]
    for end, problem in wrong:
        problems.say((*place, end), problem)
    if wrong:
        return None
    low, high = targets
    if low > high:
        problems.say(place, f"min ({low}) is above max ({high}); swap them")
    elif low == high:
        problems.say(place, f"min and max are both {low}, which leaves nothing to search; write the value into args")
    elif log and low <= 0:
        problems.say(place, f"scale log needs min above 0, not {low}")
    else:
        found = Interval(low=low, high=high, log=log, whole=whole, width=len(names or ("",)))
        if not (contradictions := found.parameter().problems()):
            return found
        for problem in contradictions:
            problems.say(place, problem)
    return None


def _number_problem(value: Any) -> str | None:
    if isinstance(value, str):
        return f"must be a number, not the text {shorten(value)}"
    return number_problem(value)


def _whole_problem(value: Any) -> str | None:
    if isinstance(value, str):
        return f"must be an integer, not the text {shorten(value)}"
    return integer_problem(value)


def _read_choices(
    targets: Any, names: Sequence[str] | None, place: Place, problems: Problems, *, bare: bool
) -> Choices | None:
    before = len(problems.found)
    if not isinstance(targets, list):
        problems.say(place, f"must be a list of choices for an enum, not {shorten(targets)}")
        return None
    if not targets:
        problems.say(place, "is empty; give at least one choice")
    rows = [[target] for target in targets] if bare else targets
    for index, row in enumerate(rows):
        if problem := _row_problem(row, names) or json_problem(row[0] if bare else row):
            problems.say((*place, index), problem)
    if len(problems.found) > before:
        return None
    _say_repeated(rows, place, problems)
    return Choices(rows=tuple(map(tuple, rows))) if len(problems.found) == before else None


def _row_problem(row: Any, names: Sequence[str] | None) -> str | None:
    if not isinstance(row, list):
        if names is not None and len(names) > 1:
            return f"must be a list with {len(names)} values ({_listed(names)}), not {describe(row)}"
        return f"must be a list with the value of {_listed(names)}, not {describe(row)}: write [{_json(row)}]"
    if names is None or len(row) == len(names):
        return None if row else "is empty"
    hint = f" (a list that is one value needs brackets of its own: [{_json(row)}])" if len(names) == 1 and row else ""
    return f"has {len(row)} value{'' if len(row) == 1 else 's'}, but needs {len(names)} ({_listed(names)}){hint}"


def _say_repeated(rows: Sequence[Any], place: Place, problems: Problems) -> None:
    seen: dict[Any, int] = {}
    for index, row in enumerate(rows):
        first = seen.setdefault(identity(row), index)
        if first != index:
            problems.say((*place, index), f"is the same choice as targets[{first}]")


def _listed(names: Sequence[str] | None) -> str:
    return ", ".join(names) if names else "args"


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."
