"""A folder as a place: on a local disk or a shared file system.

A content is written to a file of its own in incoming/ and then linked to where it belongs: it is
seen whole or not at all, and never replaces what lies there. What a killed process leaves in
incoming/ is removed by `delete_leftovers`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from meristem.errors import NotInPlace, PlaceUnavailable
from meristem.packs.place import Listed, check_key

_INCOMING = "incoming"
_MODE = 0o444  # nothing is ever written to what lies in its place
_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "your quota is used up"}
_CLOSED = {errno.EROFS: "it is read-only", errno.EACCES: "permission is denied", errno.EPERM: "it is not permitted"}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


class FolderPlace:
    """Contents as files below a folder, which is made when something is put there.

    Args:
        folder: The folder.
        fsync: Whether `put_new` waits until the bytes would outlive a power cut.
    """

    reads_at_once = 1

    def __init__(self, folder: Path, *, fsync: bool = False) -> None:
        self.folder = Path(os.path.abspath(folder))  # a later chdir must not move it
        self._root = str(self.folder)
        self._fsync = fsync

    @property
    def url(self) -> str:
        return self._root

    def new_file(self) -> IncomingFile:
        """A file to be written, and then given to `put_new`, which takes it without a copy."""
        with self.errors("write"):
            os.makedirs(f"{self._root}/{_INCOMING}", exist_ok=True)
            return IncomingFile(self, f"{self._root}/{_INCOMING}/{secrets.token_hex(8)}")

    def put_new(self, key: str, content: bytes | Path) -> bool:
        path = self._path(key)
        file = self._taken(content)
        try:
            with self.errors("write"):
                return self._settle(str(file), path)
        finally:
            with suppress(OSError):
                os.unlink(file)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        with self.errors("read", key):
            file = os.open(self._path(key), os.O_RDONLY | os.O_CLOEXEC)
            try:
                size = os.fstat(file).st_size
                begin = max(0, size + start) if start < 0 else start
                return _read(file, begin, size - begin if length is None else min(length, size - begin))
            finally:
                os.close(file)

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        with self.errors("read", key):
            file = os.open(self._path(key), os.O_RDONLY | os.O_CLOEXEC)
            try:
                return [_read(file, start, length) for start, length in ranges]
            finally:
                os.close(file)

    def size(self, key: str) -> int | None:
        with self.errors("read"):
            try:
                return os.stat(self._path(key)).st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def keys(self, prefix: str) -> Iterator[Listed]:
        folder = prefix.rpartition("/")[0]
        with self.errors("read"):
            for path, facts in _files(f"{self._root}/{folder}" if folder else self._root):
                key = path[len(self._root) + 1 :]
                if key.startswith(prefix) and not key.startswith(f"{_INCOMING}/"):
                    yield Listed(key, facts.st_size, facts.st_mtime)

    def delete(self, keys: Iterable[str]) -> None:
        with self.errors("write"):
            for key in keys:
                with suppress(FileNotFoundError, NotADirectoryError):
                    os.unlink(self._path(key))

    def delete_leftovers(self, older_than: timedelta = timedelta(days=1)) -> int:
        """Removes what killed processes left in incoming/ and returns how many files that were.

        A file that somebody still writes is younger than that: each write renews its time.
        """
        oldest, removed = time.time() - older_than.total_seconds(), 0
        with self.errors("write"):
            for path, facts in _files(f"{self._root}/{_INCOMING}"):
                if facts.st_mtime < oldest:
                    with suppress(FileNotFoundError):
                        os.unlink(path)
                        removed += 1
        return removed

    def _path(self, key: str) -> str:
        return f"{self._root}/{check_key(key)}"

    def _taken(self, content: bytes | Path) -> Path:
        """A file in incoming/ that holds `content` and is ours."""
        if isinstance(content, Path) and content.parent == self.folder / _INCOMING:
            return content
        file = self.new_file()
        try:
            with self.errors("write"):
                if isinstance(content, Path):
                    with open(content, "rb") as source:
                        while block := source.read(1 << 20):
                            file.write([block])
                else:
                    file.write([content])
        except BaseException:
            file.drop()
            raise
        return file.finish()

    def _settle(self, file: str, path: str) -> bool:
        os.chmod(file, _MODE)
        if self._fsync:
            _sync(file)
        made = _make_folders(os.path.dirname(path))
        try:
            os.link(file, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if not self._renamed(file, path):
                return False
        if self._fsync:
            for folder in {os.path.dirname(path), *made}:
                _sync(folder)
        return True

    def _renamed(self, file: str, path: str) -> bool:
        """For file systems without hard links: renames under a lock, since a rename would replace what lies there."""
        lock = os.open(f"{self._root}/{_INCOMING}/.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.lexists(path):
                return False
            os.rename(file, path)
            return True
        finally:
            os.close(lock)

    @contextmanager
    def errors(self, verb: str, key: str = "") -> Iterator[None]:
        """Has what the system refuses raised as our errors."""
        try:
            yield
        except OSError as error:
            if key and error.errno in (errno.ENOENT, errno.ENOTDIR):
                raise NotInPlace(key, self.url) from error
            raise _unavailable(self.url, verb, error) from error


class IncomingFile:
    """A file that nobody sees until it is whole."""

    def __init__(self, place: FolderPlace, path: str) -> None:
        self._place, self._path = place, path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Appends; at most 1,000 parts (the system takes 1,024)."""
        with self._place.errors("write"):
            left = sum(map(len, parts)) - os.writev(self._file, parts)
            if left:  # the disk is full, or a signal came
                rest = memoryview(b"".join(parts))[-left:]
                while rest:
                    rest = rest[os.write(self._file, rest) :]

    def finish(self) -> Path:
        with self._place.errors("write"):
            file, self._file = self._file, -1
            os.close(file)
        return Path(self._path)

    def drop(self) -> None:
        """Removes it; may be repeated."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        with suppress(OSError):
            os.unlink(self._path)


def _unavailable(url: str, verb: str, error: OSError) -> PlaceUnavailable:
    number = error.errno or 0
    why = _FULL.get(number) or _CLOSED.get(number) or (error.strerror or str(error))
    fix = "Try again; if it stays so, see whether the file system is well (df, mount)."
    if number in _FULL:
        fix = "Free some space (meristem data gc gives back what no version needs) and run it again: it goes on."
    elif number in _CLOSED:
        fix = "Make it writable for this user, or choose another place (meristem store blobs)."
    subject = f" ({error.filename})" if error.filename else ""
    return PlaceUnavailable(
        f"The folder {url} cannot be {'written' if verb == 'write' else 'read'}: {why}{subject}.",
        "Nothing half was kept." if verb == "write" else "",
        fix,
        transient=number in (errno.EIO, errno.ESTALE, errno.EAGAIN, errno.ETIMEDOUT, errno.EBUSY),
    )


def _read(file: int, start: int, length: int) -> bytes:
    """`length` bytes from `start`, fewer only at the end of the file: one pread gives 2 GiB at most."""
    if length <= 0:
        return b""
    content = os.pread(file, length, start)
    if len(content) == length or not content:
        return content
    parts = [content]
    got = len(content)
    while got < length and (content := os.pread(file, length - got, start + got)):
        parts.append(content)
        got += len(content)
    return b"".join(parts)


def _files(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """All files below `folder`; what is removed meanwhile is left out."""
    waiting = [folder]
    while waiting:
        try:
            found = os.scandir(waiting.pop())
        except (FileNotFoundError, NotADirectoryError):
            continue
        with found:
            for item in found:
                if item.is_dir(follow_symlinks=False):
                    waiting.append(item.path)
                    continue
                with suppress(FileNotFoundError):
                    yield item.path, item.stat(follow_symlinks=False)


def _make_folders(folder: str) -> list[str]:
    """Makes `folder` where it is missing and returns the folders that have a new name in them."""
    if os.path.isdir(folder):
        return []
    parent = os.path.dirname(folder)
    changed = _make_folders(parent)
    with suppress(FileExistsError):
        os.mkdir(folder)
    return [*changed, parent]


def _sync(path: str) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
