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
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path

from meristem.datasets.gc_plan import Fill, plan_collection
from meristem.datasets.objects import MARK_BYTES, Objects
from meristem.datasets.records import list_records, record_key
from meristem.errors import MeristemError, NotInPlace, ObjectDamaged, ObjectMissing, PackDamaged
from meristem.manifests.tree import EMPTY, Tree
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


class _Needed:
    """Names of objects that are needed, in a file beside memory: there may be many millions."""

    def __init__(self, file: Path) -> None:
        self._rows = sqlite3.connect(file, isolation_level=None)
        self._rows.execute("PRAGMA journal_mode = OFF")
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute("CREATE TABLE needed (name BLOB PRIMARY KEY) WITHOUT ROWID")
        self._rows.execute("BEGIN")

    def add(self, name: str) -> bool:
        """Returns whether it was new."""
        return self._rows.execute("INSERT OR IGNORE INTO needed VALUES (?)", (bytes.fromhex(name),)).rowcount == 1

    def __contains__(self, name: str) -> bool:
        query = "SELECT 1 FROM needed WHERE name = ?"
        return self._rows.execute(query, (bytes.fromhex(name),)).fetchone() is not None

    def close(self) -> None:
        self._rows.close()


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
        closing(_Needed(Path(folder) / "needed.db")) as needed,
    ):
        return _collect(objects, needed, grace, dry, tell)


def _collect(
    objects: Objects, needed: _Needed, grace: timedelta, dry: bool, tell: Callable[[str, int, int], object]
) -> Collected:
    store = objects.store
    roots = store.datasets.roots()
    objects.refresh()
    _mark(objects, needed, roots.rows, tell)
    live = store.dataset_packs.live()
    objects.refresh()  # so that the index knows all of these: see `_holding`
    open_drafts = {row.version for row in roots.rows if row.status is VersionStatus.DRAFT}
    looked_at = [pack for pack in live.packs if pack.draft not in open_drafts]
    fills = list(_fills(objects, needed, looked_at, tell))
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
    going = {
        *plan.empty,
        *plan.rewritten,
        *store.dataset_packs.names(PackState.INCOMING),
    }  # those of open drafts are spared
    if going:
        with objects.writer(None, anew=True) as writer:
            moved_objects, stuck = _move(objects, needed, plan.rewritten, writer, tell)
            going -= stuck
            writer.flush()
            moved_bytes = writer.stored_bytes
            try:
                condemned = store.dataset_packs.condemn(
                    going,
                    epoch=roots.epoch,
                    cursor=roots.cursor,
                    made=[pack.name for pack in writer.packs],
                    spare=lambda rows: _holding(objects, going, rows),
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


def _mark(objects: Objects, needed: _Needed, rows: Sequence[RootRow], tell: Callable[[str, int, int], object]) -> None:
    for done, row in enumerate(rows):
        tell("reading manifests", done, len(rows))
        for name in _beside(row):
            needed.add(name)
        if row.root != EMPTY:
            for _, name in Tree(row.root, objects).names_new(needed.__contains__):
                needed.add(name)


def _beside(row: RootRow) -> list[str]:
    return [name for name in (row.preview, *row.logs) if name]


def _fills(
    objects: Objects, needed: _Needed, packs: Sequence[PackRow], tell: Callable[[str, int, int], object]
) -> Iterator[Fill]:
    """How much of each pack is needed."""
    for done, pack in enumerate(packs):
        tell("looking at packs", done, len(packs))
        try:
            rows = read_index(objects.place, pack.name)
        except (NotInPlace, PackDamaged) as error:  # perhaps it can be had again: it is not given up
            log.warning("%s", error)
            continue
        live = [row for row in rows if row.name in needed]
        yield Fill(
            name=pack.name,
            size=pack.size,
            live_bytes=sum(row.stored + ROW.size for row in live) + _FRAME,
            live_objects=len(live),
        )


def _move(
    objects: Objects,
    needed: _Needed,
    packs: Sequence[str],
    writer: PackWriter,
    tell: Callable[[str, int, int], object],
) -> tuple[int, set[str]]:
    """Copies what is needed out of packs into new ones; returns how much, and the packs that are damaged: they stay."""
    moved, stuck = 0, set()
    for done, pack in enumerate(packs):
        tell("moving objects", done, len(packs))
        names = (row.name for row in read_index(objects.place, pack) if row.name in needed)
        try:
            while batch := list(islice(names, _AT_ONCE)):
                for name, content in objects.reader.get_many(batch):
                    writer.put(content, name=name)
                    moved += 1
        except (ObjectDamaged, ObjectMissing) as error:
            log.warning("%s", error)
            stuck.add(pack)
    return moved, stuck


def _holding(objects: Objects, packs: Collection[str], rows: Sequence[RootRow]) -> set[str]:
    """Those of the packs that roots need: they have come since what is needed was marked."""
    wanted = set(packs)
    holding: set[str] = set()
    unknown = {pack: _content(objects, pack) for pack in wanted - objects.index.packs().keys()} if rows else {}
    for row in rows:
        names = [*_beside(row)]
        if row.root != EMPTY:
            names += [name for _, name in Tree(row.root, objects).names()]
        holding |= {at.pack for at in objects.index.locate(names).values()} & wanted
        holding.update(pack for pack, held in unknown.items() if held is None or not held.isdisjoint(names))
    return holding


def _content(objects: Objects, pack: str) -> set[str] | None:
    """What a pack holds that the index does not know, since it is not live, or only now; None: nobody can say."""
    try:
        return {row.name for row in read_index(objects.place, pack)}
    except NotInPlace:  # its writer died before it lay there, or brings it later: for a root that is not there yet
        return set()
    except PackDamaged:
        return None


def _delete(objects: Objects, grace: timedelta) -> tuple[int, int]:
    """Deletes the files of packs that were condemned long enough ago."""
    packs = objects.store.dataset_packs.condemned(grace)
    objects.place.delete([pack_key(pack.name) for pack in packs])
    objects.store.dataset_packs.forget([pack.name for pack in packs])
    return len(packs), sum(pack.size for pack in packs)


def _delete_records(objects: Objects) -> None:
    """Deletes records of versions of this store that are none: a process died between claiming and finishing one."""
    store = objects.store
    for key, found in list_records(objects.place):
        if found.get("store") != store.id or not isinstance(found.get("id"), int):
            continue
        try:
            row: VersionRow | None = store.datasets.version(found["id"])
        except MeristemError:
            row = None
        kept = row is not None and (
            row.status is VersionStatus.DRAFT
            or (row.status is not VersionStatus.DELETED and key == record_key(row.project, row.name, str(row.number)))
        )
        if not kept:
            objects.place.delete([key])
