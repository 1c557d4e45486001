"""Search items while they are read: who gets which value, and what contradicts itself between items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from meristem.bundles.places import Place, Problems, shown
from meristem.bundles.prl import Prl
from meristem.bundles.ranges import Range
from meristem.errors import did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchItem:
    """One thing that is searched.

    Attributes:
        name: Of the space's parameter: the PRL as text; in MONAI bundles the ids.
        prl: None in MONAI bundles.
        args: Names of what is searched, one a value of a row.
        sites: Where each of these values goes in the configuration: none or several places.
        place: Where the item stands.
    """

    name: str
    prl: Prl | None
    args: tuple[str, ...]
    range: Range
    sites: tuple[tuple[Place, ...], ...]
    place: Place


@dataclass(slots=True, kw_only=True, eq=False)
class Column:
    """One argument of an item.

    Attributes:
        site: Where its value goes; None: nowhere but where its alias is applied.
        args_at: Where it is named.
        is_switch: It switches its component off, and takes true or false.
    """

    name: str
    alias: str | None
    site: Place | None
    args_at: Place
    is_switch: bool = False
    applied: bool = False
    sites: list[Place] = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class Draft:
    """An item as far as it could be read; `name` is given where there is no PRL."""

    place: Place
    columns: list[Column]
    range: Range | None
    prl: Prl | None = None
    name: str | None = None


class Drafts:
    """All items of a configuration, their aliases, and the places that get a searched value."""

    def __init__(self, problems: Problems) -> None:
        self.aliases: dict[str, Column] = {}
        self._drafts: list[Draft] = []
        self._claims: dict[Place, Place] = {}
        self._switched: list[tuple[Column, Place]] = []
        self._problems = problems

    def add(self, draft: Draft) -> None:
        """Takes an item in; says where it searches what another item does."""
        self._drafts.append(draft)
        for column in draft.columns:
            other = None if column.site is None else self._claims.get(column.site)
            if other is not None:
                self._problems.say(column.args_at, f"{column.name} is searched by {shown(other)}, too")
                continue
            self.register(column)
            if column.site is None:
                continue
            self._claims[column.site] = draft.place
            column.sites.append(column.site)
            if column.is_switch:
                self._switched.append((column, (*draft.place, "targets")))

    def register(self, column: Column) -> None:
        """Makes the alias of a column known."""
        if column.alias is None:
            return
        first = self.aliases.setdefault(column.alias, column)
        if first is not column:
            self._problems.say(column.args_at, f"the alias {column.alias!r} is defined by {shown(first.args_at)}, too")

    def apply(self, column: Column, site: Place, place: Place, *, is_switch: bool) -> None:
        """Sends the value of `column` to another place, too; says where that has a searched value already."""
        if (other := self._claims.get(site)) is not None:
            self._problems.say(place, f"gets its value from {shown(other)} already; an argument has one value")
            return
        self._claims[site] = place
        column.sites.append(site)
        if is_switch:
            self._switched.append((column, place))

    def finish(self, config: Mapping[str, Any]) -> list[SearchItem]:
        """The items, of which none is left half-read unless a problem was told."""
        self._say_unused(list(map(str, config)))
        self._say_no_switches()
        self._say_nested()
        items = [item for draft in self._drafts if (item := _item(draft)) is not None]
        seen: dict[str, SearchItem] = {}
        for item in items:
            first = seen.setdefault(item.name, item)
            if first is not item:
                what = "PRL" if item.prl else "name"
                self._problems.say(item.place, f"has the same {what} as {shown(first.place)}: {item.name}")
        if not items and not self._problems.found:
            self._problems.say((), "nothing is searched: no search item stands in it")
        return items

    def _say_unused(self, first_level: list[str]) -> None:
        for draft in self._drafts:
            for column in draft.columns:
                if column.site is None and not column.applied:
                    hint = did_you_mean(column.name, first_level)
                    what = f"{column.name} is no parameter of the first level, and no apply uses it as an alias"
                    self._problems.say(column.args_at, f"{what}. {hint}" if hint else what)

    def _say_no_switches(self) -> None:
        for column, place in self._switched:
            draft = next((d for d in self._drafts if column in d.columns), None)
            if draft is None or draft.range is None:
                continue
            values = draft.range.column(draft.columns.index(column))
            if draft.range.dtype != "enum" or not all(isinstance(value, bool) for value in values):
                said = f"; {shown(draft.place)} gives other values" if place[-1] != "targets" else ""
                self._problems.say(place, f"{column.name if not said else '@disabled'} takes true or false{said}")

    def _say_nested(self) -> None:
        for site, place in self._claims.items():
            for length in range(1, len(site)):
                if (outer := self._claims.get(site[:length])) is not None:
                    told = f"{shown(site)} lies within {shown(site[:length])}, which is searched by {shown(outer)}"
                    self._problems.say(place, told)


def _item(draft: Draft) -> SearchItem | None:
    name = draft.name if draft.prl is None else str(draft.prl)
    if draft.range is None or not draft.columns or name is None:
        return None
    return SearchItem(
        name=name,
        prl=draft.prl,
        args=tuple(column.name for column in draft.columns),
        range=draft.range,
        sites=tuple(tuple(column.sites) for column in draft.columns),
        place=draft.place,
    )
