"""The beginning of a list that only grows, as a sequence of its own: shown often, and copied never."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar, overload

Item = TypeVar("Item")


class Prefix(Sequence[Item]):
    """The first `count` items of `items`; reads as a tuple of them does, and equals it.

    It stays as it is while the list grows, as long as nothing in the list is changed.
    """

    __slots__ = ("_count", "_items")

    def __init__(self, items: list[Item], count: int | None = None) -> None:
        self._items, self._count = items, len(items) if count is None else count

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Item, ...]: ...
    def __getitem__(self, place: int | slice) -> Item | tuple[Item, ...]:
        if isinstance(place, slice):
            return tuple(map(self._items.__getitem__, range(self._count)[place]))
        return self._items[range(self._count)[place]]

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Item]:
        return islice(self._items, self._count)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, (Prefix, tuple, list)):
            return NotImplemented
        return len(self) == len(other) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))
