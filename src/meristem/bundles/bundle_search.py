"""What is searched in a MONAI bundle, and the overrides with which a trial is run.

Items stand in a small file beside the bundle, or in the first level's `search` of its configuration, and name ids:
`{"id": "optimizer::lr", "type": "float", "targets": [1e-4, 1e-2], "scale": "log"}`. Clara's own items beside a
component (a mapping with `_target_`) are read, too; then the bundle must be run with the configuration that
`applied` gives, because MONAI would take `search` for an argument of the component.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meristem.bundles.dialect import MONAI
from meristem.bundles.drafts import Column, Draft, Drafts, SearchItem
from meristem.bundles.notation import HasArgument, Reader, cannot_tell
from meristem.bundles.places import FileName, Place, Problems, find_at
from meristem.bundles.ranges import read_range
from meristem.bundles.searched import NOTATION_FIX, SearchedConfig
from meristem.bundles.variables import Variables
from meristem.bundles.walking import Role, mappings
from meristem.errors import did_you_mean
from meristem.space import Parameters
from meristem.space.conditions import MISSING
from meristem.space.values import describe, shorten

_SEPARATOR = re.compile("::|#")
_LONGEST_CHAIN = 20  # references that refer to references; MONAI refuses circles when it runs


class BundleSearch(SearchedConfig):
    """A bundle's configuration and what is searched in it; made by `read_bundle_search`.

    Parameters are named by their ids (`optimizer::lr`), several with a comma between them.

    Attributes:
        needs_own_config: Notation stands beside components, so that a trial needs the configuration that `applied`
            gives; overrides alone do not do.
    """

    needs_own_config: bool = False

    @property
    def ids(self) -> list[str]:
        """All that a trial may set."""
        return ["::".join(map(str, place)) for item in self.items for sites in item.sites for place in sites]

    def overrides(self, parameters: Parameters) -> dict[str, Any]:
        """By id, the value that a trial sets with `--id value`.

        Raises:
            ParameterError: The parameters do not lie in the space.
        """
        return {"::".join(map(str, place)): value for place, value in self._puts(parameters)}

    def _shipped(self, item: SearchItem) -> Any:
        # As it is written first: a reference may be a choice itself.
        written = self._shipped_as(item, self._value_at)
        return self._shipped_as(item, self._value_referred_to) if written is MISSING else written

    def _value_referred_to(self, place: Place) -> Any:
        value = self._value_at(place)
        for _ in range(_LONGEST_CHAIN):
            if not isinstance(value, str) or not value.startswith("@") or value.startswith("@#"):
                return value
            found = find_at(self._stripped, place_of(self._stripped, value[1:]))
            if found is MISSING or isinstance(found, (Mapping, list)):
                return value
            value = found
        return value


def read_bundle_search(
    config: Mapping[str, Any],
    search: Mapping[str, Any] | None = None,
    *,
    has_argument: HasArgument = cannot_tell,
    source: str = "The bundle's configuration",
    search_source: str = "search file",
) -> BundleSearch:
    """Reads what is searched in a MONAI bundle; see docs/reference/search-notation.md.

    Args:
        config: The bundle's configuration, its files put together; it is not changed.
        search: What the file beside the bundle holds: `{"search": […]}`.
        has_argument: As for `read_search`.
        source: How errors name the configuration.
        search_source: How errors name the file beside the bundle.

    Raises:
        InputError: There are mistakes, or nothing is searched; lists all of them, each with its place.
    """
    problems = Problems()
    drafts = Drafts(problems)
    reader = Reader(
        config=config,
        dialect=MONAI,
        variables=Variables(),
        has_argument=has_argument,
        problems=problems,
        drafts=drafts,
    )
    reader.read()
    ids = _IdReader(config, has_argument, problems, drafts)
    ids.read(config.get("search"), ("search",))
    if search is not None:
        ids.read_file(search, (FileName(search_source),))
    items = drafts.finish(config)
    problems.raise_if_any(source, "search notation", NOTATION_FIX)
    found = BundleSearch(config, tuple(items), dialect=MONAI)
    found.needs_own_config = _has_notation_beside_components(config)
    return found


class _IdReader:
    """Reads items that name ids."""

    def __init__(
        self, config: Mapping[str, Any], has_argument: HasArgument, problems: Problems, drafts: Drafts
    ) -> None:
        self._config, self._has_argument = config, has_argument
        self._problems, self._drafts = problems, drafts

    def read_file(self, search: Any, place: Place) -> None:
        """Reads the file beside the bundle."""
        items = search.get("search", MISSING) if isinstance(search, Mapping) else MISSING
        if not isinstance(items, list):
            given = describe(search) if items is MISSING else describe(items)
            self._problems.say(place, f'must be {{"search": [items]}}, not {given}')
            return
        for index, item in enumerate(items):
            if not isinstance(item, Mapping) or not ("id" in item or "ids" in item):
                hint = " (args name arguments only beside their component)" if _has(item, "args") else ""
                problem = f'must be {{"id" or "ids", type, targets}}, not {shorten(item)}{hint}'
                self._problems.say((*place, "search", index), problem)
        self.read(items, (*place, "search"))

    def read(self, items: Any, place: Place) -> None:
        """Reads those of the items that name ids."""
        for index, item in enumerate(items if isinstance(items, list) else []):
            if isinstance(item, Mapping) and ("id" in item or "ids" in item):
                self._read_item(item, (*place, index))

    def _read_item(self, item: Mapping[str, Any], place: Place) -> None:
        if "id" in item and "ids" in item:
            self._problems.say(place, "has both id and ids; give one of them")
            return
        bare = "id" in item
        key = "id" if bare else "ids"
        where, ids = (*place, key), [item["id"]] if bare else item["ids"]
        if not isinstance(ids, list) or not ids or not all(isinstance(found, str) for found in ids):
            what = "text" if bare else "a list of ids"
            self._problems.say(where, f"must be {what}, not {describe(item[key])}")
            return
        columns = [self._column(found, where) for found in ids]
        found = read_range(item, ids, place, self._problems, bare=bare)
        if found is not None and bare and columns[0] is not None:
            self._say_bracketed(item["targets"], columns[0], (*place, "targets"))
        whole = [column for column in columns if column is not None]
        if len(whole) == len(columns):
            name = ",".join(column.name for column in whole)
            self._drafts.add(Draft(place=place, columns=whole, range=found, name=name))

    def _column(self, written: str, where: Place) -> Column | None:
        place = place_of(self._config, written.removeprefix("@"))
        if not place or "" in place or written.startswith("%"):
            self._problems.say(where, f"{written!r} is no id such as optimizer::lr (or optimizer#lr)")
            return None
        problem = self._missing(place)
        if problem:
            self._problems.say(where, problem)
            return None
        name = "::".join(map(str, place))
        return Column(name=name, alias=None, site=place, args_at=where, is_switch=place[-1] == MONAI.disabled)

    def _missing(self, place: Place) -> str | None:
        """Why the id leads nowhere, if it does not."""
        for length in range(len(place)):
            around, part = find_at(self._config, place[:length]), place[length]
            before = "::".join(map(str, place[:length]))
            if isinstance(around, list) and isinstance(part, int) and part < len(around):
                continue
            if isinstance(around, Mapping) and part in around:
                continue
            if isinstance(around, str) and around.startswith("@"):
                rest = "::".join(map(str, place[length:]))
                return f"{before} refers to {around}; name the id there: {around[1:].replace('#', '::')}::{rest}"
            if MONAI.is_component(around) and length == len(place) - 1:
                return self._no_argument(around, str(part), before)
            if isinstance(around, Mapping):
                hint = did_you_mean(str(part), [str(key) for key in around])
                return f"there is no {part} in {before or 'the configuration'}. {hint}"
            return f"{before} is {shorten(around)}, in which there is no {part}"
        return None

    def _no_argument(self, component: Mapping[str, Any], name: str, place: str) -> str | None:
        has = True if name == MONAI.disabled else self._has_argument(component, name)
        if has:
            return None
        hint = did_you_mean(name, list(MONAI.args_of(component)))
        if has is None:
            return f"there is no {name} in {place}. {hint}If it takes one, write its usual value there"
        return f"{place} takes no argument {name}. {hint}"

    def _say_bracketed(self, targets: list[Any], column: Column, place: Place) -> None:
        """Clara's notation lists rows, in which each value has brackets of its own; here that would be a list."""
        shipped = find_at(self._config, column.site or ())
        inner = [target[0] for target in targets if isinstance(target, list) and len(target) == 1]
        if len(inner) < len(targets):
            return
        deep = isinstance(shipped, list) and not any(isinstance(value, list) for value in shipped)
        rows = all(isinstance(value, list) for value in inner) if deep else not isinstance(shipped, list)
        if rows and shipped is not MISSING and not (isinstance(shipped, str) and shipped[:1] in ("@", "$", "%")):
            self._problems.say(place, f"with id, targets are the values themselves: {shorten(inner)}")


def place_of(config: Mapping[str, Any], written: str) -> Place:
    """The place that an id means; digits are positions where a list stands."""
    place: Place = ()
    for part in _SEPARATOR.split(written):
        in_list = isinstance(find_at(config, place), list) and part.isascii() and part.isdigit()
        place = (*place, int(part) if in_list else part)
    return place


def _has_notation_beside_components(config: Mapping[str, Any]) -> bool:
    return any(
        MONAI.is_notation(key, value)
        for _, node, role in mappings(config, MONAI)
        if role is Role.COMPONENT
        for key, value in node.items()
    )


def _has(item: Any, key: str) -> bool:
    return isinstance(item, Mapping) and key in item
