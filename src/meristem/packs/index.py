"""The local index: in which pack of a place an object lies, and where in it.

A cache, made anew from the packs' own indexes whenever it is lost or broken, in the user's cache
folder, shared by the processes of a machine. It also remembers up to where its owner has followed the
list of packs (`cursor`), and the epoch of that moment.

The rows of many packs lie in one table by name. Names are random, so that the rows of one more pack
would touch nearly every page of it: new packs are therefore kept as they are, by their index blocks,
and their rows are sorted in once there are enough of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from meristem.packs.format import ROW, Row, encode_index
from meristem.packs.index_file import IndexFile

_AT_ONCE = 1000  # names in one query; SQLite takes 32,766
_MOST_RECENT = 1 << 15  # rows of packs that are not sorted in: each process holds their names in memory


class Location(NamedTuple):
    """Where an object lies: `stored` bytes of `pack` from `offset` on, `length` once they are unpacked."""

    pack: str
    offset: int
    stored: int
    length: int
    codec: int


class LocalIndex:
    """Objects and the packs that hold them. Safe for several threads and processes.

    Args:
        folder: Where its file lies; made when it is missing. One folder belongs to one place.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = IndexFile(folder)
        self._recent = _Recent()
        self._names: dict[int, str] = {}  # of packs, by their number

    @property
    def cursor(self) -> int:
        """The serial up to which the list of packs was followed; 0 at first."""
        return self._fact("cursor")

    @property
    def epoch(self) -> int:
        """The epoch at the moment of `cursor`; 0 at first."""
        return self._fact("epoch")

    def remember(self, *, cursor: int, epoch: int) -> None:
        """Keeps up to where the list of packs was followed."""
        rows = [("cursor", cursor), ("epoch", epoch)]
        self._file.write(lambda c: c.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", rows))

    def add_packs(self, packs: Iterable[tuple[str, int, Sequence[Row] | bytes]]) -> None:
        """Adds packs with their objects, each given as (pack, serial, rows or index block); may be repeated."""
        blocks = [
            (bytes.fromhex(pack), serial, rows if isinstance(rows, bytes) else encode_index(rows))
            for pack, serial, rows in packs
        ]

        def work(connection: sqlite3.Connection) -> None:
            self._recent.stale = True  # set and cleared only by work on the file, which is done by one thread at a time
            for pack, serial, block in blocks:
                _add(connection, pack, serial, block)
            (rows,) = connection.execute("SELECT sum(length(block)) FROM recent").fetchone()
            if rows and rows // ROW.size > _MOST_RECENT:
                _sort_in(connection)

        self._file.write(work)

    def confirm(self, serials: Mapping[str, int]) -> None:
        """Keeps the serials of packs that were added before these were known."""
        rows = [(serial, bytes.fromhex(pack)) for pack, serial in serials.items()]
        if rows:
            self._file.write(lambda c: c.executemany("UPDATE packs SET serial = ? WHERE name = ?", rows))

    def drop_packs(self, packs: Iterable[str]) -> None:
        """Forgets packs and what they hold; one that is not known is no error."""
        names = [(bytes.fromhex(pack),) for pack in packs]

        def work(connection: sqlite3.Connection) -> None:
            self._recent.stale = True
            connection.execute("CREATE TEMP TABLE IF NOT EXISTS dropped (number INTEGER PRIMARY KEY)")
            connection.execute("DELETE FROM dropped")
            connection.executemany("INSERT INTO dropped SELECT number FROM packs WHERE name = ?", names)
            connection.execute("DELETE FROM objects WHERE pack IN (SELECT number FROM dropped)")
            connection.execute("DELETE FROM recent WHERE number IN (SELECT number FROM dropped)")
            connection.execute("DELETE FROM packs WHERE number IN (SELECT number FROM dropped)")

        if names:
            self._file.write(work)

    def packs(self, among: Iterable[str] | None = None) -> dict[str, int]:
        """The packs that are known, with their serials.

        Args:
            among: Only these, and all whose serial is not known yet (0).
        """
        if among is None:
            rows = self._file.read(lambda c: c.execute("SELECT name, serial FROM packs").fetchall())
            return {name.hex(): serial for name, serial in rows}
        rows = self._file.read(lambda c: c.execute("SELECT name, 0 FROM packs WHERE serial = 0").fetchall())
        waiting, query = iter(among), "SELECT name, serial FROM packs WHERE name IN ({})"
        while some := [bytes.fromhex(pack) for pack in islice(waiting, _AT_ONCE)]:
            rows += self._file.read(lambda c, some=some: list(_asked(c, query, some)))  # type: ignore[misc]
        return {name.hex(): serial for name, serial in rows}

    def locate(self, names: Iterable[str]) -> dict[str, Location]:
        """Where objects lie, those that no known pack holds left out; of several places one."""
        found: dict[str, Location] = {}
        query = "SELECT name, pack, offset, stored, length, codec FROM objects WHERE name IN ({})"
        waiting = iter(names)
        while some := {bytes.fromhex(name): name for name in islice(waiting, _AT_ONCE)}:

            def work(connection: sqlite3.Connection, some: dict[bytes, str] = some) -> None:
                recent = self._followed(connection)
                for raw in some.keys() & recent.where.keys():
                    pack, _, *numbers = recent.row(raw)
                    found[some.pop(raw)] = Location(self._names[pack], *numbers)
                names = self._names
                for raw, pack, offset, stored, length, codec in _asked(connection, query, some):
                    found[some[raw]] = Location(names[pack], offset, stored, length, codec)

            self._file.read(work)
        return found

    def copies(self, name: str) -> list[Location]:
        """Every place where an object lies: the newest pack first."""
        query = "SELECT pack, offset, stored, length, codec FROM objects WHERE name = ?"
        raw = bytes.fromhex(name)

        def work(connection: sqlite3.Connection) -> list[Location]:
            rows = [*self._followed(connection).rows(raw), *connection.execute(query, (raw,))]
            return [Location(self._names[pack], *numbers) for pack, *numbers in sorted(rows)[::-1]]

        return self._file.read(work)

    def known(self, names: Iterable[str]) -> set[str]:
        """Those of the names that some known pack holds."""
        found: set[str] = set()
        waiting = iter(names)
        while some := {bytes.fromhex(name): name for name in islice(waiting, _AT_ONCE)}:

            def work(connection: sqlite3.Connection, some: dict[bytes, str] = some) -> None:
                recent = some.keys() & self._followed(connection).where.keys()
                found.update([some.pop(raw) for raw in recent])
                found.update([some[raw] for (raw,) in _asked(connection, _KNOWN, some)])

            self._file.read(work)
        return found

    def held(self, names: sqlite3.Connection) -> dict[str, tuple[int, int]]:
        """How many of some objects each known pack holds, and their stored bytes together.

        Args:
            names: Where a table `needed` has them as `name`, 32 raw bytes. It must be in no transaction.
        """
        query = (
            "SELECT packs.name, coalesce(count, 0), coalesce(size, 0) FROM known.packs LEFT JOIN (SELECT pack, "
            "count(*) AS count, sum(stored) AS size FROM needed CROSS JOIN known.objects USING (name) GROUP BY pack) "
            "ON pack = number WHERE number NOT IN (SELECT number FROM known.recent)"
        )

        def sort_in(connection: sqlite3.Connection) -> None:
            self._recent.stale = True
            _sort_in(connection)

        def count(_: sqlite3.Connection) -> dict[str, tuple[int, int]]:
            names.execute("ATTACH ? AS known", (str(self._file.path),))
            try:
                return {pack.hex(): (count, size) for pack, count, size in names.execute(query)}
            finally:
                names.execute("DETACH known")

        self._file.write(sort_in)
        return self._file.read(count)

    def close(self) -> None:
        self._file.close()

    def _fact(self, name: str) -> int:
        row = self._file.read(lambda c: c.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone())
        return int(row[0]) if row else 0

    def _followed(self, connection: sqlite3.Connection) -> _Recent:
        """The recent packs as they are now; looked at again only where somebody wrote to the file."""
        version = (self._file.opened, *connection.execute("PRAGMA data_version").fetchone())
        if self._recent.version[:1] != version[:1]:  # another file: it numbers packs anew
            self._recent, self._names = _Recent(), {}
        if self._recent.stale or version != self._recent.version:
            self._recent.follow(connection)
            self._recent.version, self._recent.stale = version, False
            # Numbers are never given again, so names of packs that were dropped do no harm.
            last = next(reversed(self._names), 0)
            numbers = connection.execute("SELECT number, name FROM packs WHERE number > ? ORDER BY number", (last,))
            self._names |= {number: name.hex() for number, name in numbers}
        return self._recent


class _Recent:
    """The packs that are not sorted in: their index blocks by number, and where each name stands in them."""

    def __init__(self) -> None:
        self.blocks: dict[int, bytes] = {}
        self.where: dict[bytes, tuple[int, int]] = {}  # the number of its pack, the position of its row
        self.stale = True
        self.version: tuple[int, ...] = ()

    def follow(self, connection: sqlite3.Connection) -> None:
        """Takes in what came, and gives up what is sorted in or dropped."""
        self._take_in(connection)
        if len(self.blocks) != connection.execute("SELECT count(*) FROM recent").fetchone()[0]:  # some have gone
            self.blocks.clear()
            self.where.clear()
            self._take_in(connection)

    def _take_in(self, connection: sqlite3.Connection) -> None:
        last = next(reversed(self.blocks), 0)
        query = "SELECT number, block FROM recent WHERE number > ? ORDER BY number"
        for number, block in connection.execute(query, (last,)):
            self.blocks[number] = block
            starts = range(0, len(block), ROW.size)
            self.where.update({block[start : start + 32]: (number, start) for start in starts})

    def row(self, name: bytes) -> tuple[int, bytes, int, int, int, int]:
        """The number of the pack of an object, and its row."""
        number, start = self.where[name]
        return (number, *ROW.unpack_from(self.blocks[number], start))

    def rows(self, name: bytes) -> Iterator[tuple[int, int, int, int, int]]:
        """The rows of an object in all recent packs: number of the pack, and where it lies in it."""
        for number, block in self.blocks.items():
            start = block.find(name)
            while start >= 0 and start % ROW.size:
                start = block.find(name, start + 1)
            if start >= 0:
                yield (number, *ROW.unpack_from(block, start)[1:])


_KNOWN = "SELECT DISTINCT name FROM objects WHERE name IN ({})"


def _asked(connection: sqlite3.Connection, query: str, names: Iterable[bytes]) -> sqlite3.Cursor:
    given = list(names)
    return connection.execute(query.format(",".join("?" * len(given))), given)


def _add(connection: sqlite3.Connection, pack: bytes, serial: int, block: bytes) -> None:
    row = connection.execute("SELECT number FROM packs WHERE name = ?", (pack,)).fetchone()
    if row:  # a pack never changes
        connection.execute("UPDATE packs SET serial = ? WHERE number = ?", (serial, row[0]))
        return
    number = connection.execute("INSERT INTO packs (name, serial) VALUES (?, ?)", (pack, serial)).lastrowid
    connection.execute("INSERT INTO recent VALUES (?, ?)", (number, block))


def _sort_in(connection: sqlite3.Connection) -> None:
    """Moves the rows of the recent packs to the table of all: in the order of names, page by page."""
    rows = [
        (name, number, offset, stored, length, codec)
        for number, block in connection.execute("SELECT number, block FROM recent")
        for name, offset, stored, length, codec in ROW.iter_unpack(block)
    ]
    rows.sort()
    connection.executemany("INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?)", rows)
    connection.execute("DELETE FROM recent")
