"""Making a folder of the user equal to a version: takes away what the version does not know.

Called when all that the version has is there (`clear`), and where something stands in the way of it (`displace`).
Links are removed and never followed; another file system that is mounted in the folder is not entered.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from meristem.datasets.copies.inside import Inside, refuse
from meristem.datasets.copies.visited import Visited
from meristem.errors import CopyRefused
from meristem.manifests.entry import Entry

OURS = ".meristem-"
"""How the names begin of what copies under way keep in the folder itself."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def refuse_to_clear(folder: Path, own_files: Sequence[Path]) -> None:
    """Raises where nobody can mean that a folder is to hold a version and nothing else.

    Args:
        own_files: Files and folders of Meristem's own: the folder may neither hold one nor lie in one.

    Raises:
        CopyRefused: It is so, or the folder is the user's home or above it.
    """
    goal = _real(folder)
    ours = [_real(place) for place in own_files]
    held = [place for place in (_real(Path(os.path.expanduser("~"))), *ours) if place.is_relative_to(goal)]
    above = [place for place in ours if goal.is_relative_to(place)]
    for place in held or above:
        why = f"it holds {place}" if held else f"it lies in {place}"
        raise CopyRefused(f"{folder} is not made equal to a version: {why}.", fix="Take a folder of its own.")


class Clearing:
    """Takes away what is no part of a version from a folder that is to hold just that.

    Attributes:
        removed: How many files, links and empty folders went that the version does not know.
    """

    def __init__(self, folder: Path) -> None:
        self.removed = 0
        self._folder = folder

    def displace(self, folder: int, name: str, path: str) -> None:
        """The obstacle's answer (see `inside`), where the version has something else: also a folder goes."""
        if stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
            self._remove(folder, name, path)
        else:
            os.unlink(name, dir_fd=folder)

    def clear(self, entries: Iterable[Entry]) -> None:
        """Removes all but `entries`, which are sorted and are there."""
        inside = Inside(self._folder, refuse)
        try:
            visited = Visited(lambda folder: True)
            for entry in entries:
                visited.visit(entry)
                self._leave(visited, inside)
            visited.finish()
            self._leave(visited, inside)
        finally:
            inside.close()

    def _leave(self, visited: Visited, inside: Inside) -> None:
        """Removes the others from folders of which all entries have come."""
        for path, names in visited.left:
            folder = inside.find(path)
            if folder is None or names is None:
                continue
            listed = {name for name in os.listdir(folder) if path or not name.startswith(OURS)}
            if others := listed - names:
                kept = _known_by_another_name(folder, names - listed)
                for name in sorted(others):
                    if _identity(folder, name) not in kept:
                        self._remove(folder, name, f"{path}/{name}" if path else name)
        visited.left.clear()

    def _remove(self, folder: int, name: str, path: str) -> None:
        seen = os.lstat(name, dir_fd=folder)
        if not stat.S_ISDIR(seen.st_mode):
            os.unlink(name, dir_fd=folder)
            self.removed += 1
            return
        if seen.st_dev != os.stat(self._folder).st_dev:
            raise CopyRefused(f"At {path!r} in {self._folder} another file system is mounted.", fix="Unmount it.")
        below = os.open(name, _FOLDER, dir_fd=folder)
        try:
            names = os.listdir(below)
            for each in names:
                self._remove(below, each, f"{path}/{each}")
        finally:
            os.close(below)
        os.rmdir(name, dir_fd=folder)
        self.removed += not names


def _known_by_another_name(folder: int, names: Iterable[str]) -> set[tuple[int, int] | None]:
    """What is found by one of `names` although it is listed by another: where case, or ways to write a letter, are not
    told apart. It is the version's, whatever it is called."""
    return {_identity(folder, name) for name in names} - {None}


def _identity(folder: int, name: str) -> tuple[int, int] | None:
    try:
        seen = os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return None
    return seen.st_dev, seen.st_ino


def _real(place: Path) -> Path:
    return Path(os.path.realpath(place))
