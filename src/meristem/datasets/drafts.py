"""What changes a draft: one change after the other, each whole or not at all, and its end as a version.

A change writes packs, then puts the new root into the store ("checkpoint"). Between the two, garbage collection may
have condemned packs in which the change found what it therefore did not store. The store then refuses the root: it is
looked again for what was found, and where something has gone, the change is made again from its sources.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from meristem.datasets.common_ancestors import common_ancestors
from meristem.datasets.objects import Objects
from meristem.datasets.records import claim, record_key, record_of
from meristem.errors import DatasetError, ObjectMissing, VersionConflict, VersionRefused
from meristem.manifests.changes import Counts, counted, differences
from meristem.manifests.entry import EMPTY_OBJECT, Entry, Kind
from meristem.manifests.merging import Merge, merge_from_all
from meristem.manifests.recipe import decode_recipe
from meristem.manifests.tree import EMPTY, Tree
from meristem.packs.format import ROW, pack_key
from meristem.packs.index import Location
from meristem.packs.pack_files import content_of
from meristem.packs.place import Place
from meristem.packs.writer import PackMade, PackWriter
from meristem.statuses import VersionStatus
from meristem.store.dataset_numbers import following, precedence
from meristem.store.dataset_rows import EpochMoved, PacksGone, PackState, VersionRow

_TRIES = 20


class _BlockNames:
    """The names in an index block, sorted."""

    def __init__(self, block: bytes) -> None:
        self._block = block

    def __len__(self) -> int:
        return len(self._block) // ROW.size

    def __getitem__(self, row: int) -> bytes:
        return self._block[row * ROW.size : row * ROW.size + 32]


class LeftPacks:
    """Packs that a process which died, or failed, has stored for a draft and not put to use: nothing is sent twice.

    Attributes:
        names: What they hold.
    """

    def __init__(self, packs: Sequence[PackMade] = ()) -> None:
        self.packs = packs
        self.names = {row.name for pack in packs for row in pack.rows}

    def load(self, name: str, place: Place) -> bytes:
        """The bytes of an object that one of them holds."""
        raw = bytes.fromhex(name)
        for pack in self.packs:
            names = _BlockNames(pack.block)
            row = bisect_left(names, raw)
            if row < len(names) and names[row] == raw:
                at = Location(pack.name, *ROW.unpack_from(pack.block, row * ROW.size)[1:])
                return content_of(name, at, place.read(pack_key(at.pack), at.offset, at.stored))
        raise ObjectMissing(name, place.url)


class Change:
    """What one change may use: it saves nodes and files, and says what it found instead of storing it.

    Args:
        left: Packs that were stored for the draft before, and become live with this change.

    Attributes:
        tree: The manifest before.
        writer: Where files are put.
    """

    def __init__(self, root: str, objects: Objects, writer: PackWriter, left: LeftPacks) -> None:
        self._objects, self.writer, self._left = objects, writer, left
        self._saved: dict[str, bytes] = {}
        self.assumed: set[str] = set()
        self.tree = Tree(root, self)

    def load(self, name: str) -> bytes:
        saved = self._saved.get(name)
        if saved is None and name in self._left.names:
            return self._left.load(name, self._objects.place)
        return self._objects.load(name) if saved is None else saved

    def expect(self, names: Sequence[str]) -> None:
        self._objects.expect([name for name in names if name not in self._saved])

    def save(self, content: bytes) -> str:
        name = self.writer.put(content, suffix=".node")
        self._saved[name] = content
        return name

    def known(self, names: Sequence[str]) -> set[str]:
        """Those of the objects that are stored already; that they stay is seen to."""
        found = self._objects.index.known(names)
        self.assumed |= found
        return found.union(self._left.names.intersection(names))

    def assume(self, entries: Iterable[Entry]) -> None:
        """Notes that the files of another version are taken as they lie; that they stay is seen to.

        Raises:
            ObjectMissing: They are gone: the version was deleted.
        """
        names: set[str] = set()
        for entry in entries:
            if entry.kind in (Kind.FILE, Kind.CHUNKED) and entry.content != EMPTY_OBJECT:
                names.add(entry.content)
            if entry.kind is Kind.CHUNKED:
                recipe = decode_recipe(self.load(entry.content), size=entry.size, path=entry.path)
                names.update(name for name, _ in recipe if name != EMPTY_OBJECT)
        if gone := self._objects.missing(names):
            raise ObjectMissing(gone[0], self._objects.place.url)
        self.assumed |= names


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a draft is to become a version.

    Attributes:
        number: None: the next one.
        on_conflict: Where another version was made from the same parent: `raise`, `merge` (both changes, where they
            do not touch the same paths), or `branch` (without what that one changed).
    """

    number: str | None = None
    message: str | None = None
    on_conflict: str = "raise"


