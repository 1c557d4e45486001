"""What a folder means for a manifest: what must change so that the part below a dataset path equals it, or contains it.

    with look(folder, cache) as seen:
        sync = FolderSync(seen, tree, nodes, dataset_path="images")
        sync.confirm(known, load)            # what the cache knows, but whose objects are gone, is read again
        read(seen, writer, progress)
        root = sync.apply(writer.put)
        writer.flush()                       # and the root is put into the store
        sync.remember(root)

Three ways lead to the same changes, and the cheapest that applies is taken: the tree is the one that the folder was
last brought into (only what changed since is looked at); it is another one, and the two are compared (Merkle
differences); nothing is known of a last time (everything is compared).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from meristem.datasets.folders.comparing import Changed
from meristem.datasets.folders.listing import entries_of
from meristem.datasets.folders.looking import Look
from meristem.datasets.folders.records import INODE, SELF, WIDTH, Record, is_racy
from meristem.datasets.folders.stat_cache import Synced, path_of, remember_root, remember_rows
from meristem.errors import ObjectDamaged, ObjectMissing
from meristem.manifests.changes import differences
from meristem.manifests.entry import EMPTY_OBJECT, Entry, Kind, check_path, sort_key
from meristem.manifests.recipe import decode_recipe
from meristem.manifests.tree import Nodes, Save, Tree, build

PathChange = tuple[str, Entry | None]

_ASKED_AT_ONCE = 10_000
_APPLIED_AT_ONCE = 100_000
_LOOKUP_COSTS = 16  # entries that can be compared in order in the time of one lookup


class FolderSync:
    """Brings a folder into a manifest.

    Args:
        look: What lies in the folder.
        tree: The manifest to be changed.
        nodes: Where nodes of manifests are read.
        dataset_path: Below which path of the manifest the folder lies; "" for the whole of it.
        add: Whether files that the manifest holds below that path, and the folder does not, stay. External files
            always stay.
        name: What the single file that was looked at is called in the manifest; "" as in the folder.
    """

    def __init__(
        self,
        look: Look,
        tree: Tree,
        nodes: Nodes,
        *,
        dataset_path: str = "",
        add: bool = False,
        name: str = "",
    ) -> None:
        self.look, self.tree, self.add = look, tree, add
        self.name = "" if (name,) == look.selection.only else name
        self.nodes = nodes
        self.dataset_path = dataset_path.strip("/")
        self._prefix = f"{self.dataset_path}/" if self.dataset_path else ""
        if self.dataset_path or name:
            check_path(self._prefix + name if name else self.dataset_path)
        self._synced = None if self.name else look.last_tree(self.dataset_path)

    @property
    def is_unchanged(self) -> bool:
        """Whether the manifest already holds what the folder does: nothing is to be read, applied or remembered."""
        return self._is_last_tree and self.look.is_unchanged

    def changes(self) -> Iterator[PathChange]:
        """What must change in the manifest: paths with their new entry, or None where they go. In no order.

        Files that are not read yet are left out, so ask after `read`.
        """
        if self._is_last_tree:
            return self._without_clashes(self._own_changes(), self._is_folder)
        compared = self._changes_since_last_tree()
        if compared is not None:
            return self._without_clashes(compared.items(), self._is_folder)
        if self._is_small:
            return self._without_clashes(self._all_changes(), self._is_folder)
        return self._without_clashes(self._all_changes(), self._kept_folders().__contains__)

    def assumed(self) -> Iterator[Entry]:
        """Entries that the manifest would get, though nobody has read their files now: what the cache knew of them."""
        if self._is_last_tree:
            return
        compared = self._changes_since_last_tree()
        for _, entry in self._all_changes() if compared is None else compared.items():
            if entry is not None and entry.kind in (Kind.FILE, Kind.CHUNKED) and entry.content != EMPTY_OBJECT:
                yield entry

    def confirm(self, known: Callable[[Sequence[str]], set[str]], load: Callable[[str], bytes]) -> int:
        """Finds files whose objects are not stored any more, and has them read again; returns how many.

        To be asked before `read`, and again (with `read` and `apply`) where packs were condemned since.

        Args:
            known: Which of some objects are in packs that count.
            load: The bytes of an object, for recipes: their chunks must be there too.
        """
        gone: list[str] = []
        assumed = self.assumed()
        while batch := list(islice(assumed, _ASKED_AT_ONCE)):
            present = known([entry.content for entry in batch])
            gone += [e.path for e in batch if e.content not in present or not _has_chunks(e, known, load)]
        self.look.distrust(self.look.selection.only if gone and self.name else (p[len(self._prefix) :] for p in gone))
        return len(gone)

    def apply(self, save: Save) -> str:
        """The root of the manifest with the changes. Every file was read before that."""
        return apply([self], save)

    def entries(self) -> Iterator[Entry]:
        """All entries of the folder, sorted, at their paths in the manifest."""
        found = entries_of(self.look.records(), self.look.empty, self._prefix)
        return (entry._replace(path=self._prefix + self.name) for entry in found) if self.name else found

    def remember(self, root: str | None = None) -> None:
        """Keeps in the stat cache what was read and, with `root`, that this manifest holds the folder.

        To be called once all objects are stored, so that the cache never promises more than there is.
        """
        if root is None or self.name:  # under another name it is not the folder's file
            remember(self.look)
        else:
            remember(self.look, (self.dataset_path, Synced(root, self._is_whole(root))))

    @property
    def _is_last_tree(self) -> bool:
        """Whether the tree is the one that the folder was last brought into, so that only its own changes count."""
        known = self._synced
        return known is not None and known.root == self.tree.root and (known.whole or self.add)

    def _is_whole(self, root: str) -> bool:
        if not self.add:
            return True
        # Every file of the folder is in it, so equal counts are equal sets. Empty folders need not be: they are left
        # out where the manifest has files in them.
        count = Tree(root, self.nodes).entries_count
        return not self.dataset_path and not self.look.empty and count == self.look.files

    def _own_changes(self) -> Iterator[PathChange]:
        """What changed in the folder since it was last read."""
        # What went comes first: an empty folder may have become a file of the same path, and the last word counts.
        if not self.add:
            yield from ((path, None) for path in self._lost())
        for changed in self.look.changed:
            names = changed.record.names if changed.fresh else []
            for i in changed.fresh:
                new = changed.record.item(i)
                if new is not None and new != changed.before.get(i):
                    path = self._path(changed.path, names[i])
                    yield path, new.entry(path)

    def _lost(self) -> Iterator[str]:
        """The paths that the folder had and has no more."""
        for known in self.look.removed:
            for name, _ in self.look.gone(known).read_items():
                yield self._path(path_of(known.key), name)
        for changed in self.look.changed:
            yield from (self._path(changed.path, name) for name in changed.gone)
            for i in changed.before:  # those that vanished before they could be read
                if changed.record.item(i) is None and i not in changed.todo:
                    yield self._path(changed.path, changed.record.names[i])

    def _changes_since_last_tree(self) -> dict[str, Entry | None] | None:
        """What the tree lacks of the last one, and what changed in the folder; None where that one is not known."""
        if self._synced is None or not self._synced.whole:
            return None
        found: dict[str, Entry | None] = {}
        try:
            for path, before, after in differences(Tree(self._synced.root, self.nodes), self.tree):
                if not path.startswith(self._prefix) or (before is not None and before.kind is Kind.EXTERNAL):
                    continue
                if before is not None:
                    found[path] = before
                elif after is not None and not self.add and after.kind is not Kind.EXTERNAL:
                    found[path] = None
        except (ObjectMissing, ObjectDamaged):
            return None  # it was removed since: nothing is lost but time
        if self.add:  # what the folder lost since is not added again
            for path in self._lost():
                found.pop(path, None)
        found.update(self._own_changes())
        return found

    def _all_changes(self) -> Iterator[PathChange]:
        """Everything beside everything, both in the order of their paths."""
        if self._is_small:
            yield from ((entry.path, entry) for entry in self.entries() if self.tree.find(entry.path) != entry)
            return
        theirs = self.tree.entries(self._prefix)
        other = next(theirs, None)
        for entry in self.entries():
            key = sort_key(entry.path)
            while other is not None and sort_key(other.path) < key:
                if self._goes(other):
                    yield other.path, None
                other = next(theirs, None)
            if other is not None and other.path == entry.path:
                if other != entry:
                    yield entry.path, entry
                other = next(theirs, None)
            else:
                yield entry.path, entry
        while other is not None:
            if self._goes(other):
                yield other.path, None
            other = next(theirs, None)

    @property
    def _is_small(self) -> bool:
        """Whether what the folder adds is rather looked up one by one than compared with all that the manifest has."""
        return self.add and self.look.files * _LOOKUP_COSTS < self.tree.entries_count

    def _goes(self, entry: Entry) -> bool:
        """Whether an entry that the folder has not is removed."""
        return not self.add and entry.kind is not Kind.EXTERNAL

    def _without_clashes(self, changes: Iterable[PathChange], is_folder: Callable[[str], bool]) -> Iterator[PathChange]:
        """The changes, and the removal of what cannot stay beside them: a file where a folder comes, or the reverse."""
        clear: set[str] = set()
        for path, entry in changes:
            if entry is None:
                yield path, None
                continue
            for above in _folders_above(path, clear):
                if self.tree.find(above) is not None:
                    yield above, None
            if is_folder(path):
                if entry.kind is Kind.FOLDER and self.add:
                    continue  # it is there, and holds something
                if entry.kind is not Kind.FOLDER:
                    yield from ((below.path, None) for below in self.tree.entries(f"{path}/"))
            yield path, entry

    def _is_folder(self, path: str) -> bool:
        return next(self.tree.entries(f"{path}/", stop=1), None) is not None

    def _kept_folders(self) -> set[str]:
        """The folders of all entries that stay though the folder has them not."""
        folders: set[str] = set()
        for entry in self.tree.entries(self._prefix):
            if not self._goes(entry):
                _folders_above(entry.path, folders)
        return folders

    def _path(self, folder: str, name: str) -> str:
        if self.name:
            return self._prefix + self.name
        if name == SELF:
            return self._prefix + folder
        return f"{self._prefix}{folder}/{name}" if folder else self._prefix + name


def apply(syncs: Sequence[FolderSync], save: Save) -> str:
    """The root of the manifest of all these, with the changes of each. None takes the place of what another one brings.

    Every file was read before that. What is saved can be loaded from their nodes at once.
    """
    first = syncs[0]
    assert not any(sync.look.files_to_read for sync in syncs), "read() comes first"
    if len(syncs) == 1 and not first.tree.entries_count and not first.dataset_path:
        return build(first.entries(), save)
    tree, changes = first.tree, chain.from_iterable(sync.changes() for sync in syncs)
    while batch := list(islice(changes, _APPLIED_AT_ONCE)):
        tree = Tree(tree.updated(batch, save), first.nodes)
    return tree.root


def remember(look: Look, synced: tuple[str, Synced] | None = None) -> None:
    """Keeps in the stat cache what was read so far: all of it with `synced`, else of folders that were gone through.

    What it says holds for whoever asks next, so the objects must be stored by now.
    """
    complete = [each for each in look.changed if (each.tried or not each.todo) and not each.remembered]
    with look.cache.writing() as connection:
        if connection is None:
            return
        rows = ((each.path, _to_keep(each)) for each in complete)
        gone = [] if synced is None else [known.id for known in look.removed]
        written = remember_rows(connection, look.snapshot, rows, gone)
        if written.undisturbed:
            look.snapshot.scope, look.snapshot.revision = written.scope, written.revision
            if synced is not None:
                remember_root(connection, written, *synced)
    for each in complete:
        each.remembered = not each.todo


def _to_keep(changed: Changed) -> Record:
    """The record, with stats that never fit for files that may change without a sign of it: they are read again."""
    facts = changed.record.facts
    for i in changed.fresh:
        if is_racy(changed.record.facts_at(i), changed.read_at_ns):
            facts[WIDTH * i + INODE] = -1
    return changed.record.without_unread()


def _has_chunks(entry: Entry, known: Callable[[Sequence[str]], set[str]], load: Callable[[str], bytes]) -> bool:
    if entry.kind is not Kind.CHUNKED:
        return True
    names = list({name for name, _ in decode_recipe(load(entry.content), size=entry.size, path=entry.path)})
    return len(known(names)) == len(names)


def _folders_above(path: str, seen: set[str]) -> list[str]:
    """The folders of `path` that were not seen yet, which are then."""
    found = []
    while (cut := path.rfind("/")) > 0:
        path = path[:cut]
        if path in seen:
            break
        seen.add(path)
        found.append(path)
    return found
