"""Between Meristem's spaces and Clara's search spaces: names and PRLs, values and positions of choices.

Clara has two kinds of range, `.enum` and `.float`. A whole number is shown as `.float`, and what comes back is
rounded; steps are kept, scales and conditions are not shown. Fixed parameters are left out.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from meristem.clara.definitions import FloatRange, SearchSpace
from meristem.clara.scores import is_number
from meristem.errors import InputError, ParameterError, did_you_mean
from meristem.space import Choice, Fixed, Float, Int, Parameter, Parameters, Space
from meristem.space.values import identity, plain, shorten

_PRL = re.compile(r"(?P<domain>[^.]+)\.(?P<dtype>[^.:$]+)(?P<extra>\..*)?", re.DOTALL)
_ARGS = re.compile(r".*\$\d+:(?P<args>[^$]+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One parameter in both languages.

    Attributes:
        values: Of the parameter, one a choice, in the order of the choices; empty for numbers.
        rows: What each choice gives to the arguments.
        width: How many arguments there are.
    """

    prl: str
    name: str
    parameter: Parameter
    values: tuple[Any, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    width: int = 1

    @property
    def is_enum(self) -> bool:
        return isinstance(self.parameter, Choice)

    def index_of(self, value: Any) -> Any:
        return self._place(value) if self.is_enum else value

    def row_of(self, value: Any) -> list[Any]:
        return list(copy.deepcopy(self.rows[self._place(value)])) if self.is_enum else [value] * self.width

    def value_at(self, given: Any) -> Any:
        """The parameter's value for a position or number; raises ValueError for anything else."""
        given = plain(given)
        if not self.is_enum:
            return _snapped(self.parameter, given)
        if isinstance(given, float) and given.is_integer():
            given = int(given)
        if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < len(self.values):
            raise ValueError(f"must be the position of a choice, 0 to {len(self.values) - 1}, not {shorten(given)}")
        return self.values[given]

    def _place(self, value: Any) -> int:
        return [identity(choice) for choice in self.values].index(identity(value))


class Translation:
    """Translates points of a space.

    Attributes:
        space: Meristem's.
        search_space: Clara's: the very object that an executor gave, where one did.
    """

    def __init__(self, entries: Sequence[_Entry], space: Space, search_space: Any) -> None:
        self.space, self.search_space = space, search_space
        self._by_name = {entry.name: entry for entry in entries}
        self._by_prl = {entry.prl: entry for entry in entries}

    @classmethod
    def of_space(cls, space: Space) -> Self:
        """A search space for `space`: parameters that are named by PRLs keep their names, others get one.

        `lr` becomes `space.float.$0:lr`, the first parameter of the space.
        """
        entries = [
            _entry_of(name, parameter, place)
            for place, (name, parameter) in enumerate(space.parameters.items())
            if not isinstance(parameter, Fixed)
        ]
        return cls(entries, space, SearchSpace({entry.prl: _targets_of(entry) for entry in entries}, space=space))

    @classmethod
    def of_targets(cls, search_space: Any) -> Self:
        """A space for a search space that somebody made: its parameters are named by its PRLs.

        Raises:
            InputError: It has no targets, or some that are no ranges; lists all of them.
        """
        targets = getattr(search_space, "targets", None)
        if not isinstance(targets, Mapping) or not targets:
            raise InputError(
                f"{type(search_space).__name__} is no search space that anything could be chosen from.",
                fix="Its targets map each PRL to a range: {'lr.float': [range with min and max]}.",
            )
        entries, problems = [], []
        for prl, given in targets.items():
            try:
                entries.append(_read_target(prl, given))
            except ValueError as error:
                problems.append(f"{shorten(prl)}: {error}")
        if problems:
            raise InputError("The search space cannot be used", problems)
        space = Space({entry.name: entry.parameter for entry in entries})
        if isinstance(search_space, SearchSpace) and search_space.__dict__.get("space") is None:
            search_space.space = space
        return cls(entries, space, search_space)

    @property
    def names(self) -> list[str]:
        """The parameters that it knows."""
        return list(self._by_name)

    def knows(self, values: Mapping[str, Any]) -> bool:
        """Whether these values stand under PRLs of this search space."""
        return bool(values) and all(prl in self._by_prl for prl in values)

    def indices_of(self, parameters: Parameters) -> dict[str, Any]:
        """By PRL, positions of choices and numbers, as in a `SearchResult`."""
        return {self._by_name[n].prl: self._by_name[n].index_of(v) for n, v in self._known(parameters)}

    def concrete(self, parameters: Parameters) -> dict[str, list[Any]]:
        """By PRL, the values themselves, one for each argument."""
        return {self._by_name[n].prl: self._by_name[n].row_of(v) for n, v in self._known(parameters)}

    def parameters_of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters for the values of a `SearchResult`.

        What stands under a parameter's own name, where that is no PRL, is its value.

        Raises:
            ParameterError: Other names, or positions that there are not; lists all of them.
        """
        found: dict[str, Any] = {}
        problems = []
        for key, given in values.items():
            if key in self._by_prl:
                entry = self._by_prl[key]
                try:
                    found[entry.name] = entry.value_at(given)
                except ValueError as error:
                    problems.append(f"{key}: {error}")
            elif key in self.space.parameters:
                found[key] = given
            else:
                problems.append(f"{key!r} is not in the search space. {did_you_mean(str(key), list(self._by_prl))}")
        if problems:
            raise ParameterError("The values do not lie in the search space", problems)
        return found

    def _known(self, parameters: Parameters) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in parameters.items() if name in self._by_name]


def _entry_of(name: str, parameter: Parameter, place: int) -> _Entry:
    dtype = "enum" if isinstance(parameter, Choice) else "float"
    prl, args = _own_prl(name, dtype, whole=isinstance(parameter, Int)), _args_of(name)
    if prl is None:
        prl, args = f"space.{dtype}.${place}:{re.sub(r'[.:,$]', '_', name)}", 1
    if not isinstance(parameter, Choice):
        return _Entry(prl=prl, name=name, parameter=parameter, width=args)
    values = tuple(parameter.choices)
    rows = tuple(tuple(v) if args > 1 and isinstance(v, list) and len(v) == args else (v,) for v in values)
    return _Entry(prl=prl, name=name, parameter=parameter, values=values, rows=rows, width=args)


def _own_prl(name: str, dtype: str, *, whole: bool) -> str | None:
    """The name as a PRL of this type; None where it is none."""
    match = _PRL.fullmatch(name)
    if match is None or match["dtype"] not in (dtype, "int" if whole else dtype):
        return None
    return f"{match['domain']}.{dtype}{match['extra'] or ''}"


def _args_of(prl: str) -> int:
    match = _ARGS.fullmatch(prl)
    return 1 if match is None else len(match["args"].split(","))


def _targets_of(entry: _Entry) -> list[Any]:
    if isinstance(entry.parameter, (Float, Int)):
        return [FloatRange(entry.parameter.low, entry.parameter.high)]
    return [list(copy.deepcopy(row)) for row in entry.rows]


def _read_target(prl: Any, given: Any) -> _Entry:
    """Raises ValueError where it is no range."""
    match = _PRL.fullmatch(prl) if isinstance(prl, str) else None
    if match is None:
        raise ValueError("a PRL is domain.type, such as lr.float, and perhaps more after that")
    if not isinstance(given, (list, tuple)) or not given:
        raise ValueError(f"a range is a list with something in it, not {shorten(given)}")
    if match["dtype"] == "float":
        low, high = getattr(given[0], "min", None), getattr(given[0], "max", None)
        if not is_number(low) or not is_number(high):
            raise ValueError(f"a float's list has an element with min and max, not {shorten(given[0])}")
        return _Entry(prl=prl, name=prl, parameter=Float(low, high), width=_args_of(prl))  # type: ignore[arg-type]
    if match["dtype"] != "enum":
        raise ValueError(f"the type must be float or enum, not {match['dtype']}")
    rows = tuple(tuple(row) if isinstance(row, (list, tuple)) else (row,) for row in given)
    values = tuple(plain(row[0]) if len(row) == 1 else plain(list(row)) for row in rows)
    return _Entry(prl=prl, name=prl, parameter=Choice(values), values=values, rows=rows, width=_args_of(prl))


def _snapped(parameter: Parameter, given: Any) -> Any:
    """A number as the parameter has it: rounded where it has whole numbers or steps."""
    if not isinstance(parameter, (Float, Int)) or not is_number(given):
        return given
    step = parameter.step if parameter.step is not None else (1 if isinstance(parameter, Int) else None)
    if step is None or not parameter.low <= given <= parameter.high:
        return given
    steps = min(round((given - parameter.low) / step), int((parameter.high - parameter.low) / step + 1e-9))
    return parameter.low + steps * step
