"""Parameters of one task: objects of the code are connected to it, and follow the store where the task is run again.

By hand, the values of the code are told to the store. On a worker it is the other way round: the values of the store
take the place of the code's, in the objects themselves. That inversion is what makes clone, edit, run again work.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from threading import RLock
from typing import Any

from meristem.errors import InputError
from meristem.tasks.parameters.json_values import JSON, shown
from meristem.tasks.parameters.sections import Caster, Replaced, flatten, replace

GENERAL, ARGS = "General", "Args"

_log = logging.getLogger("meristem.tasks")


class Parameters:
    """The parameters of one task.

    Args:
        values: Those of the store, by "Section/name"; empty for a task that starts by hand.
        remote: The values of the store go before those of the code.
        tell: Takes what the store does not know yet.

    Attributes:
        left: The command line was last left without an answer: at --help, or a slip in it.
    """

    def __init__(self, values: Mapping[str, JSON], remote: bool, tell: Callable[[Mapping[str, JSON]], None]) -> None:
        self._values = dict(values)
        self.remote = remote
        self._tell = tell
        self._coded: dict[str, JSON] = {}  # as the code had them
        self._owners: dict[str, object] = {}
        self._connected: dict[int, Any] = {}  # kept alive, so that an id stays theirs
        self._guests: dict[str, tuple[MutableMapping[Any, Any], Any]] = {}
        self._warned: set[str] = set()
        self._lock = RLock()
        self.left = False

    @property
    def values(self) -> dict[str, JSON]:
        """All that is known, by name: the store's, and what the code told."""
        with self._lock:
            return dict(self._values)

    def stored(self, section: str) -> dict[str, JSON]:
        """Values that go before those of the code: of one section, without its name; none by hand."""
        prefix = f"{section}/"
        with self._lock:
            known = self._values if self.remote else {}
            return {name[len(prefix) :]: value for name, value in known.items() if name.startswith(prefix)}

    def unused(self) -> list[str]:
        """Names of the store that nothing which was connected has asked for."""
        with self._lock:
            return sorted(self._values.keys() - self._coded.keys()) if self.remote else []

    @contextmanager
    def reading_command_line(self) -> Iterator[None]:
        """Notes in `left` whether a block that reads the command line is left by an exception, as by --help."""
        try:
            yield
        except BaseException:
            self.left = True
            raise
        self.left = False

    def connect(self, holder: Any, section: str | None = None) -> Any:
        """Connect an object: its values are told to the store, or on a worker replaced by the store's, in place.

        Args:
            holder: dict, dataclass, pydantic model, argparse parser (its arguments are parsed) or namespace, or any
                object with attributes.
            section: First part of the names; by default "General", of a parser "Args".

        Returns:
            `holder`; of a frozen object its successor, of a parser the parsed namespace.

        Raises:
            InputError: It has no named values, values of the store do not fit it (all are listed), or a name that
                another object has connected with another value.
        """
        self.left = False  # the script goes on
        with self._lock:
            if section is None and id(holder) in self._connected:
                return holder
            section = _checked(section or (ARGS if isinstance(holder, argparse.ArgumentParser) else GENERAL))
            if isinstance(holder, argparse.ArgumentParser):
                # The room's own file, which needs this one.
                from meristem.tasks.parameters.argparse_parsing import parse_connected

                return parse_connected(holder, self, section)
            coded = flatten(holder, section)
            self._refuse_conflicts(holder, coded)
            return self._follow(holder, section, coded, None, warn=True)

    def record(
        self, holder: Any, section: str, *, caster: Caster | None = None, without: Collection[str] | None = None
    ) -> Any:
        """As `connect`, for what hooks find: a name that comes again is the newest, and no name is warned of.

        Args:
            caster: Casts values of the store.
            without: Names whose values of the store are not used; then names that are new to `holder` are added.
        """
        with self._lock:
            return self._follow(holder, section, flatten(holder, section), caster, without=without)

    def tell(self, values: Mapping[str, JSON]) -> None:
        """Tell values that are no object's; on a worker those of the store stay."""
        with self._lock:
            self._coded |= values
            fresh = {name: value for name, value in values.items() if self._is_news(name, value)}
            if fresh:
                self._values |= fresh
                self._tell(fresh)

    def _follow(
        self,
        holder: Any,
        section: str,
        coded: Mapping[str, JSON],
        caster: Caster | None,
        *,
        warn: bool = False,
        without: Collection[str] | None = None,
    ) -> Any:
        self._connected[id(holder)] = holder
        self._take_back(holder, coded)
        if self.remote:
            values = self._for(holder, section, coded, adds=warn or without is not None)
            values = {name: value for name, value in values.items() if name not in (without or ())}
            done = replace(holder, values, section, caster=caster)
            self._note_more(done, warn=warn)
            holder = self._connected[id(done.holder)] = done.holder
            self._coded |= {name: self._values.get(name) for name in done.taken}
        self._owners |= dict.fromkeys(coded, holder)
        self.tell({name: value for name, value in coded.items() if value != {} or not self._is_filled(name)})
        return holder

    def _is_filled(self, name: str) -> bool:
        """What the code has empty has values in the store."""
        return self.remote and any(one.startswith(f"{name}/") for one in self._values)

    def _for(self, holder: Any, section: str, coded: Mapping[str, JSON], *, adds: bool) -> dict[str, JSON]:
        """The store's values for `holder`: without those of other objects of its section."""
        others = {name for name, owner in self._owners.items() if owner is not holder} | self._guests.keys()
        others -= coded.keys()
        prefix = f"{section}/"
        mine = {n: v for n, v in self._values.items() if n.startswith(prefix) and n not in others}
        if adds:
            return mine
        fields = tuple(f"{name}/" for name in coded)
        return {n: v for n, v in mine.items() if n in coded or n.startswith(fields)}

    def _take_back(self, holder: Any, coded: Mapping[str, JSON]) -> None:
        """A mapping took names of the store that it does not have; now the object has come that they belong to."""
        for name in coded.keys() & self._guests.keys():
            mapping, key = self._guests.pop(name)
            if mapping is not holder:
                mapping.pop(key, None)

    def _note_more(self, done: Replaced, *, warn: bool) -> None:
        self._guests |= done.added
        self._coded |= {name: self._values.get(name) for name in done.added}
        for name in done.unknown if warn else ():
            if name not in self._warned:
                self._warned.add(name)
                _log.warning(
                    "%s = %s is in the store, but %s has no such parameter: it is not used.",
                    name, shown(self._values.get(name)), type(done.holder).__name__,
                )  # fmt: skip

    def _refuse_conflicts(self, holder: Any, coded: Mapping[str, JSON]) -> None:
        problems = [
            f"{name} is {shown(self._coded[name])} in one and {shown(value)} in the other"
            for name, value in coded.items()
            if name in self._coded and name not in self._guests
            and self._owners.get(name, holder) is not holder and self._coded[name] != value
        ]  # fmt: skip
        if problems:
            raise InputError(
                "Two connected objects have the same parameter with different values",
                problems,
                'Give one of them a section of its own: task.connect(obj, section="…").',
            )

    def _is_news(self, name: str, value: JSON) -> bool:
        if name not in self._values:
            return True
        return not self.remote and self._values[name] != value


def _checked(section: str) -> str:
    if "/" in section or not section.strip():
        raise InputError(f"{section!r} is no name of a section.", fix="A section has a name without '/'.")
    return section
