"""What is known of the files of one directory: their names, their stats, and what they held when they were read.

A record is compact (about 85 bytes a file), since a million files are compared with what was known of them: all
stats of a directory stand in one array, all contents in one buffer, and one digest tells whether anything changed.
The stat cache keeps records; `looking` compares them; `syncing` makes entries of them.

Whether a file's stats may be trusted is decided here too (after git's racy entries,
https://git-scm.com/docs/racy-git): a file that changes again within the clock's granularity looks unchanged.
"""

from __future__ import annotations

import json
import stat
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from blake3 import blake3

from meristem.manifests.entry import EMPTY_OBJECT, Entry, Kind

FACTS = attrgetter("st_ino", "st_mtime_ns", "st_ctime_ns", "st_size", "st_mode")
WIDTH = 5
INODE, MTIME, CTIME, SIZE, MODE = range(WIDTH)
FACTS_BYTES = 8 * WIDTH
CONTENT_BYTES = 33  # a letter and 32 bytes of a name
SELF = "."  # stands for the directory itself, where it is empty
SELF_FACTS = (0, 0, 0, 0, stat.S_IFDIR)
UNREAD = 0
EMPTY_CONTENT = b"f" + bytes.fromhex(EMPTY_OBJECT)

_GRANULARITY_NS = 100_000_000  # the clock of file systems ticks every 1 to 10 ms; some network ones are slower
_WHOLE_SECONDS_NS = 2_000_000_000  # FAT keeps even seconds
_KINDS = {ord(kind.value): kind for kind in Kind}


class Item(NamedTuple):
    """What one name of a directory holds, as far as a manifest is concerned: equal items, equal entries."""

    content: bytes  # a letter and 32 bytes, zeros where the target says it
    size: int
    executable: bool
    target: str = ""

    def entry(self, path: str) -> Entry:
        kind = _KINDS[self.content[0]]
        if kind is Kind.LINK:
            return Entry(path, kind, 0, self.target)
        if kind is Kind.FOLDER:
            return Entry(path, kind, 0, "")
        return Entry(path, kind, self.size, self.content[1:].hex(), self.executable)


