"""Verifying a version: every byte that it needs is read and compared with its name; what is damaged is healed where
another copy of it is on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from meristem.datasets.healing import heal_files, heal_manifest, names_of, whole_ones
from meristem.datasets.objects import Objects
from meristem.datasets.reading import Progress
from meristem.errors import MeristemError, ObjectDamaged, ObjectMissing
from meristem.manifests.tree import Tree

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
    objects, root = dataset.objects, dataset.row.root
    objects.forget()
    objects.refresh(whole=True)
    wrong: dict[str, str | None] = {}  # objects, with the packs in which they lie
    healed: set[str] = set()
    counts = _read(objects, root, wrong, progress)
    if counts is None and heal:
        healed = heal_manifest(objects, root, sources, wrong)
        counts = _read(objects, root, wrong, progress)
    files, read, size = counts or (0, 0, 0)
    if wrong.keys() - healed and heal:
        healed |= heal_files(objects, root, wrong.keys() - healed, sources)
    paths = _paths(objects, root, set(wrong)) if wrong else {}
    damages = [
        Damage(object=name, pack=pack, paths=tuple(paths.get(name, ())), healed=name in healed)
        for name, pack in wrong.items()
    ]
    return Verdict(files=files, bytes=size, objects=read, damages=tuple(damages))


def _read(
    objects: Objects, root: str, wrong: dict[str, str | None], progress: Progress | None
) -> tuple[int, int, int] | None:
    """Reads all that a manifest needs; returns how many files, objects and bytes. None: the manifest itself is
    damaged, so that what lies below cannot be known."""
    tree = Tree(root, objects)
    read = size = 0
    try:
        total = tree.bytes_count
        for batch in _batches(_needed(objects, root)):
            for _, content in whole_ones(objects, batch, wrong):
                read, size = read + 1, size + len(content)
            if progress is not None:
                progress(min(size, total), total)
        return tree.entries_count, read, size
    except (ObjectMissing, ObjectDamaged) as error:
        wrong[error.name] = getattr(error, "pack", None)
        return None


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


def _paths(objects: Objects, root: str, names: set[str]) -> dict[str, list[str]]:
    """The files that need some objects, at most a hundred each."""
    found: dict[str, list[str]] = {}

    def add(name: str, path: str) -> None:
        if name in names and len(found.setdefault(name, [])) < 100:
            found[name].append(path)

    try:
        for entry in Tree(root, objects).entries():
            for name in names_of(objects, entry):
                add(name, entry.path)
    except MeristemError:
        pass  # a manifest that is damaged names what can be read of it
    return found