class Draft:
    """A version that is being made. Several threads may use it; of several processes one at a time.

    Attributes:
        row: As it stands in the store.
        stored_bytes: How much its changes in this process have stored.
    """

    def __init__(self, row: VersionRow, objects: Objects) -> None:
        self.row, self.objects = row, objects
        self.stored_bytes = 0
        self._left: LeftPacks | None = None
        self._counted: dict[tuple[str, str], Counts] = {}
        self._lock = threading.RLock()

    def tree(self) -> Tree:
        return Tree(self.row.root, self.objects)

    def change(self, work: Callable[[Change], str], *, parents: Sequence[int] | None = None) -> None:
        """Does `work`, which returns the new root, and puts that into the store.

        Args:
            parents: The draft comes from these from now on. They must still be there in the moment in which the root
                is put into the store; so what they hold is there, too.

        Raises:
            DraftMoved: Another process changed the draft.
            VersionRefused: It is no draft any more.
        """
        with self._lock:
            try:
                self._change(work, parents)
            except BaseException:
                self._left = None  # what was stored before it went wrong is found again
                raise

    def _change(self, work: Callable[[Change], str], parents: Sequence[int] | None) -> None:
        for _ in range(_TRIES):
            self.objects.refresh()
            left = self._left_packs()
            with self.objects.writer(self.row.id, also=left.names) as writer:
                change = Change(self.row.root, self.objects, writer, left)
                root = work(change)
                writer.flush()
                if root == self.row.root and parents is None and not writer.packs:
                    return
                if self._checkpoint(root, [*left.packs, *writer.packs], change, parents):
                    self._left = LeftPacks()
                    self.stored_bytes += writer.stored_bytes
                    return
        raise DatasetError(
            f"{self.row.shown} could not be written.",
            "Garbage collection removed what it needs each time.",
            "Try again once that is over.",
        )

    def _left_packs(self) -> LeftPacks:
        if self._left is None:
            packs = self.objects.store.dataset_packs.of_draft(self.row.id)
            made = [self.objects.made(pack) for pack in packs if pack.state is PackState.INCOMING]
            self._left = LeftPacks([pack for pack in made if pack is not None])
        return self._left

    def _checkpoint(self, root: str, packs: Sequence[PackMade], change: Change, parents: Sequence[int] | None) -> bool:
        """Puts a root into the store; False: something that it needs has gone."""
        store = self.objects.store.datasets
        write = store.checkpoint if parents is None else partial(store.rebase, parents=parents)
        names = [pack.name for pack in packs]
        for _ in range(_TRIES):
            try:
                revision = write(
                    self.row.id, revision=self.row.revision, epoch=self.objects.epoch, root=root, packs=names
                )
            except EpochMoved:
                self.objects.refresh()
                if self.objects.missing({*change.writer.hits, *change.assumed}):
                    return False
                continue
            except PacksGone:
                return False
            self.objects.arrived(packs)
            came_from = self.row.parents if parents is None else tuple(parents)
            self.row = replace(self.row, root=root, revision=revision, parents=came_from)
            return True
        return False

    def end_as_parent(self, number: str | None) -> VersionRow | None:
        """Gives the draft up where it differs in nothing from the version that it was begun from, and returns that.

        Args:
            number: It is to get this one: then it is meant to be a version of its own.
        """
        store = self.objects.store.datasets
        with self._lock:
            row = store.version(self.row.id)  # its tags and metadata are not those of `self.row`
            if number or row.number or len(row.parents) != 1 or row.revision != self.row.revision:
                return None
            if row.tags or row.metadata or row.preview or store.logs(row.id):
                return None
            parent = store.version(row.parents[0])
            is_new = parent.root != row.root or parent.dataset != row.dataset
            if is_new or parent.status is VersionStatus.DELETED:
                return None
            store.discard(row.id, revision=row.revision)
            return parent

    def finalize(self, ending: Ending) -> VersionRow:
        """Makes it a version.

        Raises:
            VersionConflict: Another version was made from the same parent; see `Ending.on_conflict`.
            VersionRefused: The number is taken, or it is no draft any more.
        """
        with self._lock:
            number = ending.number or self.row.number
            for _ in range(_TRIES):
                self._settle_conflict(ending)
                try:
                    self.row = self._finish(number, ending)
                except VersionConflict:  # another one was faster by a moment
                    if ending.on_conflict != "merge":
                        raise
                    continue
                return self.row
            raise VersionRefused(self.row.shown, "a draft", "finished", "Try again.", why="Others keep being faster.")

    def _settle_conflict(self, ending: Ending) -> None:
        store = self.objects.store.datasets
        head = store.find(self.row.project, self.row.name)
        if head is None or head.id in self.row.parents or ending.on_conflict == "branch":
            return
        parents = store.ancestry([*self.row.parents, head.id])
        bases = common_ancestors(parents, self.row.parents, head.id)
        if head.id in bases:  # what it holds was known when the draft was begun
            self.change(lambda change: change.tree.root, parents=(*self.row.parents, head.id))
            return
        merged = self._merged([store.version(base) for base in bases], head)
        if merged.conflicts or ending.on_conflict != "merge":
            raise VersionConflict(self.row.shown, head, [conflict.path for conflict in merged.conflicts])
        parents_now = (head.id, *(parent for parent in self.row.parents if parent != head.id))
        root = head.root
        self.change(lambda change: Tree(root, change).updated(merged.changes, change.save), parents=parents_now)

    def _merged(self, bases: Sequence[VersionRow], head: VersionRow) -> Merge:
        tree, theirs = self.tree(), Tree(head.root, self.objects)
        roots = {base.root for base in bases} or {EMPTY}
        try:
            return merge_from_all([Tree(root, self.objects) for root in roots], tree, theirs)
        except ObjectMissing as error:
            gone = [base for base in bases if base.status is VersionStatus.DELETED]
            if not gone:
                raise
            why = f"{gone[0].shown}, from which both come, was deleted: what each changed cannot be told any more."
            raise VersionConflict(self.row.shown, head, why=why) from error

    def _finish(self, number: str | None, ending: Ending) -> VersionRow:
        store, place = self.objects.store, self.objects.place
        summary, chosen = self.summary(), number or store.datasets.propose(self.row.dataset)
        while True:
            record = record_of(self.row, chosen, store=store.id, entries=summary["entries"], size=summary["bytes"])
            key = record_key(self.row.project, self.row.name, chosen)
            if claim(place, key, record):
                break
            if number:
                why = "A version of that number lies there already."
                raise VersionRefused(self.row.shown, "a draft", f"finished as {number}", "Choose another.", why=why)
            chosen = max(following(chosen), store.datasets.propose(self.row.dataset), key=precedence)
        try:
            return self._put_into_store(chosen, summary, ending)
        except DatasetError:  # refused: the number is free again. Where the answer was lost, the claim stays.
            place.delete([key])
            raise

    def _put_into_store(self, number: str, summary: Mapping[str, Any], ending: Ending) -> VersionRow:
        while True:
            try:
                return self.objects.store.datasets.finalize(
                    self.row.id,
                    revision=self.row.revision,
                    epoch=self.objects.epoch,
                    root=self.row.root,
                    number=number,
                    packs=(),
                    summary=summary,
                    message=ending.message,
                    branch=ending.on_conflict == "branch",
                )
            except EpochMoved:  # what a draft's root needs is kept: nothing to look for
                self.objects.refresh()

    def summary(self) -> dict[str, Any]:
        """Its size, and what differs from its first parent."""
        store, tree = self.objects.store, self.tree()
        parent = store.datasets.version(self.row.parents[0]).root if self.row.parents else EMPTY
        stored = store.dataset_packs.stored_for(self.row.id)
        counts = self.counts(parent)._asdict()
        return {"entries": tree.entries_count, "bytes": tree.bytes_count, **counts, "stored_bytes": stored}

    def counts(self, before: str) -> Counts:
        """How much differs from a manifest."""
        if before == EMPTY:
            return Counts(self.tree().entries_count, 0, 0)
        pair = (before, self.row.root)
        if pair not in self._counted:
            self._counted = {pair: counted(differences(Tree(before, self.objects), self.tree()))}
        return self._counted[pair]
