"""Healing a version: what is damaged or lost is stored again, from copies of its files on this machine.

The objects of files are cut from copies as they were when they were stored. The nodes of manifests follow from the
files: a folder that holds what the version does makes the same ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from meristem.datasets.copies.layout import Layout
from meristem.datasets.folders.file_reading import RECIPE
from meristem.datasets.folders.ingest import read
from meristem.datasets.folders.looking import look
from meristem.datasets.folders.stat_cache import StatCache
from meristem.datasets.folders.syncing import FolderSync
from meristem.datasets.keeping import store_again
from meristem.datasets.objects import Objects
from meristem.errors import InputError, ObjectDamaged, ObjectMissing
from meristem.manifests.entry import Entry, Kind
from meristem.manifests.recipe import decode_recipe
from meristem.manifests.tree import EMPTY, Tree
from meristem.packs.format import name_of

_AT_ONCE_BYTES = 64 << 20  # that are held in memory


def names_of(objects: Objects, entry: Entry) -> Iterator[str]:
    """The objects that a file needs; of one whose recipe is damaged, that one."""
    if entry.kind not in (Kind.FILE, Kind.CHUNKED):
        return
    yield entry.content
    if entry.kind is Kind.CHUNKED:
        try:
            recipe = decode_recipe(objects.load(entry.content), size=entry.size, path=entry.path)
        except (ObjectMissing, ObjectDamaged):
            return
        yield from (name for name, _ in recipe)


def whole_ones(objects: Objects, names: Collection[str], wrong: dict[str, str | None]) -> Iterator[tuple[str, bytes]]:
    """The objects that are whole; of the others, `wrong` says in which pack they lie."""
    for name, content in objects.reader.get_each(names):
        if isinstance(content, Exception):
            wrong[name] = getattr(content, "pack", None)
        else:
            yield name, content


def heal_manifest(objects: Objects, root: str, sources: Sequence[Path], wrong: dict[str, str | None]) -> set[str]:
    """Stores nodes and recipes of a manifest again that can be made anew from copies of it; returns which.

    Args:
        wrong: Is told of each that was damaged, and in which pack it lies.
    """
    for folder in (Layout(objects.cache).copy(root), *sources):
        made = _nodes_of(folder)
        if root not in made:
            continue  # the folder holds something else
        damaged: dict[str, str | None] = {}
        for _ in whole_ones(objects, made, damaged):
            pass
        store_again(objects, [made[name] for name in damaged])
        wrong |= damaged
        return set(damaged)
    return set()


def _nodes_of(folder: Path) -> dict[str, bytes]:
    """The nodes and recipes of the manifest that a folder makes."""
    made: dict[str, bytes] = {}

    class Nodes:
        def put(self, content: bytes | memoryview, *, suffix: str = "") -> str:
            return self.save(bytes(content)) if suffix == RECIPE else name_of(content)

        def flush(self) -> None: ...

        def load(self, name: str) -> bytes:
            return made[name]

        def save(self, content: bytes) -> str:
            name = name_of(content)
            made[name] = content
            return name

    nodes = Nodes()
    try:
        # With a cache that knows nothing: every file is read, and so every recipe made.
        with TemporaryDirectory(prefix="meristem-heal-") as empty, look(folder, StatCache(Path(empty) / "s")) as seen:
            read(seen, nodes)
            FolderSync(seen, Tree(EMPTY, nodes), nodes).apply(nodes.save)
    except InputError:  # it is not there, or holds what no version does
        return {}
    return made


def heal_files(objects: Objects, root: str, names: Collection[str], sources: Sequence[Path]) -> set[str]:
    """Stores objects of files again that can be had from copies on this machine; returns which."""
    wanted, healed = set(names), set[str]()
    batch: list[bytes] = []
    for name, content in _copies(objects, root, wanted, sources):
        if name not in wanted or name_of(content) != name:
            continue
        wanted.discard(name)
        healed.add(name)
        batch.append(content)
        if sum(map(len, batch)) >= _AT_ONCE_BYTES:
            store_again(objects, batch)
            batch = []
    if batch:
        store_again(objects, batch)
    return healed


def _copies(
    objects: Objects, root: str, wanted: Collection[str], sources: Sequence[Path]
) -> Iterator[tuple[str, bytes]]:
    """What may be the objects, as long as they are wanted: of local copies' files, cut as they were when stored."""
    layout = Layout(objects.cache)
    folders = [*sources, *(layout.copy(key) for key in layout.list_keys())]
    try:
        for entry in Tree(root, objects).entries():
            for folder in folders:
                if wanted and not set(names_of(objects, entry)).isdisjoint(wanted):
                    yield from _pieces(objects, entry, folder / entry.path, wanted)
    except (ObjectMissing, ObjectDamaged):  # of the manifest: what lies below cannot be known
        return


def _pieces(objects: Objects, entry: Entry, file: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    try:
        if not file.is_file() or file.stat().st_size != entry.size:
            return
        with open(file, "rb") as stream:
            if entry.kind is Kind.FILE:
                yield entry.content, stream.read(entry.size)
                return
            for name, length in decode_recipe(objects.load(entry.content), size=entry.size, path=entry.path):
                if name in wanted:
                    yield name, stream.read(length)
                else:
                    stream.seek(length, 1)
    except (OSError, ObjectMissing, ObjectDamaged):
        return
