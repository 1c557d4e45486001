"""Reading a version: which files are meant, copies of them, single files, differences; and noting who reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from meristem import present
from meristem.datasets.copies import own, shared
from meristem.datasets.copies.arriving import Tell, log
from meristem.datasets.external import fetch, write_external
from meristem.errors import InputError
from meristem.manifests.changes import Change, differences, with_moves
from meristem.manifests.entry import Entry, Kind
from meristem.manifests.recipe import decode_recipe
from meristem.manifests.tree import Tree
from meristem.store.dataset_rows import ReaderKind
from meristem.store.store import Store

if TYPE_CHECKING:
    from meristem.datasets.version import Version

Progress = Callable[[int, int | None], object]  # bytes done, bytes in all where that is known

_GLOB = frozenset("*?[")
LIMIT_VARIABLE = "MERISTEM_CACHE_LIMIT"  # bytes, of local copies
_DEFAULT_LIMIT_BYTES = 100 << 30


def select(tree: Tree, what: str = "", *, recursive: bool = True, folders: bool = False) -> Iterator[Entry]:
    """Entries of a file, of a folder, or that match a glob (in which `*` also stands for `/`).

    Args:
        recursive: Also what lies in folders of the folder.
        folders: Also empty folders.
    """
    what = what.replace(os.sep, "/").strip("/")
    what = "" if what == "." else what
    if _GLOB & set(what) and tree.find(what) is None:
        head = what[: min(what.index(c) for c in _GLOB if c in what)]
        found: Iterator[Entry] = (e for e in tree.entries(prefix=head) if fnmatchcase(e.path, what))
    else:
        found = _below(tree, what)
    depth = what.count("/") + (1 if what else 0)
    for entry in found:
        if (folders or entry.kind is not Kind.FOLDER) and (recursive or entry.path.count("/") <= depth):
            yield entry


def _below(tree: Tree, folder: str) -> Iterator[Entry]:
    if not folder:
        yield from tree.entries()
        return
    if (entry := tree.find(folder)) is not None:
        yield entry
    yield from tree.entries(prefix=f"{folder}/")


def changes(before: Tree, after: Tree) -> list[Change]:
    """What differs, in order of paths; files that were only moved are paired."""
    return with_moves(differences(before, after))


def local_copy(
    dataset: Version,
    *,
    part: int | None,
    num_parts: int | None,
    files: Sequence[str] | None,
    progress: Progress | None,
) -> Path:
    objects = dataset.objects
    return shared.local_copy(
        dataset.tree,
        objects.reader,
        cache=objects.cache,
        part=part,
        num_parts=num_parts,
        files=files,
        limit_bytes=cache_limit_bytes(),
        progress=counted(progress, _total(dataset, part, files)),
        fetch_external=write_external,
    )


def mutable_copy(
    dataset: Version,
    folder: Path,
    *,
    overwrite: bool,
    exact: bool,
    part: int | None,
    num_parts: int | None,
    files: Sequence[str] | None,
    progress: Progress | None,
    tell: Tell | None,
) -> Path:
    objects = dataset.objects
    return own.mutable_copy(
        dataset.tree,
        objects.reader,
        folder,
        cache=objects.cache,
        overwrite=overwrite,
        exact=exact,
        own_files=objects.own_files(),
        part=part,
        num_parts=num_parts,
        files=files,
        progress=counted(progress, _total(dataset, part, files)),
        fetch_external=write_external,
        tell=tell or log.info,
    )


def linked_copy(
    dataset: Version,
    folder: Path,
    *,
    overwrite: bool,
    exact: bool,
    part: int | None,
    num_parts: int | None,
    files: Sequence[str] | None,
    progress: Progress | None,
    tell: Tell | None,
) -> Path:
    objects = dataset.objects
    return own.link_copy(
        dataset.tree,
        objects.reader,
        folder,
        objects.cache,
        overwrite=overwrite,
        exact=exact,
        own_files=objects.own_files(),
        part=part,
        num_parts=num_parts,
        files=files,
        limit_bytes=cache_limit_bytes(),
        progress=counted(progress, _total(dataset, part, files)),
        fetch_external=write_external,
        tell=tell or log.info,
    )


def _total(dataset: Version, part: int | None, files: Sequence[str] | None) -> int | None:
    """Bytes of a copy, where that is known without looking at every file."""
    return dataset.size_bytes if part is None and files is None else None


def read_file(dataset: Version, path: str) -> bytes:
    """The content of one file.

    Raises:
        EntryNotFound: There is no such path.
        InputError: It is no file.
    """
    entry = dataset.tree.get(path)
    if entry.kind is Kind.LINK:
        raise InputError(f"{path!r} is a link to {entry.content!r}.", fix="Read that, or a local copy.")
    if entry.kind is Kind.FOLDER:
        raise InputError(f"{path!r} is a folder.")
    return b"".join(blocks(dataset, entry, 0, entry.size))


def blocks(dataset: Version, entry: Entry, start: int, stop: int) -> Iterator[bytes]:
    """The bytes of a file from `start` to `stop`, in order; of chunks that lie outside nothing is read."""
    reader = dataset.objects.reader
    if entry.kind is Kind.EXTERNAL:
        with fetch(entry) as stream:
            stream.seek(start)
            yield stream.read(max(stop - start, 0))
        return
    if entry.kind is Kind.FILE:
        yield reader.get(entry.content)[start:stop]
        return
    at = 0
    for name, length in decode_recipe(dataset.objects.load(entry.content), size=entry.size, path=entry.path):
        if at + length > start and at < stop:
            yield reader.get(name)[max(start - at, 0) : stop - at]
        at += length


def counted(progress: Progress | None, total: int | None) -> Callable[[int], None]:
    """Counts the bytes that are done for whoever wants to see how far it is."""
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    return tell


def note(store: Store, version: int) -> None:
    """Notes that what runs here has read a version: a task, or a trial and its study."""
    running = present.here()
    if running is None:
        return
    store.dataset_readers.note(version, ReaderKind(running.kind), running.name)
    if running.kind == "trial":
        store.dataset_readers.note(version, ReaderKind.STUDY, running.name.rpartition(" ")[0])


def cache_limit_bytes() -> int:
    """How much local copies may take: MERISTEM_CACHE_LIMIT in bytes, or with a unit (`50GB`); 100 GiB by default."""
    text = os.environ.get(LIMIT_VARIABLE, "").strip()
    if not text:
        return _DEFAULT_LIMIT_BYTES
    units = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
    number = text.rstrip("BKMGTbkmgti").strip()
    unit = text[len(number) :].strip().upper().replace("I", "")
    try:
        return int(float(number) * units[unit if unit in units else f"{unit}B"])
    except (KeyError, ValueError):
        raise InputError(f"{LIMIT_VARIABLE}={text!r:.40} is no size.", fix="Write bytes, or 50GB.") from None
