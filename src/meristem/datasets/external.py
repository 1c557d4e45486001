"""Files of a version that stay where they are: found by URL, described, fetched and compared with what was noted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import IO, Any, BinaryIO

from meristem.datasets.external_places import open_files, opened
from meristem.errors import InputError, PlaceUnavailable
from meristem.manifests.entry import Entry, Kind

_GLOB = frozenset("*?[")


def describe(url: str, folder: str = "") -> Iterator[Entry]:
    """Entries of a file, of all files below a folder, or of what matches a glob.

    Args:
        folder: Where in the dataset they are put.

    Raises:
        InputError: Nothing is there, or no library for such URLs is installed.
        PlaceUnavailable: It cannot be reached.
    """
    files, root = open_files(url)
    if _GLOB & set(root):
        found = files.glob(root, detail=True)
        base = root[: min(root.index(c) for c in _GLOB if c in root)].rpartition("/")[0]
    else:
        found = _info(files, url, root)
        base = root if len(found) != 1 or root not in found else root.rpartition("/")[0]
    listed = [info for info in found.values() if info.get("type") == "file"]
    if not listed:
        raise InputError(f"There is no file at {url}.", fix="Give the URL of a file, of a folder, or a glob.")
    for info in sorted(listed, key=lambda info: str(info["name"])):
        name = str(info["name"])
        path = name[len(base) :].strip("/") if name.startswith(base) else name.rpartition("/")[2]
        yield Entry(
            path=f"{folder}/{path}" if folder else path,
            kind=Kind.EXTERNAL,
            size=int(info.get("size") or 0),
            content=files.unstrip_protocol(name) if "://" in url else str(name),
            facts={"etag": _etag(info), "hash": None},
        )


def fetch(entry: Entry) -> AbstractContextManager[IO[bytes]]:
    """Opens an external file.

    Raises:
        PlaceUnavailable: It is not what it was when it was added, or cannot be reached.
    """
    files, root = open_files(entry.content)
    info = _info(files, entry.content, root).get(root)
    if info is None:
        raise PlaceUnavailable(f"{entry.content}, added as {entry.path!r}, is no file any more.")
    noted, now = (entry.facts or {}).get("etag"), _etag(info)
    size = info.get("size")
    if (size is not None and size != entry.size) or (noted and now and noted != now):
        raise PlaceUnavailable(
            f"{entry.content} is not what it was when it was added as {entry.path!r}.",
            f"It had {entry.size:,} bytes (etag {noted}), and has {size} (etag {now}).",
            "Add it again, which makes a new version.",
        )
    return opened(files, root)


def _info(files: Any, url: str, root: str) -> dict[str, Any]:
    try:
        info = files.info(root)
        return {root: {**info, "name": root}} if info.get("type") == "file" else files.find(root, detail=True)
    except FileNotFoundError:
        raise InputError(f"There is nothing at {url}.", fix="Give the URL of a file, of a folder, or a glob.") from None
    except Exception as error:  # each kind of file system raises its own
        raise PlaceUnavailable(f"{url} cannot be reached: {type(error).__name__}: {error}") from error


def _etag(info: dict[str, Any]) -> str | None:
    """What changes with the content: the etag, or the time of the last change."""
    for key in ("ETag", "etag", "e_tag", "md5Hash", "content_md5"):
        if info.get(key):
            return str(info[key]).strip('"')
    for key in ("mtime", "LastModified", "last_modified", "updated"):
        if info.get(key):
            value = info[key]
            return value.isoformat() if isinstance(value, datetime) else str(value)
    return None


def write_external(entry: Entry, into: BinaryIO) -> None:
    """Writes the bytes of an external file into an open one. Raises as `fetch`."""
    with fetch(entry) as stream:
        shutil.copyfileobj(stream, into, 4 << 20)
