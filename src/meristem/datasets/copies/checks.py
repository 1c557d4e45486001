"""Whether entries can lie in a folder of this file system, asked before anything is written there."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from meristem.errors import CopyRefused
from meristem.manifests.checking import check_tree
from meristem.manifests.entry import Entry, Kind

_PATH_MAX = 4096  # linux/limits.h; with the NUL at the end
_SHORT = 60  # characters, which are at most 240 bytes: no name in it is too long
_SHOWN = 20
_PROBE = ".meristem-probe-"
# What some file systems (FAT, NTFS, SMB, those that want UTF-8) refuse in a name, and dots or spaces at its end.
_ODD = re.compile(r'[\x01-\x1f<>:"|?*\\\x7f\udc80-\udcff]|[. ](?=/|$)')


def check_entries(entries: Iterable[Entry], folder: Path, *, without_external: bool, beside: bool = False) -> int:
    """The bytes of `entries`, if all of them can lie in `folder`.

    Args:
        without_external: External entries do not count.
        beside: Names are tried in the folder above, because this one may be read-only.

    Raises:
        ManifestRefused: They lead out of it, or are in each other's way.
        CopyRefused: The file system does not take their names.
    """
    place = _nearest(folder.parent if beside else folder)
    probe = _Probe(place, len(os.fsencode(os.path.abspath(folder))))
    sized = _Sizes(without_external)
    try:
        check_tree(probe.seen(sized.counted(entries)), folds_case=probe.folds_case())
    finally:
        probe.close()
    if probe.problems:
        raise CopyRefused(f"{folder} cannot hold this version", probe.problems[:_SHOWN])
    return sized.total


def remove_probes(place: Path) -> None:
    """Deletes what processes left that were killed while they checked."""
    for probe in place.glob(f"{_PROBE}*"):
        shutil.rmtree(probe, ignore_errors=True)


class _Sizes:
    def __init__(self, without_external: bool) -> None:
        self.total, self._without_external = 0, without_external

    def counted(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            if not (self._without_external and entry.kind is Kind.EXTERNAL):
                self.total += entry.size
            yield entry


class _Probe:
    """Tries names in a folder of its own, which is made where the copy will be and removed at the end."""

    def __init__(self, place: Path, above: int) -> None:
        try:
            self._folder = tempfile.mkdtemp(prefix=_PROBE, dir=place)
        except OSError as error:
            raise CopyRefused(f"Nothing can be written in {place}: {error.strerror}.") from error
        self._longest_name = os.pathconf(self._folder, "PC_NAME_MAX")
        self._longest_path = _PATH_MAX - 2 - above
        self._tried: dict[str, bool] = {}
        self.problems: list[str] = []

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def folds_case(self) -> bool:
        """Whether names that only differ in case are one name here."""
        self._make("Case")
        return os.path.exists(f"{self._folder}/cASE")

    def seen(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            path = entry.path
            if len(path) > _SHORT:
                self._check_lengths(path)
            for odd in _ODD.findall(path):
                if odd not in self._tried:
                    self._tried[odd] = self._takes(odd)
                    if not self._tried[odd]:
                        self.problems.append(f"{path!r}: the file system takes no name with {odd!r}")
            yield entry

    def _check_lengths(self, path: str) -> None:
        if len(self.problems) >= _SHOWN:
            return
        raw = path.encode("utf-8", "surrogateescape")
        if max(map(len, raw.split(b"/"))) > self._longest_name:
            self.problems.append(f"{path!r:.300} has a name of more than {self._longest_name} bytes")
        elif len(raw) > self._longest_path:
            self.problems.append(f"{path!r:.300} would be a path of more than {_PATH_MAX - 1} bytes")

    def _takes(self, odd: str) -> bool:
        try:
            self._make(f"probe{odd}")
        except OSError:
            return False
        # A system that drops trailing dots makes another name of it.
        return f"probe{odd}" in os.listdir(self._folder)

    def _make(self, name: str) -> None:
        os.makedirs(self._folder, exist_ok=True)  # another process may have taken it for a leftover
        os.mkdir(f"{self._folder}/{name}")


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    folder = Path(os.path.abspath(folder))
    while not folder.is_dir():
        folder = folder.parent
    return folder
