"""A pack that is being filled: its objects go straight to a file where the place is a folder, else to memory."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from meristem.packs.format import HEADER, RAW, Row, encode_footer, encode_row, join_rows
from meristem.packs.place import Place
from meristem.packs.places.folder import FolderPlace


class Sink(Protocol):
    """Where the bytes of a pack are kept until it is whole."""

    def write(self, parts: Sequence[bytes | memoryview]) -> None: ...
    def finish(self) -> bytes | Path: ...
    def drop(self) -> None: ...


class MemorySink:
    """Keeps the bytes in memory, once."""

    def __init__(self) -> None:
        self._content = io.BytesIO()

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        self._content.writelines(parts)

    def finish(self) -> bytes:
        return self._content.getvalue()

    def drop(self) -> None:
        self._content = io.BytesIO()


class OpenPack:
    """What a pack holds so far."""

    def __init__(self, place: Place) -> None:
        self._sink: Sink = place.new_file() if isinstance(place, FolderPlace) else MemorySink()
        self._parts: list[bytes | memoryview] = [HEADER]
        self.size = len(HEADER)
        self._rows: list[bytes] = []  # encoded: a tuple for each of many objects would take four times as much

    def add(self, name: str, stored: bytes | memoryview, length: int, codec: int) -> None:
        """Appends an object; `write` must be called before `stored` is overwritten."""
        self._rows.append(encode_row(Row(name, self.size, len(stored), length, codec)))
        self._parts.append(stored)
        self.size += len(stored)

    def add_salt(self, name: str, salt: bytes) -> None:
        """Appends an object that nobody asked for, and that gives the pack another name."""
        self.add(name, salt, len(salt), RAW)

    @property
    def objects(self) -> int:
        return len(self._rows)

    def names(self) -> Iterator[str]:
        """The objects that it holds."""
        return (row[:32].hex() for row in self._rows)

    def write(self) -> None:
        """Hands on what was added since the last time."""
        parts, self._parts = self._parts, []
        if parts:
            self._sink.write(parts)

    def index(self) -> bytes:
        """The index block of what it holds now."""
        return join_rows(self._rows)

    def finish(self, index: bytes) -> bytes | Path:
        """Closes it; nothing can be added any more."""
        self._parts += [index, encode_footer(index, self.size)]
        self.write()
        return self._sink.finish()

    def drop(self) -> None:
        """Gives up what it holds; may be repeated."""
        self._sink.drop()
