"""What the processes of the fault run write down before and after they act: it outlives any kill of them.

One file a process name, a line of JSON a note. A note goes to the system in one write, so that kill -9 loses none that
was written; a line that is torn all the same is passed over.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from blake3 import blake3

Note = dict[str, Any]
Listing = dict[str, str]


class Journal:
    """The notes of one process name, over all its lives."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        if path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            os.write(self._file, b"\n")  # ends the line that the last life left torn

    def note(self, what: str, **facts: object) -> None:
        """Writes one note."""
        os.write(self._file, (json.dumps({"what": what, "at": time.monotonic(), **facts}) + "\n").encode())

    def notes(self) -> list[Note]:
        """All notes so far, also those of earlier lives."""
        return read_notes(self._path)


def read_notes(path: Path) -> list[Note]:
    """The notes in a file, in order; none where there is no file."""
    return list(_parsed(path.read_bytes().splitlines() if path.exists() else ()))


def _parsed(lines: Iterable[bytes]) -> Iterator[Note]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue


def open_draft(notes: Sequence[Note]) -> int | None:
    """The draft that a writer worked on when it died; None: it had ended its last one, or had none."""
    ended = {note["id"] for note in notes if note["what"] in ("finalized", "discarded", "gone")}
    begun = [note["id"] for note in notes if note["what"] == "draft"]
    return begun[-1] if begun and begun[-1] not in ended else None


def digest_of(folder: Path) -> str:
    """What tells whether two folders hold the same: paths, bytes, links, executable files, empty folders."""
    return digest_of_listing(listing_of(folder))


def listing_of(folder: Path) -> Listing:
    """What a folder holds: by path, what kind of thing lies there and the hash of its bytes."""
    return dict(sorted(_lines(os.fspath(folder), "")))


def digest_of_listing(listing: Listing) -> str:
    """The digest of the folder with this listing."""
    return blake3(os.fsencode("\0".join(f"{path}\0{line}" for path, line in listing.items()))).hexdigest()


def differing_paths(meant: Listing, found: Listing) -> list[str]:
    """What two folders differ in, a line each."""
    paths = sorted(path for path in meant.keys() | found.keys() if meant.get(path) != found.get(path))
    return [f"{path!r}: meant {meant.get(path, 'nothing')}, found {found.get(path, 'nothing')}" for path in paths]


def _lines(folder: str, below: str) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as found:
        entries = list(found)
    if not entries and below:
        yield below, "folder"
    for entry in entries:
        name = f"{below}/{entry.name}" if below else entry.name
        if entry.is_symlink():
            yield name, f"link {os.readlink(entry.path)}"
        elif entry.is_dir():
            yield from _lines(entry.path, name)
        else:
            kind = "program" if entry.stat().st_mode & 0o100 else "file"
            yield name, f"{kind} {blake3(Path(entry.path).read_bytes()).hexdigest()}"
