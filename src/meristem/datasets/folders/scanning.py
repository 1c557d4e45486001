"""What lies in a folder: names and stats, directory by directory, nothing opened.

Called by `looking`. Costs one listing a directory and one lstat a name (about 3 µs), with no Python code per file
where a directory holds only regular files.
"""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from meristem.datasets.folders.records import FACTS, MODE, SELF, SELF_FACTS, WIDTH
from meristem.datasets.folders.selecting import Selection
from meristem.errors import InputError

_INT64 = (1 << 63) - 1
_REFUSED = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Listing(NamedTuple):
    """A directory: `path` is relative, "" for the top; `names` without folders, `facts` five numbers a name."""

    path: str
    names: list[str]
    facts: array[int]


@dataclass(slots=True)
class Findings:
    """What a scan has to say beside its listings."""

    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def scan(top: Path, selection: Selection, findings: Findings) -> Iterator[Listing]:
    """Lists `top` and, where the selection is recursive, what lies below, each directory before those within it.

    Directories come in the order of the paths of what they hold. Those that vanish meanwhile are left out; what
    cannot be part of a version (sockets, pipes, devices, what may not be read) is told in `findings.problems`.

    Raises:
        InputError: `top` is no folder, or was removed or replaced while it was read: taking that for "all files
            were removed" would empty a version.
    """
    here = os.fspath(top)
    before = _identity(here)
    if before is None:
        raise InputError(f"{shown(here)} is no folder.", fix="Give a folder or a file that exists.")
    waiting: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", (before,))]
    while waiting:
        path, ancestors = waiting.pop()
        listed = _list(here, path, selection, findings)
        if listed is None:
            continue
        names, facts, folders = listed
        if names:
            yield Listing(path, names, facts)
        if selection.recursive:
            for name in sorted(folders, key=_place, reverse=True):
                below = f"{path}/{name}" if path else name
                if (known := _entered(here, below, ancestors, selection, findings)) is not None:
                    waiting.append((below, known))
    if _identity(here) != before:
        raise InputError(
            f"{shown(here)} was removed or replaced while it was read.", fix="Nothing was changed. Do it again."
        )


def shown(path: str) -> str:
    """A path for a message: on one line, printable."""
    return path if path.isprintable() else ascii(path)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return (facts.st_dev, facts.st_ino) if stat.S_ISDIR(facts.st_mode) else None


def _entered(
    top: str, path: str, ancestors: tuple[tuple[int, int], ...], selection: Selection, findings: Findings
) -> tuple[tuple[int, int], ...] | None:
    """What to remember on the way down; only followed links can lead in circles."""
    if not selection.follow:
        return ancestors
    identity = _identity(os.path.join(top, path))
    if identity is None:
        return None
    if identity in ancestors:
        findings.problems.append(f"{shown(path)}: a link to a folder that holds it, which would go on for ever")
        return None
    return (*ancestors, identity)


def _list(
    top: str, path: str, selection: Selection, findings: Findings
) -> tuple[list[str], array[int], list[str]] | None:
    """Names, facts and folders of one directory; None where there is none (any more)."""
    folder = os.path.join(top, path) if path else top
    no_follow = 0 if selection.follow or not path else os.O_NOFOLLOW
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | no_follow)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        findings.problems.append(f"{shown(path or top)}: cannot be listed ({error.strerror})")
        return None
    try:
        return _list_opened(descriptor, folder, path, selection, findings)
    finally:
        os.close(descriptor)


def _list_opened(
    descriptor: int, folder: str, path: str, selection: Selection, findings: Findings
) -> tuple[list[str], array[int], list[str]]:
    names, folders = _names(descriptor, path, selection)
    if not names and not folders and path and selection.keeps_empty_folders:
        return [SELF], array("q", SELF_FACTS), []
    if owned := selection.owned(names + folders if folders else names, folder):
        findings.left_out += sorted(f"{path}/{name}" if path else name for name in owned)
        names = [name for name in names if name not in owned]
        folders = [name for name in folders if name not in owned]
    names, facts = _stats(names, descriptor, path, selection, findings)
    if all(map(stat.S_ISREG, set(facts[MODE::WIDTH]))):
        return names, facts, folders
    names, facts, more = _sorted_out(names, facts, path, findings)
    return names, facts, folders + more


def _names(descriptor: int, path: str, selection: Selection) -> tuple[list[str], list[str]]:
    """The names that are meant. Without a wildcard folders are still among them: their stats will tell."""
    if selection.only:
        return list(selection.only), []
    if selection.wildcard is None:
        return os.listdir(descriptor), []
    names, folders = [], []
    with os.scandir(descriptor) as found:
        for each in found:
            if each.is_dir(follow_symlinks=selection.follow):
                folders.append(each.name)
            elif selection.takes(path, each.name):
                names.append(each.name)
    return names, folders


def _stats(
    names: list[str], descriptor: int, path: str, selection: Selection, findings: Findings
) -> tuple[list[str], array[int]]:
    """Five numbers a name, in one array; names that vanish meanwhile are dropped."""
    status = partial(os.stat, dir_fd=descriptor, follow_symlinks=selection.follow)
    try:
        return names, array("q", chain.from_iterable(map(FACTS, map(status, names))))
    except (OSError, OverflowError):
        pass  # one name at a time, to see which one it is
    kept, facts = [], array("q")
    for name in names:
        try:
            numbers = FACTS(status(name))
        except FileNotFoundError:
            if _exists(name, descriptor):
                findings.problems.append(f"{shown(_join(path, name))}: a link that leads to nothing")
            continue
        except OSError as error:
            findings.problems.append(f"{shown(_join(path, name))}: cannot be examined ({error.strerror})")
            continue
        kept.append(name)
        facts.extend(min(number, _INT64) for number in numbers)
    return kept, facts


def _sorted_out(
    names: list[str], facts: array[int], path: str, findings: Findings
) -> tuple[list[str], array[int], list[str]]:
    """Files and links, their facts, and folders apart; the rest cannot be part of a version."""
    kept, kept_facts, folders = [], array("q"), []
    for i, name in enumerate(names):
        kind = stat.S_IFMT(facts[WIDTH * i + MODE])
        if kind == stat.S_IFDIR:
            folders.append(name)
        elif kind in (stat.S_IFREG, stat.S_IFLNK):
            kept.append(name)
            kept_facts.extend(facts[WIDTH * i : WIDTH * (i + 1)])
        else:
            findings.problems.append(f"{shown(_join(path, name))}: {_REFUSED.get(kind, 'no file')}")
    return kept, kept_facts, folders


def _place(folder: str) -> bytes:
    """Folders come in the order of the paths of what they hold: "a-b/x" before "a/x"."""
    return os.fsencode(folder) + b"/"


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _exists(name: str, descriptor: int) -> bool:
    try:
        os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except OSError:
        return False
    return True
