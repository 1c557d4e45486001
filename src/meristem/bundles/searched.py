"""A training configuration with what is searched in it: its space, and the configuration of each trial.

Executors read it once for a study, and ask it for each trial's configuration. It reads no files and starts nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from meristem.bundles.dialect import MMAR, Dialect
from meristem.bundles.drafts import Drafts, SearchItem
from meristem.bundles.key_metric import find_key_metric
from meristem.bundles.notation import HasArgument, Reader, cannot_tell
from meristem.bundles.places import Place, Problems, find_at, put_at
from meristem.bundles.variables import Variables
from meristem.bundles.walking import without_notation
from meristem.errors import ParameterError, did_you_mean
from meristem.space import Parameters, Space
from meristem.space.conditions import MISSING
from meristem.space.values import identity

NOTATION_FIX = "Nothing was started. The notation is described in docs/reference/search-notation.md."


class SearchedConfig:
    """A configuration and its search items, free of mistakes; made by `read_search`. It never changes.

    Attributes:
        items: What is searched, in the order in which it stands there.
        space: An ordinary space with one parameter an item. A float or int is a number; an enum is one of the listed
            values, or a list of them where an item moves several arguments. Parameters start where the
            configuration does, if that lies in their range.
        key_metric: The name of the metric that is the score; None: the configuration marks none.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        items: tuple[SearchItem, ...],
        *,
        dialect: Dialect = MMAR,
        variables: Variables | None = None,
        key_metric: str | None = None,
    ) -> None:
        self.items = items
        self.key_metric = key_metric
        self._by_name = {item.name: item for item in items}
        self._stripped = without_notation(config, dialect)
        self._dialect, self._variables = dialect, variables or Variables()
        shipped = {item.name: self._shipped(item) for item in items}
        self._shipped_values = {name: value for name, value in shipped.items() if value is not MISSING}
        self.space = Space({item.name: item.range.parameter(shipped[item.name]) for item in items})

    @property
    def shipped(self) -> dict[str, Any]:
        """The parameters, as far as they lie in the space, that equal the configuration as it stands."""
        return copy.deepcopy(self._shipped_values)

    @property
    def defaults(self) -> dict[str, Any] | None:
        """The point that is the configuration as it stands, for a baseline; None: it does not lie in the space."""
        return copy.deepcopy(self._shipped_values) if len(self._shipped_values) == len(self.items) else None

    def values_of(self, parameters: Parameters) -> dict[str, list[Any]]:
        """By parameter, the concrete values: one for each argument of its item.

        Raises:
            ParameterError: The parameters do not lie in the space.
        """
        found = self._checked(parameters)
        return {item.name: item.range.row(found[item.name]) for item in self.items}

    def indices_of(self, parameters: Parameters) -> dict[str, Any]:
        """By parameter, the position of the choice of an enum, and the number of a float or int.

        Raises:
            ParameterError: The parameters do not lie in the space.
        """
        found = self._checked(parameters)
        return {item.name: item.range.index_of(found[item.name]) for item in self.items}

    def parameters_of(self, indices: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters that `indices_of` gives these indices.

        Raises:
            ParameterError: They name no point of the space; lists every mistake.
        """
        problems = [
            f"{name!r} is not a parameter. {did_you_mean(str(name), list(self._by_name))}".rstrip()
            for name in indices
            if name not in self._by_name
        ]
        problems += [f"{name}: is missing" for name in self._by_name if name not in indices]
        found: dict[str, Any] = {}
        for name, index in indices.items():
            if name in self._by_name and (value := self._by_name[name].range.at(index)) is MISSING:
                problems.append(f"{name}: there is no choice {index!r}")
            elif name in self._by_name:
                found[name] = value
        if problems:
            raise ParameterError("The indices do not name a point of the space", problems)
        return self._checked(found)

    def applied(self, parameters: Parameters) -> dict[str, Any]:
        """The configuration of a trial: values put in, also where an alias is applied, and no search notation left.

        Variables (`"{NAME}"`) stay as they stand, for the training to resolve. What is returned shares nothing with
        anything here.

        Raises:
            ParameterError: The parameters do not lie in the space.
        """
        config = copy.deepcopy(self._stripped)
        for place, value in self._puts(parameters):
            put_at(config, place, copy.deepcopy(value))
        return config

    def _checked(self, parameters: Parameters) -> dict[str, Any]:
        self.space.check(parameters)
        return self.space.normalize(parameters)

    def _puts(self, parameters: Parameters) -> list[tuple[Place, Any]]:
        values = self.values_of(parameters)
        return [
            (place, value)
            for item in self.items
            for value, sites in zip(values[item.name], item.sites, strict=True)
            for place in sites
        ]

    def _shipped(self, item: SearchItem) -> Any:
        """The value of the item's parameter that changes nothing; MISSING: there is none."""
        return self._shipped_as(item, self._value_at)

    def _shipped_as(self, item: SearchItem, value_at: Callable[[Place], Any]) -> Any:
        row = []
        for sites in item.sites:
            found = [value_at(place) for place in sites]
            if not found or any(value is MISSING or identity(value) != identity(found[0]) for value in found):
                return MISSING
            row.append(found[0])
        return item.range.value_of(row)

    def _value_at(self, place: Place) -> Any:
        value = find_at(self._stripped, place)
        if value is MISSING:
            is_switch = place[-1] == self._dialect.disabled and place[-2:-1] != (self._dialect.args_key,)
            return False if is_switch and len(place) > 1 else MISSING
        return self._variables.resolve(value)


def read_search(
    config: Mapping[str, Any],
    *,
    variables: Variables | None = None,
    has_argument: HasArgument = cannot_tell,
    source: str = "The training configuration",
) -> SearchedConfig:
    """Reads the search notation of an MMAR's training configuration; see docs/reference/search-notation.md.

    Args:
        config: As it stands in config_train.json; it is not changed.
        variables: What `"{NAME}"` stands for in the notation and in shipped values; default: those of the
            configuration alone.
        has_argument: Called with a component and a name that does not stand among its `args`: whether it takes such
            an argument, None where that cannot be told. Without it, every searched argument must stand in `args`.
        source: How errors name the configuration.

    Raises:
        InputError: It has mistakes, or searches nothing; lists all of them, each with its place.
    """
    variables = Variables.of(config) if variables is None else variables
    problems = Problems()
    drafts = Drafts(problems)
    Reader(
        config=config, dialect=MMAR, variables=variables, has_argument=has_argument, problems=problems, drafts=drafts
    ).read()
    items = drafts.finish(config)
    key_metric = find_key_metric(config, variables, problems)
    problems.raise_if_any(source, "search notation", NOTATION_FIX)
    return SearchedConfig(config, tuple(items), variables=variables, key_metric=key_metric)
