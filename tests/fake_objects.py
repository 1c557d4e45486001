"""Objects kept in memory, as a writer, an index and nodes see them: for tests of what puts and reads objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from blake3 import blake3

from meristem.datasets.folders import FolderSync, StatCache, look, read
from meristem.errors import ObjectMissing
from meristem.manifests.entry import EMPTY_OBJECT, Entry, Kind
from meristem.manifests.recipe import decode_recipe
from meristem.manifests.tree import EMPTY, Tree


class FakeObjects:
    """`put` stores, `load` and `get` give back, `known` says what is there; `reads` counts what was put of files."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.puts = 0
        self.flushes = 0
        self.on_put: Callable[[], None] = lambda: None

    def put(self, content: bytes | memoryview, *, suffix: str = "") -> str:
        self.puts += 1
        self.on_put()
        name = str(blake3(content).hexdigest())
        if len(content):
            self.contents[name] = bytes(content)
        return name

    def flush(self) -> None:
        self.flushes += 1

    def load(self, name: str) -> bytes:
        if name == EMPTY_OBJECT:
            return b""
        try:
            return self.contents[name]
        except KeyError:
            raise ObjectMissing(name, "memory") from None

    def known(self, names: Sequence[str]) -> set[str]:
        return {name for name in names if name in self.contents}


class SyncedFolder:
    """A folder that is brought into a manifest again and again, with a stat cache of its own."""

    def __init__(self, folder: Path, cache: Path, objects: FakeObjects | None = None) -> None:
        self.folder = folder
        self.cache = StatCache(cache)
        self.objects = objects or FakeObjects()
        self.root = EMPTY
        self.files_read = 0

    def sync(self, *, dataset_path: str = "", add: bool = False, confirm: bool = True, **selection: object) -> str:
        """Brings it into `self.root` and returns the new root; `files_read` says how many files were read."""
        with look(self.folder, self.cache, **selection) as seen:  # type: ignore[arg-type]
            folder_sync = FolderSync(seen, self.tree, self.objects, dataset_path=dataset_path, add=add)
            if folder_sync.is_unchanged:
                self.files_read = 0
                return self.root
            if confirm:
                folder_sync.confirm(self.objects.known, self.objects.load)
            self.files_read = seen.files_to_read
            read(seen, self.objects, threads=2)
            self.root = folder_sync.apply(self.objects.put)
            self.objects.flush()
            folder_sync.remember(self.root)
        return self.root

    @property
    def tree(self) -> Tree:
        return Tree(self.root, self.objects)

    def entries(self) -> dict[str, Entry]:
        return {entry.path: entry for entry in self.tree.entries()}

    def content(self, path: str) -> bytes:
        """The bytes of a file, put together from its chunks."""

        entry = self.tree.get(path)
        if entry.kind is Kind.FILE:
            return self.objects.load(entry.content)
        recipe = decode_recipe(self.objects.load(entry.content), size=entry.size, path=path)
        return b"".join(self.objects.load(name) for name, _ in recipe)
