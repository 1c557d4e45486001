"""Garbage collection: bytes that no version and no draft needs leave the place.

Why it removes nothing that is needed: what is needed is marked from the roots of one moment; packs are condemned in a
transaction that first looks at the roots that have come since, and spares the packs that these need; and a writer that
found something in a pack while that was condemned is refused by the epoch and looks again (see `drafts`). Files are
deleted last. It may be killed anywhere, and may run several times at once.
"""

from __future__ import annotations

import logging
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, islice
from pathlib import Path

from meristem.datasets.gc_plan import Fill, plan_collection
from meristem.datasets.objects import MARK_BYTES, Objects
from meristem.datasets.records import list_records, record_key
from meristem.errors import NotInPlace, ObjectDamaged, ObjectMissing, PackDamaged, VersionNotFound
from meristem.manifests.tree import Tree
from meristem.packs.format import FOOTER, HEADER, ROW, pack_key
from meristem.packs.pack_files import read_index
from meristem.packs.places.folder import FolderPlace
from meristem.packs.writer import PackWriter
from meristem.statuses import VersionStatus
from meristem.store.dataset_rows import EpochMoved, PackRow, PacksGone, PackState, RootRow, VersionRow

log = logging.getLogger("meristem.datasets")

GRACE = timedelta(minutes=10)  # a reader that has just located something in a pack still finds it
_AT_ONCE = 5000
_FRAME = len(HEADER) + ROW.size + MARK_BYTES + FOOTER.size  # bytes of a pack that are none of its objects
_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collection did.

    Attributes:
        condemned: Packs that are needed no more; their files are deleted by this or a later collection.
        freed_bytes: Of the files that were deleted.
        moved_objects, moved_bytes: What was copied out of packs that were mostly dead, or small.
    """

    packs: int
    condemned: int
    deleted: int
    freed_bytes: int
    moved_objects: int
    moved_bytes: int
    dry: bool = False


class _Names:
    """Names of objects, in a file beside memory: there may be many millions.

    What is needed; and what lies in the packs that are to go, by their own indexes: the one of this machine is a
    cache, and nothing is deleted on the word of a cache.
    """

    def __init__(self, file: Path) -> None:
        self.rows = sqlite3.connect(file, isolation_level=None)
        self.rows.execute("PRAGMA journal_mode = OFF")
        self.rows.execute("PRAGMA synchronous = OFF")
        self.rows.execute("PRAGMA cache_size = -32000")  # 32 MB at most: names come in no order
        self.rows.execute("CREATE TABLE needed (name BLOB PRIMARY KEY, walked INTEGER) WITHOUT ROWID")
        self.rows.execute("CREATE TABLE going (name BLOB, pack BLOB, PRIMARY KEY (name, pack)) WITHOUT ROWID")

    def need(self, found: Iterable[tuple[str, str]]) -> None:
        """Notes what is needed, as pairs of what and name: each when it comes, before the next one is asked for."""
        note = "INSERT INTO needed VALUES (?, ?) ON CONFLICT DO UPDATE SET walked = 1 WHERE excluded.walked"
        self.rows.execute("BEGIN")
        self.rows.executemany(note, ((bytes.fromhex(name), what in ("node", "recipe")) for what, name in found))
        self.rows.execute("COMMIT")

    def is_needed(self, name: str) -> bool:
        query = "SELECT 1 FROM needed WHERE name = ?"
        return self.rows.execute(query, (bytes.fromhex(name),)).fetchone() is not None

    def is_walked(self, name: str) -> bool:
        """Whether all below a node or recipe was noted. Not so of a file that has the bytes of one."""
        query = "SELECT 1 FROM needed WHERE name = ? AND walked"
        return self.rows.execute(query, (bytes.fromhex(name),)).fetchone() is not None

    def let_go(self, pack: str, names: Iterable[str]) -> None:
        """Notes what lies in a pack that is to go."""
        raw = bytes.fromhex(pack)
        self.rows.execute("BEGIN")
        self.rows.executemany("INSERT INTO going VALUES (?, ?)", ((bytes.fromhex(name), raw) for name in names))
        self.rows.execute("COMMIT")

    def going(self, name: str) -> set[str]:
        """The packs that are to go and hold an object."""
        found = self.rows.execute("SELECT pack FROM going WHERE name = ?", (bytes.fromhex(name),))
        return {pack.hex() for (pack,) in found}

    def close(self) -> None:
        self.rows.close()


def collect(
    objects: Objects,
    *,
    grace: timedelta = GRACE,
    dry: bool = False,
    progress: Callable[[str, int, int], object] | None = None,
) -> Collected:
    """Removes what nobody needs.

    Args:
        grace: How long files of condemned packs stay.
        dry: Only say what would be done.
        progress: Called with what is done just now, how many of it are done, and how many there are.

    Raises:
        PlaceUnavailable: The place cannot be reached.
        ObjectMissing, ObjectDamaged: A manifest cannot be read; nothing is removed then.
    """
    tell = progress or (lambda what, done, of: None)
    with (
        tempfile.TemporaryDirectory(prefix="meristem-gc-") as folder,
        closing(_Names(Path(folder) / "names.db")) as names,
    ):
        return _collect(objects, names, grace, dry, tell)


def _collect(
    objects: Objects, names: _Names, grace: timedelta, dry: bool, tell: Callable[[str, int, int], object]
) -> Collected:
    store = objects.store
    roots = store.datasets.roots()
    objects.refresh()
    _mark(objects, names, roots.rows, tell)
    live = store.dataset_packs.live()
    objects.refresh()  # so that the index knows all of these
    open_drafts = {row.version for row in roots.rows if row.status is VersionStatus.DRAFT}
    fills = list(_fills(objects, names, [pack for pack in live.packs if pack.draft not in open_drafts]))
    plan = plan_collection(fills)
    if dry:
        concerned = {fill.name: fill for fill in fills if fill.name in {*plan.empty, *plan.rewritten}}
        freed = sum(fill.size - fill.live_bytes for fill in concerned.values())
        moved = [concerned[name] for name in plan.rewritten]
        return Collected(
            packs=len(live.packs), condemned=len(concerned), deleted=0, freed_bytes=freed, dry=True,
            moved_objects=sum(fill.live_objects for fill in moved), moved_bytes=sum(fill.live_bytes for fill in moved),
        )  # fmt: skip
    condemned: set[str] = set()
    moved_objects = moved_bytes = 0
    incoming = store.dataset_packs.names(PackState.INCOMING)  # those of open drafts are spared
    going = {*plan.empty, *plan.rewritten, *incoming}
    if going:
        last = max((pack.serial or 0 for pack in live.packs), default=0)
        with objects.writer(None, anew=True) as writer:
            moved_objects, stuck = _move(objects, names, [*plan.empty, *plan.rewritten], writer, tell)
            going -= stuck
            writer.flush()
            moved_bytes = writer.stored_bytes
            try:
                condemned = store.dataset_packs.condemn(
                    going,
                    epoch=roots.epoch,
                    cursor=roots.cursor,
                    made=[pack.name for pack in writer.packs],
                    spare=lambda rows: _used_since(objects, last) | _holding(objects, names, rows),
                )
            except (EpochMoved, PacksGone):  # another collection was faster: it has done the work
                condemned = set()
            objects.refresh(whole=True)
    deleted, freed = _delete(objects, grace)
    if isinstance(objects.place, FolderPlace):
        objects.place.delete_leftovers()
    _delete_records(objects)
    return Collected(
        packs=len(live.packs), condemned=len(condemned), deleted=deleted, freed_bytes=freed,
        moved_objects=moved_objects, moved_bytes=moved_bytes,
    )  # fmt: skip


def _mark(objects: Objects, names: _Names, rows: Sequence[RootRow], tell: Callable[[str, int, int], object]) -> None:
    for done, row in enumerate(rows):
        tell("reading manifests", done, len(rows))
        names.need(_beside(row))
        names.need(Tree(row.root, objects).names_new(names.is_walked))


def _beside(row: RootRow) -> list[tuple[str, str]]:
    return [("object", name) for name in (row.preview, *row.logs) if name]


def _fills(objects: Objects, names: _Names, packs: Sequence[PackRow]) -> Iterator[Fill]:
    """How much of each pack is needed, by the index of this machine; packs that it does not know stay."""
    held = objects.index.held(names.rows)
    for pack in packs:
        if pack.name in held:
            count, stored = held[pack.name]
            size = stored + count * ROW.size + _FRAME
            yield Fill(name=pack.name, size=pack.size, live_bytes=size, live_objects=count)
            continue
        try:
            read_index(objects.place, pack.name)
        except (NotInPlace, PackDamaged) as error:  # perhaps it can be had again: it is not given up
            log.warning("%s", error)


def _move(
    objects: Objects,
    names: _Names,
    packs: Sequence[str],
    writer: PackWriter,
    tell: Callable[[str, int, int], object],
) -> tuple[int, set[str]]:
    """Copies what is needed out of packs into new ones; returns how much, and the packs that are damaged: they stay."""
    moved, stuck = 0, set()
    for done, pack in enumerate(packs):
        tell("moving objects", done, len(packs))
        try:
            held = [row.name for row in read_index(objects.place, pack)]
            names.let_go(pack, held)
            needed = filter(names.is_needed, held)
            while batch := list(islice(needed, _AT_ONCE)):
                for name, content in objects.reader.get_many(batch):
                    writer.put(content, name=name)
                    moved += 1
        except (NotInPlace, PackDamaged, ObjectDamaged, ObjectMissing) as error:
            log.warning("%s", error)
            stuck.add(pack)
    return moved, stuck


def _used_since(objects: Objects, last: int) -> set[str]:
    """Packs that were incoming when it was looked, and became live since: roots need them."""
    return {pack.name for pack in objects.store.dataset_packs.live(last).packs}


def _holding(objects: Objects, names: _Names, rows: Sequence[RootRow]) -> set[str]:
    """The packs that roots need which have come since what is needed was marked.

    What was marked need not be looked for again: of the packs that are to go, those that hold some of it are copied,
    and the copies become live with the same stroke. Nor what lies below a node that was: it was marked with it.
    """
    holding: set[str] = set()
    for row in rows:
        for _, name in chain(_beside(row), Tree(row.root, objects).names_new(names.is_walked)):
            if not names.is_needed(name):
                holding |= names.going(name)
    return holding


def _delete(objects: Objects, grace: timedelta) -> tuple[int, int]:
    """Deletes the files of packs that were condemned long enough ago."""
    packs = objects.store.dataset_packs.condemned(grace)
    objects.place.delete([pack_key(pack.name) for pack in packs])
    objects.store.dataset_packs.forget([pack.name for pack in packs])
    return len(packs), sum(pack.size for pack in packs)


def _delete_records(objects: Objects) -> None:
    """Deletes records of versions of this store that are none: a process died between claiming and finishing one."""
    store = objects.store
    explained = {record_key(*version) for version in store.datasets.numbers()}
    for key, found in list_records(objects.place, without=explained):
        if found.get("store") != store.id or not isinstance(found.get("id"), int):
            continue
        try:
            row: VersionRow | None = store.datasets.version(found["id"])
        except VersionNotFound:
            row = None
        kept = row is not None and (
            row.status is VersionStatus.DRAFT
            or (row.status is not VersionStatus.DELETED and key == record_key(row.project, row.name, str(row.number)))
        )
        if not kept:
            objects.place.delete([key])
