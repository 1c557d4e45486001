"""The objects of one store as this machine knows them: the place, its index here, reading, and writing for a draft.

The index here may be behind: it is brought up to date before something is written, and where something that is read
is not found. What puts a root into the store compares the epoch (see `drafts`), so that nothing is built on packs
that were condemned meanwhile.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from blake3 import blake3

from meristem.datasets.copies.locks import alone
from meristem.datasets.where import cache_folder, place_folder, place_url
from meristem.errors import NotInPlace, PackDamaged
from meristem.packs.format import Row, encode_index
from meristem.packs.index import LocalIndex
from meristem.packs.pack_files import read_index
from meristem.packs.place import Place, open_place
from meristem.packs.reader import PackReader
from meristem.packs.writer import PackMade, PackWriter
from meristem.store.blob_place import IN_DATABASE
from meristem.store.dataset_rows import PackCondemned, PackRow
from meristem.store.store import Store

log = logging.getLogger("meristem.datasets")

MARK_BYTES = 32
_NODES_KEPT_BYTES = 32 << 20
_opening = threading.Lock()


_opened: weakref.WeakKeyDictionary[Store, Objects] = weakref.WeakKeyDictionary()


def objects_of(store: Store) -> Objects:
    """The objects of a store; the same for all that use them in this process."""
    with _opening:
        found = _opened.get(store)
        if found is None or found.process != os.getpid():
            found = _opened[store] = Objects(store)
        return found


class Objects:
    """Objects by name.

    Attributes:
        epoch: Of the packs that the index knows; -1 before it was looked.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.cache = cache_folder()
        self.place: Place = open_place(
            place_url(store.blobs_url), database=store.database, fsync=store.database.is_fully_durable
        )
        self.epoch = -1
        self.process = os.getpid()
        self._nodes: OrderedDict[str, bytes] = OrderedDict()
        self._nodes_bytes = 0
        self._lock = threading.Lock()
        self._damaged: set[str] = set()

    @cached_property
    def mark(self) -> bytes:
        """What each pack of this store holds, so that stores that share a place have no pack in common."""
        return blake3(f"meristem store {self.store.id}".encode()).digest(MARK_BYTES)

    @cached_property
    def index(self) -> LocalIndex:
        return LocalIndex(place_folder(self.cache, f"{self.store.place} {self.place.url}"))

    @cached_property
    def reader(self) -> PackReader:
        return PackReader(self.place, self.index, lambda: self.refresh(whole=True))

    def refresh(self, *, whole: bool = False) -> bool:
        """Brings the index up to date with the packs that are live; returns whether that changed anything.

        Args:
            whole: Compare all packs, not only those that came since the last look.
        """
        with self._lock, self._following() as index:
            cursor, epoch = index.cursor, index.epoch
            live = self.store.dataset_packs.live(0 if whole else cursor - 1)
            known = index.packs(None if whole else [pack.name for pack in live.packs])
            if not whole and (live.epoch != epoch or not _goes_on(live.packs, cursor, known)):
                live, known, whole = self.store.dataset_packs.live(), index.packs(), True
            gone = known.keys() - {pack.name for pack in live.packs} if whole else set()
            if gone:
                index.drop_packs(gone)
            new = [pack for pack in live.packs if pack.name not in known]
            # One that cannot be read is left out: whoever misses what it holds tries it again.
            index.add_packs((pack.name, pack.serial or 0, rows) for pack in new if (rows := self._rows_of(pack.name)))
            index.confirm({pack.name: pack.serial or 0 for pack in live.packs if known.get(pack.name) == 0})
            last = max((pack.serial or 0 for pack in live.packs), default=0)
            if (last, live.epoch) != (cursor, epoch):
                index.remember(cursor=last, epoch=live.epoch)
            self.epoch = live.epoch
            return bool(new or gone)

    def load(self, name: str) -> bytes:
        """The bytes of an object; those that were read last are kept in memory, for they are nodes of manifests.

        Raises:
            ObjectMissing, ObjectDamaged: It is in no pack, or is not what was stored.
        """
        with self._lock:
            if (found := self._nodes.get(name)) is not None:
                self._nodes.move_to_end(name)
                return found
        content = self.reader.get(name)
        self._keep(name, content)
        return content

    def forget(self) -> None:
        """Nothing that was read stays in memory: what is loaded next is read from its pack."""
        with self._lock:
            self._nodes.clear()
            self._nodes_bytes = 0

    def expect(self, names: Sequence[str]) -> None:
        """Fetches what will be loaded soon, together."""
        with self._lock:
            names = [name for name in dict.fromkeys(names) if name not in self._nodes]
        if len(names) > 1:
            for name, content in self.reader.get_many(names):
                self._keep(name, content)

    def made(self, pack: PackRow) -> PackMade | None:
        """A pack as its writer knew it; None where its file is not there, or not whole."""
        try:
            rows = read_index(self.place, pack.name)
        except (NotInPlace, PackDamaged):
            return None
        return PackMade(pack.name, pack.size, len(rows), encode_index(rows))

    def own_files(self) -> list[Path]:
        """Files and folders of Meristem's own, which are no part of anybody's data."""
        file = self.store.file
        found = [self.cache]
        if file is not None:
            found += [file.with_name(file.name + suffix) for suffix in ("", "-wal", "-shm")]
        if "://" not in (url := self.store.blobs_url) and url != IN_DATABASE:
            found.append(Path(url))
        return found

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of the objects that are in no live pack, by the index."""
        wanted = list(names)
        known = self.index.known(wanted)
        return [name for name in wanted if name not in known]

    @contextmanager
    def writer(self, version: int | None, *, anew: bool = False, also: Collection[str] = ()) -> Iterator[PackWriter]:
        """Writes packs for a version; what is unfinished at the end is lost.

        Args:
            version: None: of garbage collection and healing.
            anew: Also what lies in other packs.
            also: Objects that need not be stored, beside those that live packs hold.
        """

        def intend(made: PackMade) -> bool:
            try:
                self.store.dataset_packs.intend(version, made.name, made.size, made.objects)
            except PackCondemned:  # once; its file may be deleted at any moment
                return False
            return True

        def known(names: Sequence[str]) -> set[str]:
            if anew:
                return set()
            found = self.index.known(names)
            return found.union(name for name in names if name in also) if also else found

        with PackWriter(self.place, known, intend, mark=self.mark) as writer:
            yield writer

    def arrived(self, made: Sequence[PackMade]) -> None:
        """Packs of this machine have become live: the index need not fetch what is known here."""
        if not made:
            return
        with self._lock, self._following() as index:
            # Where packs were condemned since, these may be among them: the next refresh knows.
            if index.epoch == self.epoch:
                known = index.packs(pack.name for pack in made)
                index.add_packs((pack.name, 0, pack.block) for pack in made if pack.name not in known)

    def _rows_of(self, pack: str) -> list[Row]:
        try:
            return read_index(self.place, pack)
        except NotInPlace:  # condemned, and its file deleted since the list was read: the next look knows
            return []
        except PackDamaged as error:  # what it holds is missing; all else can be read
            if pack not in self._damaged:
                self._damaged.add(pack)
                log.warning("%s", error)
            return []

    @contextmanager
    def _following(self) -> Iterator[LocalIndex]:
        """The index, for one process at a time.

        Else one that has read which packs are live, and is slow, could add a pack to the index that meanwhile was
        condemned and dropped from it; and with the epoch that the index has by then nobody would ever look again.
        """
        index = self.index
        index.folder.mkdir(parents=True, exist_ok=True)
        with alone(index.folder / "following.lock", log.debug, "looking which packs there are"):
            yield index

    def _keep(self, name: str, content: bytes) -> None:
        with self._lock:
            if name in self._nodes:
                return
            self._nodes[name] = content
            self._nodes_bytes += len(content)
            while self._nodes_bytes > _NODES_KEPT_BYTES:
                self._nodes_bytes -= len(self._nodes.popitem(last=False)[1])


def _goes_on(packs: Sequence[PackRow], cursor: int, known: Mapping[str, int]) -> bool:
    """Whether the store still has what the index followed; not so where it was restored from an older backup.

    While the epoch is the same no pack goes. So the last one that was followed must be there, and so must those that
    came from this machine since (their serial is not known yet).

    Args:
        packs: The live packs from `cursor` on.
    """
    at_cursor = not cursor or any(pack.serial == cursor and pack.name in known for pack in packs)
    arrived = {name for name, serial in known.items() if not serial}
    return at_cursor and arrived <= {pack.name for pack in packs}
