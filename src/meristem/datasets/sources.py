"""What a call names to be added: files, folders, globs; and where in the dataset each of them goes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from glob import glob, has_magic
from itertools import takewhile
from os import fspath
from pathlib import Path
from typing import NamedTuple

from meristem.datasets.copies.own import STAGING
from meristem.datasets.folders.looking import Look, look
from meristem.datasets.folders.selecting import select
from meristem.datasets.folders.stat_cache import StatCache
from meristem.datasets.objects import Objects
from meristem.errors import InputError

_STAT_CACHE = "stats.db"


class Addition(NamedTuple):
    """What one `Dataset.add_files` names; see there."""

    path: Path | str
    dataset_path: str = ""
    wildcard: str | Sequence[str] | None = None
    recursive: bool = True


class Source(NamedTuple):
    """A folder or a file, and where in the dataset it goes.

    Attributes:
        only: The files of the folder that are meant, which `glob` matched; none: all that fit the wildcard.
        name: What a single file is called in the dataset; "" for a folder.
    """

    path: Path
    dataset_path: str
    wildcard: str | Sequence[str] | None = None
    recursive: bool = True
    only: tuple[str, ...] = ()
    glob: str = ""
    name: str = ""

    @property
    def targets(self) -> list[str]:
        """The paths in the dataset of files that were named one by one; none: a whole folder."""
        prefix = f"{self.dataset_path}/" if self.dataset_path else ""
        return [prefix + name for name in ([self.name] if self.name else self.only)]


def sources_of(addition: Addition) -> Iterator[Source]:
    """The folders and files that a call names. Of the files that a glob matches those of one folder come together, and
    its folders keep their names; what lies in one of them is not named twice.

    Raises:
        InputError: A glob matches nothing, or files of one name.
    """
    text, target = fspath(addition.path), addition.dataset_path.strip("/")
    if not text:
        raise InputError("An empty text names no file.", fix="'.' is the current folder.")
    if os.path.lexists(text) or not has_magic(text):
        yield _single(addition, Path(text), target)
        return
    found = sorted(glob(text, recursive=True))
    if not found:
        raise InputError(f"Nothing matches {text!r}.")
    folders = _outermost([one for one in found if os.path.isdir(one) and not os.path.islink(one)])
    within = set(folders)
    files = [one for one in found if one.rstrip("/") not in within and not _lies_in(one, within)]
    if len(files) == 1 and not folders and not os.path.islink(files[0]):
        yield _single(addition, Path(files[0]), target)
        return
    refuse_twins((os.path.basename(one), one) for one in files)
    selection = select(addition.wildcard, recursive=False, follow=False)
    together: dict[str, list[str]] = {}
    for one in files:
        folder, name = os.path.split(one)
        if selection.takes("", name):
            together.setdefault(folder, []).append(name)
    for folder, names in together.items():
        yield Source(Path(folder), target, only=tuple(names), glob=text)
    above = "/".join(takewhile(lambda part: not has_magic(part), text.split("/")))  # what `**` finds, too
    for folder in folders:
        name = "" if folder == above else os.path.basename(folder)
        below = "/".join(part for part in (target, name) if part)
        yield Source(Path(folder), below, addition.wildcard, addition.recursive)


def _outermost(folders: Iterable[str]) -> list[str]:
    """Those that lie in no other one."""
    given = {folder.rstrip("/") or "/" for folder in folders}
    return sorted(folder for folder in given if not _lies_in(folder, given))


def _lies_in(path: str, folders: Collection[str]) -> bool:
    path = path.rstrip("/")
    while (above := os.path.dirname(path)) != path:
        if above in folders:
            return True
        path = above
    return False


def look_at(objects: Objects, source: Source) -> Look:
    """What lies there, beside what was known of it. Close it.

    Raises:
        InputError: There is nothing, or a copy of a version into that folder is not finished.
    """
    path = source.path
    if path.is_dir() and not source.only and any(name.startswith(STAGING) for name in os.listdir(path)):
        raise InputError(
            f"A copy of a version into {fspath(path)!r} is not finished: files are missing or empty.",
            fix="Repeat the command that copied it (meristem data get … --to), or remove the folder "
            f"{STAGING}… in it where you know what you have.",
        )
    return look(
        path,
        StatCache(objects.cache / _STAT_CACHE),
        wildcard=source.wildcard,
        recursive=source.recursive,
        only=source.only,
        glob=source.glob,
        skip=objects.own_files(),
    )


def refuse_twins_in(sources: Sequence[Source], objects: Objects) -> None:
    """Raises where folders and files that one call names have files of one path in the dataset."""
    if len(sources) > 1:
        refuse_twins(each for source in sources for each in _paths_of(source, objects))


def _paths_of(source: Source, objects: Objects) -> Iterator[tuple[str, str]]:
    """Each path in the dataset, and which file becomes it."""
    if source.targets:
        names = source.only or (source.path.name,)
        folder = source.path if source.only else source.path.parent
        yield from ((target, fspath(folder / name)) for target, name in zip(source.targets, names, strict=True))
        return
    prefix = f"{source.dataset_path}/" if source.dataset_path else ""
    with look_at(objects, source) as seen:
        for within, record in seen.records():
            for name in record.names if not record.is_empty_folder else ():
                path = f"{within}/{name}" if within else name
                yield prefix + path, fspath(source.path / path)


def refuse_twins(given: Iterable[tuple[str, str]]) -> None:
    """Raises where one call would put two sources at one path: one would be lost.

    Args:
        given: Paths in the dataset, each with where it comes from.
    """
    first: dict[str, str] = {}
    for path, source in given:
        other = first.setdefault(path, source)
        if other != source:
            fix = "Add them one by one with dataset_path=, or the folder above them."
            raise InputError(f"{other} and {source} would both be {path!r}.", fix=fix)


def _single(addition: Addition, path: Path, target: str) -> Source:
    """One path. A file goes into the folder `target`, or with the same suffix becomes it; a link is followed, and
    what it leads to is called as the link is."""
    if path.is_dir():
        return Source(path, target, addition.wildcard, addition.recursive)
    if target and path.suffix and Path(target).suffix == path.suffix:
        folder, _, name = target.rpartition("/")
        return Source(path, folder, name=name)
    return Source(path, target, name=path.name)