@dataclass(slots=True)
class Record:
    """The names of a directory in the order in which the file system lists them, without folders.

    Attributes:
        joined: The names, separated by NUL.
        facts: Per name inode, mtime, ctime (ns), size, mode.
        contents: Per name 33 bytes: UNREAD, or the letter of its kind and the 32 bytes of its content's name.
        targets: Of links, by their position.
    """

    joined: str
    facts: array[int]
    contents: bytearray
    targets: dict[int, str] = field(default_factory=dict)

    @classmethod
    def unread(cls, names: list[str], facts: array[int]) -> Record:
        return cls("\0".join(names), facts, bytearray(CONTENT_BYTES * len(names)))

    def __len__(self) -> int:
        return len(self.facts) // WIDTH

    @property
    def names(self) -> list[str]:
        return self.joined.split("\0") if self.facts else []

    @property
    def is_empty_folder(self) -> bool:
        return self.joined == SELF

    @property
    def size_bytes(self) -> int:
        """Of all regular files."""
        sizes = self.facts[SIZE::WIDTH]
        return sum(sizes) if not self.targets else sum(s for i, s in enumerate(sizes) if i not in self.targets)

    @property
    def digest(self) -> bytes:
        """Equal digests: the same names in the same order with the same stats. 16 bytes."""
        return digest_of(self.joined, self.facts)

    def item(self, i: int) -> Item | None:
        """What the name at position `i` holds, None while it is unread."""
        content = bytes(self.contents[CONTENT_BYTES * i : CONTENT_BYTES * (i + 1)])
        if content[0] == UNREAD:
            return None
        mode = self.facts[WIDTH * i + MODE]
        if stat.S_ISREG(mode):
            return Item(content, self.facts[WIDTH * i + SIZE], bool(mode & stat.S_IXUSR))
        return Item(content, 0, False, self.targets.get(i, ""))

    def read_items(self) -> Iterator[tuple[str, Item]]:
        """Every name that was read."""
        for i, name in enumerate(self.names):
            if item := self.item(i):
                yield name, item

    def set_content(self, i: int, content: bytes) -> None:
        self.contents[CONTENT_BYTES * i : CONTENT_BYTES * (i + 1)] = content.ljust(CONTENT_BYTES, b"\0")

    def carry(self, i: int, other: Record, j: int) -> None:
        """The content that position `j` of another record has."""
        self.contents[CONTENT_BYTES * i : CONTENT_BYTES * (i + 1)] = other.contents[
            CONTENT_BYTES * j : CONTENT_BYTES * (j + 1)
        ]
        if j in other.targets:
            self.targets[i] = other.targets[j]

    def forget(self, i: int) -> None:
        """The name is unread again."""
        self.set_content(i, bytes([UNREAD]))
        self.targets.pop(i, None)

    def facts_at(self, i: int) -> tuple[int, ...]:
        return tuple(self.facts[WIDTH * i : WIDTH * (i + 1)])

    def set_facts(self, i: int, facts: tuple[int, ...]) -> None:
        self.facts[WIDTH * i : WIDTH * (i + 1)] = array("q", facts)

    def without_unread(self) -> Record:
        """Only what was read: what vanished before it could be."""
        kept = [i for i in range(len(self)) if self.contents[CONTENT_BYTES * i] != UNREAD]
        if len(kept) == len(self):
            return self
        names, smaller = self.names, Record("", array("q"), bytearray())
        smaller.joined = "\0".join(names[i] for i in kept)
        for place, i in enumerate(kept):
            smaller.facts.extend(self.facts[WIDTH * i : WIDTH * (i + 1)])
            smaller.contents += self.contents[CONTENT_BYTES * i : CONTENT_BYTES * (i + 1)]
            if i in self.targets:
                smaller.targets[place] = self.targets[i]
        return smaller

    def encode(self) -> bytes:
        """As the stat cache keeps it: a checksum, three lengths, the parts."""
        joined = self.joined.encode("utf-8", "surrogateescape")
        targets = json.dumps(list(self.targets.items())).encode() if self.targets else b""
        parts = (joined, self.facts.tobytes(), bytes(self.contents), targets)
        body = array("q", [len(part) for part in parts]).tobytes() + b"".join(parts)
        return blake3(body).digest()[:16] + body

    @classmethod
    def decode(cls, row: bytes) -> Record | None:
        """None where the bytes are not those that were kept: then nothing is known."""
        checksum, body = row[:16], row[16:]
        if len(body) < 32 or blake3(body).digest()[:16] != checksum:
            return None
        lengths, parts, start = array("q", body[:32]), [], 32
        for length in lengths:
            parts.append(body[start : start + length])
            start += length
        facts = array("q", parts[1])
        targets = dict(json.loads(parts[3])) if parts[3] else {}
        return cls(parts[0].decode("utf-8", "surrogateescape"), facts, bytearray(parts[2]), targets)


def digest_of(joined: str, facts: array[int]) -> bytes:
    hasher = blake3(joined.encode("utf-8", "surrogateescape"))
    hasher.update(b"\0\0")
    hasher.update(facts.tobytes())
    return hasher.digest()[:16]


def is_racy(facts: tuple[int, ...], read_at_ns: int) -> bool:
    """Whether a file with these `facts`, read at this moment, could change afterwards without a sign of it.

    A change sets ctime to the clock's last tick, and nobody can set it back. mtime counts beside it, for file
    systems whose ctime is something else; one in the far future was set by hand, and a change would show.
    """
    mtime, ctime = facts[MTIME], facts[CTIME]
    whole_seconds = mtime % 1_000_000_000 == 0 and ctime % 1_000_000_000 == 0
    granularity = _WHOLE_SECONDS_NS if whole_seconds else _GRANULARITY_NS
    return ctime >= read_at_ns - granularity or abs(mtime - read_at_ns) <= granularity
