"""Verifying a version: every byte that it needs is read and compared with its name; what is damaged is healed where
another copy of it is on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from meristem.datasets.copies.layout import Layout
from meristem.datasets.keeping import store_again
from meristem.datasets.objects import Objects
from meristem.datasets.reading import Progress
from meristem.errors import MeristemError, ObjectDamaged, ObjectMissing
from meristem.manifests.entry import Entry, Kind
from meristem.manifests.recipe import decode_recipe
from meristem.manifests.tree import Tree
from meristem.packs.format import name_of

if TYPE_CHECKING:
    from meristem.datasets.version import Version

_AT_ONCE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """An object of a version that is not what it should be.

    Attributes:
        pack: The pack in which it lies; None: it is in none.
        paths: Files that need it, at most a hundred; empty: the manifest itself does.
        healed: It was stored again, from another copy.
    """

    object: str
    pack: str | None
    paths: tuple[str, ...]
    healed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What verifying found.

    Attributes:
        files, bytes, objects: How much was read.
        damages: What is wrong; empty: nothing is.
    """

    files: int
    bytes: int
    objects: int
    damages: tuple[Damage, ...] = field(default=())

    @property
    def is_whole(self) -> bool:
        """Whether everything is there, perhaps since it was healed."""
        return all(damage.healed for damage in self.damages)


def verify(dataset: Version, *, heal: bool, sources: Sequence[Path] = (), progress: Progress | None = None) -> Verdict:
    """Reads all that a version needs, past every cache.

    Args:
        sources: Folders in which its files may lie too, to be healed from, beside the local copies.
    """
    objects = dataset.objects
    objects.refresh(whole=True)
    wrong: dict[str, str | None] = {}
    try:
        needed = _needed(objects, dataset.row.root)
        read, size = 0, 0
        total = dataset.tree.bytes_count
        for batch in _batches(needed):
            for _, content in _each(objects, batch, wrong):
                read, size = read + 1, size + len(content)
            if progress is not None:
                progress(min(size, total), total)
        files = dataset.tree.entries_count
    except (ObjectMissing, ObjectDamaged) as error:  # of the manifest: what lies below cannot be known
        wrong[error.name] = getattr(error, "pack", None)
        read = size = files = 0
    if not wrong:
        return Verdict(files=files, bytes=size, objects=read)
    healed = _heal(objects, dataset.row.root, set(wrong), sources) if heal else set()
    paths = _paths(objects, dataset.row.root, set(wrong))
    damages = [
        Damage(object=name, pack=pack, paths=tuple(paths.get(name, ())), healed=name in healed)
        for name, pack in wrong.items()
    ]
    return Verdict(files=files, bytes=size, objects=read, damages=tuple(damages))


def _needed(objects: Objects, root: str) -> Iterator[str]:
    seen: set[str] = set()
    walked: set[str] = set()  # without files, which may have the bytes of a node or recipe
    for what, name in Tree(root, objects).names_new(walked.__contains__):
        if what != "chunk":
            walked.add(name)
        if name not in seen:
            seen.add(name)
            yield name


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    waiting = iter(names)
    while batch := list(islice(waiting, _AT_ONCE)):
        yield batch


def _each(objects: Objects, names: list[str], wrong: dict[str, str | None]) -> Iterator[tuple[str, bytes]]:
    """The objects that are whole; of the others, `wrong` says in which pack they lie."""
    left = list(names)
    while left:
        found: set[str] = set()
        try:
            for name, content in objects.reader.get_many(left):
                found.add(name)
                yield name, content
            return
        except (ObjectDamaged, ObjectMissing) as error:
            wrong[error.name] = getattr(error, "pack", None)
            found.add(error.name)
        left = [name for name in left if name not in found]


def _paths(objects: Objects, root: str, names: set[str]) -> dict[str, list[str]]:
    """The files that need some objects, at most a hundred each."""
    found: dict[str, list[str]] = {}

    def add(name: str, path: str) -> None:
        if name in names and len(found.setdefault(name, [])) < 100:
            found[name].append(path)

    try:
        for entry in Tree(root, objects).entries():
            for name in _names_of(objects, entry):
                add(name, entry.path)
    except MeristemError:
        pass  # a manifest that is damaged names what can be read of it
    return found


def _names_of(objects: Objects, entry: Entry) -> Iterator[str]:
    if entry.kind not in (Kind.FILE, Kind.CHUNKED):
        return
    yield entry.content
    if entry.kind is Kind.CHUNKED:
        try:
            recipe = decode_recipe(objects.load(entry.content), size=entry.size, path=entry.path)
        except (ObjectMissing, ObjectDamaged):
            return
        yield from (name for name, _ in recipe)


def _heal(objects: Objects, root: str, names: set[str], sources: Sequence[Path]) -> set[str]:
    """Stores objects again that can be had from copies on this machine; returns which."""
    found: dict[str, bytes] = {}
    for name, content in _copies(objects, root, names, sources):
        if name in names and name not in found and name_of(content) == name:
            found[name] = content
    if found:
        store_again(objects, found.values())
    return set(found)


def _copies(objects: Objects, root: str, names: set[str], sources: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """What may be the objects: files of local copies, cut as they were when they were stored."""
    try:
        entries = [e for e in Tree(root, objects).entries() if names & set(_names_of(objects, e))]
    except MeristemError:
        return
    layout = Layout(objects.cache)
    folders = [*sources, *(layout.copy(key) for key in layout.list_keys())]
    for entry in entries:
        for folder in folders:
            yield from _pieces(objects, entry, folder / entry.path, names)


def _pieces(objects: Objects, entry: Entry, file: Path, names: set[str]) -> Iterator[tuple[str, bytes]]:
    try:
        with open(file, "rb") as stream:
            if entry.kind is Kind.FILE:
                yield entry.content, stream.read()
                return
            for name, length in decode_recipe(objects.load(entry.content), size=entry.size, path=entry.path):
                if name in names:
                    yield name, stream.read(length)
                else:
                    stream.seek(length, 1)
    except (OSError, ObjectMissing, ObjectDamaged):
        return
