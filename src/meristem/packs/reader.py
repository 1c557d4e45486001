"""Reads objects out of packs: few large reads instead of many small ones, every object checked against its name.

A pack may be gone because its live objects were moved to a new one meanwhile: then the index is
brought up to date and asked again. An object that is damaged in one pack, or whose pack is lost, is
taken from another one that holds it too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, islice
from typing import NamedTuple

from meristem.errors import NotInPlace, ObjectDamaged, ObjectMissing
from meristem.packs.format import EMPTY_OBJECT, pack_key
from meristem.packs.index import LocalIndex, Location
from meristem.packs.pack_files import content_of
from meristem.packs.place import Place

_WINDOW = 16_384  # names that are located and put in order together
_FAR_GAP, _NEAR_GAP = 128 << 10, 4 << 10  # bytes that are read for nothing rather than asked for separately
_FAR_PIECE, _NEAR_PIECE = 8 << 20, 2 << 20  # bytes of one piece of work: with 8 reads at once 64 MiB are under way


class Wanted(NamedTuple):
    """An object and where it lies."""

    name: str
    at: Location


class Piece(NamedTuple):
    """Objects of one pack that are read together: ranges of the pack, and which objects lie in each."""

    pack: str
    ranges: list[tuple[int, int]]
    objects: list[list[Wanted]]


class PackReader:
    """Objects of a place by name. Several threads may read at once.

    Args:
        place: Where the packs lie.
        index: Which pack holds what. What it says of packs that turn out to be lost is dropped from it, so that
            nobody takes what they held for stored.
        refresh: Brings the index up to date; called where it does not know an object, where a pack is gone, and where
            an object is damaged: perhaps it was moved, or healed.
    """

    def __init__(self, place: Place, index: LocalIndex, refresh: Callable[[], object]) -> None:
        self._place, self._index, self._refresh = place, index, refresh

    def get(self, name: str) -> bytes:
        """One object.

        Raises:
            ObjectMissing: No pack holds it, also after a refresh.
            ObjectDamaged: Every pack that holds it is damaged there.
        """
        for _, content in self.get_many([name]):
            return content
        raise ObjectMissing(name, self._place.url)

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Objects with their names, each once, in whatever order they lie. Errors as `get`."""
        for name, content in self.get_each(names):
            if isinstance(content, Exception):
                raise content
            yield name, content

    def get_each(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | ObjectMissing | ObjectDamaged]]:
        """The same; where one cannot be had, its name comes with the error that says why."""
        waiting = iter(names)
        while window := list(dict.fromkeys(islice(waiting, _WINDOW))):
            gone: set[str] = set()
            bad = yield from self._read(window, gone)
            if bad:
                self._refresh()
                gone.clear()
                bad = yield from self._read(bad, gone)
            if gone:
                self._index.drop_packs(gone)
            yield from ((name, error or ObjectMissing(name, self._place.url)) for name, error in bad.items())

    def _read(
        self, names: Collection[str], gone: set[str]
    ) -> Generator[tuple[str, bytes], None, dict[str, ObjectDamaged | None]]:
        """Gives what can be had now; returns the names of the rest, those that are damaged with their errors.

        Args:
            gone: Is told of packs that are not in their place.
        """
        if EMPTY_OBJECT in names:
            yield EMPTY_OBJECT, b""
        located = self._index.locate(names)
        bad: dict[str, ObjectDamaged | None] = {
            name: None for name in names if name not in located and name != EMPTY_OBJECT
        }
        near = self._place.reads_at_once <= 1
        pieces = planned(located, _NEAR_GAP if near else _FAR_GAP, _NEAR_PIECE if near else _FAR_PIECE)
        for piece, parts in self._fetched(pieces):
            if parts is None:
                gone.add(piece.pack)
                bad |= dict.fromkeys(wanted.name for wanted in chain.from_iterable(piece.objects))
                continue
            for (start, _), part, objects in zip(piece.ranges, parts, piece.objects, strict=True):
                view = memoryview(part)
                for name, at in objects:
                    begin = at.offset - start
                    try:
                        content = content_of(name, at, view[begin : begin + at.stored])
                    except ObjectDamaged as error:
                        bad[name] = error
                        continue
                    yield name, content
        for name in [name for name in bad if name in located]:
            if (found := self._from_another_pack(name, located[name])) is not None:
                del bad[name]
                yield name, found
        return bad

    def _fetched(self, pieces: Iterator[Piece]) -> Iterator[tuple[Piece, list[bytes] | None]]:
        """Each piece with its bytes, None where its pack is gone; several are read ahead where that pays."""
        first = list(islice(pieces, 2))
        if len(first) < 2 or self._place.reads_at_once <= 1:
            for piece in chain(first, pieces):
                yield piece, self._fetch(piece)
            return
        with ThreadPoolExecutor(self._place.reads_at_once) as threads:
            under_way: deque[tuple[Piece, Future[list[bytes] | None]]] = deque()
            try:
                for piece in chain(first, pieces):
                    if len(under_way) >= self._place.reads_at_once:
                        done, future = under_way.popleft()
                        yield done, future.result()
                        del future  # its bytes are no longer needed
                    under_way.append((piece, threads.submit(self._fetch, piece)))
                while under_way:
                    done, future = under_way.popleft()
                    yield done, future.result()
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, piece: Piece) -> list[bytes] | None:
        try:
            return self._place.read_ranges(pack_key(piece.pack), piece.ranges)
        except NotInPlace:
            return None

    def _from_another_pack(self, name: str, at: Location) -> bytes | None:
        for copy in self._index.copies(name):
            with suppress(ObjectDamaged, NotInPlace):
                if copy.pack != at.pack:
                    return content_of(name, copy, self._place.read(pack_key(copy.pack), copy.offset, copy.stored))
        return None


def planned(located: Mapping[str, Location], gap: int, at_once: int) -> Iterator[Piece]:
    """What to read for the objects, pack by pack in the order of their bytes.

    Args:
        located: Objects and where they lie.
        gap: Objects of one pack that lie no farther apart are read together.
        at_once: Bytes of one piece; a longer object is a piece of its own.
    """
    by_pack: dict[str, list[Wanted]] = {}
    for name, at in located.items():
        by_pack.setdefault(at.pack, []).append(Wanted(name, at))
    for pack, objects in by_pack.items():
        objects.sort(key=lambda wanted: wanted.at.offset)
        yield from _pieces(pack, objects, gap, at_once)


def _pieces(pack: str, wanted: Sequence[Wanted], gap: int, at_once: int) -> Iterator[Piece]:
    piece, size, start, end = Piece(pack, [], []), 0, 0, 0
    for each in wanted:
        first, last = each.at.offset, each.at.offset + each.at.stored
        joined = bool(piece.ranges) and first - end <= gap
        grows = max(last, end) - end if joined else each.at.stored
        if piece.ranges and size + grows > at_once:
            yield piece
            piece, size, joined, grows = Piece(pack, [], []), 0, False, each.at.stored
        if joined:
            end = max(end, last)
            piece.ranges[-1] = (start, end - start)
            piece.objects[-1].append(each)
        else:
            start, end = first, last
            piece.ranges.append((start, end - start))
            piece.objects.append([each])
        size += grows
    if piece.ranges:
        yield piece
