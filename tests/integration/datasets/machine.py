"""Any sequence of what can be done to datasets, beside plain folders: the rules. Run by `test_any_sequence`.

Two machines (two caches, two connections) work on several datasets of one store. A version is checked against its
model whenever it is checked out, and all of them at the end.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule

from integration.datasets.plain_folders import Tree, clear, joined, merged, overlaid, shown, synced, tree_of, without
from meristem.datasets.collecting import collect
from meristem.datasets.dataset import Dataset
from meristem.datasets.objects import objects_of
from meristem.errors import VersionConflict, VersionRefused
from meristem.store.store import Store

DATASETS = ("p/one", "p/two", "q/Ü %2e~")
_NAMES = ("a", "b", "a-b", "Ä\n", "x.csv")
PATHS = st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3).map("/".join)
_LARGE = random.Random(7).randbytes(700 << 10)
CONTENTS = st.sampled_from(
    (b"", b"1", b"2", b"12" * 4000, bytes(400 << 10), _LARGE, b"!" + _LARGE, _LARGE[:300_000] + b"?" + _LARGE[300_001:])
)


class Version(NamedTuple):
    """A version and what it holds by the model."""

    dataset: str
    id: int
    tree: Tree
    parents: tuple[int, ...]


class Drafted:
    """A draft, on the machine that writes it."""

    def __init__(self, handle: Dataset, dataset: str, tree: Tree, parents: tuple[int, ...]) -> None:
        self.handle, self.dataset, self.tree, self.parents = handle, dataset, tree, parents


class DatasetMachine(RuleBasedStateMachine):
    """Subclasses say where the store lies."""

    versions = Bundle("versions")
    drafts = Bundle("drafts")

    def store_url(self) -> str:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="meristem-machine-"))
        self.work = self.folder / "work"
        self.work.mkdir()
        self.stores: list[Store] = []
        for name in ("one", "two"):
            os.environ["MERISTEM_CACHE"] = str(self.folder / f"cache-{name}")
            store = Store(self.store_url())
            objects_of(store)  # takes its cache's folder from the environment now
            self.stores.append(store)
        self.known: dict[int, Version] = {}
        self.deleted: set[int] = set()
        self.open: list[Drafted] = []
        self.numbers: dict[str, list[str]] = {name: [] for name in DATASETS}
        self.copies = 0

    def teardown(self) -> None:
        try:
            for version in self.known.values():
                if version.id not in self.deleted:
                    self._check_out(version, 0, "mutable")
                    assert self._get(version, 1).verify().is_whole
            for draft in self.open:
                assert draft.handle.verify().is_whole
        finally:
            for draft in self.open:
                draft.handle._background.close()  # else the end of the process tells of each
            for store in self.stores:
                objects_of(store).index.close()
                store.close()
            _make_writable(self.folder)
            shutil.rmtree(self.folder)

    # --- the folder from which files come

    @rule(path=PATHS, content=CONTENTS, executable=st.booleans())
    def write(self, path: str, content: bytes, executable: bool) -> None:
        file = clear(self.work, path)
        file.write_bytes(content)
        file.chmod(0o755 if executable else 0o644)

    @rule(path=PATHS)
    def make_folder(self, path: str) -> None:
        clear(self.work, path).mkdir()

    @rule(path=PATHS, leads_to=st.sampled_from(("a", "b", "nowhere")))
    def make_link(self, path: str, leads_to: str) -> None:
        clear(self.work, path).symlink_to(leads_to)

    @rule(data=st.data(), to=PATHS)
    def move(self, data: st.DataObject, to: str) -> None:
        if paths := sorted(tree_of(self.work)):
            path = data.draw(st.sampled_from(paths))
            if path == to or to.startswith(f"{path}/") or path.startswith(f"{to}/"):
                return
            os.rename(self.work / path, clear(self.work, to))

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        if paths := sorted(tree_of(self.work)):
            clear(self.work, data.draw(st.sampled_from(paths)))

    # --- drafts

    @rule(target=drafts, dataset=st.sampled_from(DATASETS), machine=st.integers(0, 1))
    def begin(self, dataset: str, machine: int) -> Drafted:
        project, _, name = dataset.rpartition("/")
        return self._opened(Dataset.create(project, name, store=self.stores[machine]), dataset, {}, ())

    @rule(target=drafts, version=versions, machine=st.integers(0, 1))
    def begin_from(self, version: Version, machine: int) -> object:
        try:
            handle = Dataset.get(id=version.id, writable_copy=True, store=self.stores[machine])
        except VersionRefused:
            assert version.id in self.deleted
            return multiple()
        assert version.id not in self.deleted
        return self._opened(handle, version.dataset, version.tree, (version.id,))

    @rule(target=drafts, first=versions, second=versions, dataset=st.sampled_from(DATASETS), machine=st.integers(0, 1))
    def begin_from_two(self, first: Version, second: Version, dataset: str, machine: int) -> object:
        project, _, name = dataset.rpartition("/")
        try:
            handle = Dataset.create(project, name, parents=[first.id, second.id], store=self.stores[machine])
        except VersionRefused:
            assert {first.id, second.id} & self.deleted
            return multiple()
        bases = self._common_ancestors([first.id], second.id)
        tree = joined([self.known[id].tree for id in bases], first.tree, second.tree)
        return self._opened(handle, dataset, tree, tuple(dict.fromkeys((first.id, second.id))))

    @rule(draft=drafts, at=st.one_of(st.just(""), PATHS))
    def sync(self, draft: Drafted, at: str) -> None:
        if draft in self.open:
            draft.handle.sync_folder(self.work, dataset_path=at, allow_empty=True)
            draft.tree = synced(draft.tree, tree_of(self.work), at)

    @rule(draft=drafts, at=st.one_of(st.just(""), PATHS))
    def add(self, draft: Drafted, at: str) -> None:
        if draft in self.open:
            draft.handle.add_files(self.work, dataset_path=at)
            draft.tree = overlaid(draft.tree, tree_of(self.work), at)

    @rule(draft=drafts, at=st.one_of(st.just(""), PATHS), data=st.data())
    def add_file(self, draft: Drafted, at: str, data: st.DataObject) -> None:
        files = sorted(path for path, item in tree_of(self.work).items() if item.kind == "f")
        if draft in self.open and files:
            path = data.draw(st.sampled_from(files))
            item = tree_of(self.work)[path]
            draft.handle.add_files(self.work / path, dataset_path=at)
            name = path.rpartition("/")[2]
            same_suffix = at.endswith(".csv") and name.endswith(".csv")
            where = at if same_suffix else f"{at}/{name}" if at else name
            draft.tree = overlaid(draft.tree, {where: item})

    @rule(draft=drafts, data=st.data())
    def remove(self, draft: Drafted, data: st.DataObject) -> None:
        if draft in self.open and draft.tree:
            path = data.draw(st.sampled_from(sorted(draft.tree)))
            if data.draw(st.booleans()):
                path = path.partition("/")[0]
            draft.handle.remove_files(path)
            draft.tree = without(draft.tree, path)

    @rule(draft=consumes(drafts))
    def discard(self, draft: Drafted) -> None:
        if draft in self.open:
            draft.handle.discard()
            self.open.remove(draft)

    @rule(target=drafts, draft=consumes(drafts), machine=st.integers(0, 1))
    def take_up(self, draft: Drafted, machine: int) -> object:
        """The draft's process has died; another one, perhaps elsewhere, goes on."""
        if draft not in self.open:
            return multiple()
        draft.handle._background.close()
        draft.handle = Dataset.get(id=draft.handle.id, store=self.stores[machine])
        return draft

    # --- versions

    @rule(target=versions, draft=drafts, on_conflict=st.sampled_from(("raise", "merge", "branch")))
    def finalize(self, draft: Drafted, on_conflict: str) -> object:
        if draft not in self.open:
            return multiple()
        head = self._head(draft.dataset)
        tree = draft.tree
        if self._is_nothing_new(draft):
            assert draft.handle.finalize(on_conflict=on_conflict) is False
            assert draft.handle.id == draft.parents[0]
            self.open.remove(draft)
            return multiple()
        if head is not None and not self._holds(draft.parents, head.id) and on_conflict != "branch":
            bases = self._common_ancestors(draft.parents, head.id)
            outcomes = [merged(self.known[id].tree, draft.tree, head.tree) for id in bases]
            outcomes = outcomes or [merged({}, draft.tree, head.tree)]
            both = outcomes[0] if on_conflict == "merge" and outcomes.count(outcomes[0]) == len(outcomes) else None
            if set(bases) & self.deleted and both is not None:
                try:  # it may be collected by now
                    draft.handle.finalize(on_conflict=on_conflict)
                except VersionConflict:
                    return multiple()
                self.open.remove(draft)
                return self._made(draft.handle, draft.dataset, both, (head.id, *draft.parents))
            if both is None:
                try:
                    draft.handle.finalize(on_conflict=on_conflict)
                except VersionConflict:
                    return multiple()
                raise AssertionError("a conflict was not told")
            tree, parents = both, (head.id, *draft.parents)
        else:
            parents = draft.parents
        draft.handle.finalize(on_conflict=on_conflict)
        self.open.remove(draft)
        return self._made(draft.handle, draft.dataset, tree, parents)

    @rule(target=versions, dataset=st.sampled_from(DATASETS), data=st.data(), machine=st.integers(0, 1))
    def squash(self, dataset: str, data: st.DataObject, machine: int) -> object:
        there = [version for version in self.known.values() if version.id not in self.deleted]
        if not there:
            return multiple()
        chosen = data.draw(st.lists(st.sampled_from(there), min_size=1, max_size=3))
        project, _, name = dataset.rpartition("/")
        made = Dataset.squash(project, name, [v.id for v in chosen], store=self.stores[machine])
        tree: Tree = {}
        for version in chosen:
            tree = overlaid(tree, version.tree)
        return self._made(made, dataset, tree, ())

    @rule(version=versions, machine=st.integers(0, 1))
    def delete(self, version: Version, machine: int) -> None:
        self._get(version, machine).delete()
        self.deleted.add(version.id)

    @rule(version=versions, machine=st.integers(0, 1), kind=st.sampled_from(("mutable", "shared", "linked")))
    def check_out(self, version: Version, machine: int, kind: str) -> None:
        if version.id not in self.deleted:
            self._check_out(version, machine, kind)

    @rule(first=versions, second=versions, machine=st.integers(0, 1))
    def compare(self, first: Version, second: Version, machine: int) -> None:
        if {first.id, second.id} & self.deleted:
            return
        found = self._get(second, machine).diff(first.id)
        paths = {entry.path for change in found for entry in (change.before, change.after) if entry is not None}
        differing = {p for p in {*first.tree, *second.tree} if first.tree.get(p) != second.tree.get(p)}
        assert paths == differing

    @rule(machine=st.integers(0, 1))
    def collect(self, machine: int) -> None:
        collect(objects_of(self.stores[machine]), grace=timedelta(0))

    @precondition(lambda self: self.open or self.known)
    @rule(machine=st.integers(0, 1))
    def lose_cache(self, machine: int) -> None:
        """Somebody empties a cache."""
        cache = objects_of(self.stores[machine]).cache
        objects_of(self.stores[machine]).index.close()
        _make_writable(cache)
        shutil.rmtree(cache, ignore_errors=True)

    @invariant()
    def drafts_hold_what_was_put_into_them(self) -> None:
        for draft in self.open[-1:]:
            held = [(e.path, str(e.kind)[0], e.executable) for e in draft.handle.entries()]
            kinds = {"c": "f", "f": "f", "l": "l", "d": "d"}
            assert {p: (kinds[k], x) for p, k, x in held} == {
                p: (item.kind, item.executable) for p, item in draft.tree.items()
            }

    # --- inside

    def _opened(self, handle: Dataset, dataset: str, tree: Tree, parents: tuple[int, ...]) -> Drafted:
        draft = Drafted(handle, dataset, dict(tree), parents)
        self.open.append(draft)
        return draft

    def _made(self, handle: Dataset, dataset: str, tree: Tree, parents: tuple[int, ...]) -> Version:
        assert handle.version is not None
        assert handle.version not in self.numbers[dataset]
        self.numbers[dataset].append(handle.version)
        made = Version(dataset, handle.id, tree, parents)
        self.known[made.id] = made
        return made

    def _is_nothing_new(self, draft: Drafted) -> bool:
        if len(draft.parents) != 1 or draft.parents[0] in self.deleted:
            return False
        parent = self.known[draft.parents[0]]
        return (parent.dataset, parent.tree) == (draft.dataset, draft.tree)

    def _holds(self, parents: tuple[int, ...], version: int) -> bool:
        return any(version in self._ancestors(parent) for parent in parents)

    def _ancestors(self, version: int) -> set[int]:
        """With itself."""
        return {version}.union(*(self._ancestors(parent) for parent in self.known[version].parents))

    def _common_ancestors(self, ours: Sequence[int], theirs: int) -> list[int]:
        """The nearest ones."""
        common = set().union(*(self._ancestors(version) for version in ours)) & self._ancestors(theirs)
        return sorted(v for v in common if not any(v != other and v in self._ancestors(other) for other in common))

    def _head(self, dataset: str) -> Version | None:
        there = [v for v in self.known.values() if v.dataset == dataset and v.id not in self.deleted]
        return max(there, key=lambda v: self._order(v), default=None)

    def _order(self, version: Version) -> list[int]:
        number = Dataset.get(id=version.id, store=self.stores[0]).version
        return [int(part) for part in str(number).split(".")]

    def _get(self, version: Version, machine: int) -> Dataset:
        return Dataset.get(id=version.id, store=self.stores[machine])

    def _check_out(self, version: Version, machine: int, kind: str) -> None:
        handle = self._get(version, machine)
        self.copies += 1
        target = self.folder / f"copy-{self.copies}"
        ways: dict[str, Callable[[], Path]] = {
            "mutable": lambda: handle.get_mutable_local_copy(target),
            "shared": lambda: handle.get_local_copy(),
            "linked": lambda: handle.get_linked_copy(target),
        }
        found = tree_of(ways[kind]())
        assert found == shown(version.tree)


def _make_writable(folder: Path) -> None:
    for at, _, _ in os.walk(folder):
        os.chmod(at, 0o700)
