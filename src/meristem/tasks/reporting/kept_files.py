"""Puts big bytes of reports into the spool folder's `files/`; what is named there never changes."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from meristem.tasks.reporting.append_file import warn
from meristem.tasks.spool_folder import FILES_FOLDER

_CLONE = 0x40049409  # FICLONE of ioctl_ficlone(2)
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest; the same bytes give the same zip
_SHOWN_LIMIT_BYTES = 16 << 30
LIMIT_VARIABLE = "MERISTEM_FILES_LIMIT_BYTES"


class KeptFiles:
    """Makes files under `folder`/files, each with a name of its own.

    Args:
        shown_limit_bytes: What plots, tables, images and texts take at most together (of one process);
            artifacts and models, which users name one by one, are bounded by the disk alone.
        mute: Nothing is kept.
    """

    def __init__(self, folder: Path, *, shown_limit_bytes: int | None = None, mute: bool = False) -> None:
        self.folder, self._mute = folder, mute
        self._limit = int(os.environ.get(LIMIT_VARIABLE, _SHOWN_LIMIT_BYTES))
        self._limit = self._limit if shown_limit_bytes is None else shown_limit_bytes
        self._shown_bytes = 0
        self._warned: set[str] = set()

    def keep_shown(self, kind: str, name: str, suffix: str, data: bytes) -> str | None:
        """Keeps what is shown, such as a plot. None where it was dropped, with one warning."""
        if self._shown_bytes + len(data) > self._limit:
            self._warn("limit", f"plots and images have grown to their limit of {self._limit:,} bytes; more is dropped")
            return None
        self._shown_bytes += len(data)
        return self.keep(kind, name, suffix, lambda file: file.write(data))

    def keep(self, kind: str, name: str, suffix: str, write: Callable[[BinaryIO], object]) -> str | None:
        """Keeps what `write` writes. Returns its name in the spool folder; None where the disk does not take it."""
        if self._mute:
            return None
        path = self._new_path(kind, name, suffix)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "xb") as file:
                write(file)
        except OSError as error:
            _remove(path)
            self._warn("disk", f"{name} cannot be kept ({error.strerror or error}); the training goes on without")
            return None
        except BaseException:
            _remove(path)
            raise
        return f"{FILES_FOLDER}/{path.relative_to(self.folder / FILES_FOLDER).as_posix()}"

    def keep_copy(self, kind: str, name: str, source: Path) -> str | None:
        """Keeps a copy of a file, which costs no space where the file system can share it.

        Raises:
            FileNotFoundError, PermissionError, IsADirectoryError: It cannot be read.
        """
        with open(source, "rb") as original:
            return self.keep(kind, name, source.suffix, lambda file: _copy(original, file))

    def keep_zip(self, kind: str, name: str, folder: Path) -> str | None:
        """Keeps a folder as a zip: the same files give the same bytes."""
        return self.keep(kind, name, ".zip", lambda file: _zip(folder, file))

    def path_of(self, kept: str) -> Path:
        return self.folder / kept

    def _new_path(self, kind: str, name: str, suffix: str) -> Path:
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:80] or kind
        ending = suffix if re.fullmatch(r"\.[A-Za-z0-9_-]{1,20}", suffix) else ""
        return self.folder / FILES_FOLDER / kind / f"{slug.removesuffix(ending)}-{os.urandom(4).hex()}{ending}"

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warn(message)


def files_in(folder: Path) -> list[Path]:
    """All files of a folder, in order of their names; links to folders are not followed."""
    found = [Path(place) / name for place, _, names in os.walk(folder) for name in names]
    return sorted(path for path in found if path.is_file())


def _remove(path: Path) -> None:
    with suppress(OSError):  # it may be what could not be made
        path.unlink(missing_ok=True)


def _copy(original: BinaryIO, file: BinaryIO) -> None:
    try:
        import fcntl  # not on Windows

        fcntl.ioctl(file.fileno(), _CLONE, original.fileno())
    except (ImportError, OSError):  # another file system, or one without sharing
        shutil.copyfileobj(original, file, 4 << 20)


def _zip(folder: Path, file: BinaryIO) -> None:
    import zipfile  # only for folders

    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in files_in(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if os.access(path, os.X_OK) else 0o644) << 16
            entry.file_size = path.stat().st_size  # zipfile chooses 64-bit sizes by it
            with open(path, "rb") as original, archive.open(entry, "w") as member:
                shutil.copyfileobj(original, member, 1 << 20)
