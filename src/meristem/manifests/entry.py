"""What a version holds at one path, and which paths there may be.

Paths are text that stands for bytes: bytes that are no UTF-8 are lone surrogates U+DC80 to U+DCFF, as Python's file
system functions give them (PEP 383). Paths are ordered by their bytes, which is not always the order of the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from operator import lt
from typing import Any, NamedTuple

from blake3 import blake3

from meristem.errors import ManifestRefused

EMPTY_OBJECT = blake3(b"").hexdigest()
"""The name of the empty object: everybody knows what it holds, so it is never stored."""

LONGEST_PART, LONGEST_PATH = 255, 4095  # bytes; NAME_MAX and PATH_MAX less the ending NUL of Linux
_SURELY_SHORT = LONGEST_PART // 4  # characters: UTF-8 takes up to 4 bytes for one
_SHOWN = 60
_SHORT_NAME = 12


class Kind(StrEnum):
    """What lies at a path."""

    FILE = "f"  # of one chunk, or empty
    CHUNKED = "c"  # a file of several chunks
    LINK = "l"  # a symbolic link
    EXTERNAL = "u"  # lies elsewhere, at a URL
    FOLDER = "d"  # an empty one; others follow from the paths of what they hold


class Entry(NamedTuple):
    """One path of a version. A tuple because a million of them are made.

    Attributes:
        path: Relative, separated by "/".
        size: Bytes of a file, or of an external one as far as known; 0 of a folder.
        content: FILE: the name of its chunk; CHUNKED: of its recipe; LINK: its target; EXTERNAL: its URL; FOLDER: "".
        executable: Of files only.
        facts: Of external files only: what was known of them when they were added (etag, hash), as JSON values.
    """

    path: str
    kind: Kind
    size: int
    content: str
    executable: bool = False
    facts: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        is_file = self.kind in (Kind.FILE, Kind.CHUNKED)
        content = self.content[:_SHORT_NAME] if is_file else f"{self.content!r:.80}"
        what = "program" if self.executable else self.kind.name.lower()
        return f"<Entry {self.path!r}: {what}, {self.size:,} bytes, {content}>"


def sort_key(path: str) -> bytes:
    """The bytes of a path, by which paths are ordered. Raises UnicodeEncodeError where it stands for no bytes."""
    return path.encode("utf-8", "surrogateescape")


def check_path(path: str) -> None:
    """Raise ManifestRefused unless `path` is one that a version may hold."""
    if not isinstance(path, str):
        raise ManifestRefused(f"The path {path!r} is no text.")
    problem = _problem(path)
    if problem:
        raise ManifestRefused(
            f"The path {_shortened(path)!r} is refused: it {problem}.",
            "Paths of a version are relative and stay inside of it, wherever it is copied to.",
            path=path,
        )
    if problem := too_long(path):
        fix = "Give it a shorter name, or bring it in elsewhere (dataset_path=, --to)."
        raise ManifestRefused(
            f"The path {_shortened(path)!r} is refused: it {problem}.", "No copy could be made.", path=path, fix=fix
        )


def check_paths(paths: Sequence[str]) -> None:
    """Raise ManifestRefused at the first of `paths` that is refused; for many at once (50 ns a path)."""
    joined = f"/{'/'.join(paths)}/"
    suspect = "//" in joined or "/./" in joined or "/../" in joined or "\0" in joined
    is_long = max(map(len, paths), default=0) > (LONGEST_PART if joined.isascii() else _SURELY_SHORT)
    if paths and (suspect or is_long or not is_well_coded(joined)):
        for path in paths:
            check_path(path)


def too_long(path: str) -> str:
    """Why no file system takes `path`, as the end of a sentence; "" where it is short enough."""
    if len(path) <= _SURELY_SHORT:
        return ""
    if (size := len(sort_key(path))) > LONGEST_PATH:
        return f"has {size:,} bytes, and file systems take at most {LONGEST_PATH:,}"
    part = max(path.split("/"), key=lambda part: len(sort_key(part)))
    if (size := len(sort_key(part))) > LONGEST_PART:
        which = f" ({_shortened(part)!r})" if part != path else ""
        return f"has a name of {size:,} bytes{which}, and file systems take at most {LONGEST_PART}"
    return ""


def is_well_coded(text: str) -> bool:
    """Whether `text` stands for bytes, and is the only text that does so for these.

    Surrogates that together are valid UTF-8 would be a second spelling of one path.
    """
    if text.isascii():
        return True
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == text
    except UnicodeEncodeError:
        return False


def are_ordered(paths: Sequence[str]) -> bool:
    """Whether `paths` are sorted by their bytes, each of them once."""
    keys: Sequence[str] | list[bytes] = paths
    if not "".join(paths).isascii():
        keys = [sort_key(path) for path in paths]
    return all(map(lt, keys, keys[1:]))


def are_object_names(texts: Sequence[str]) -> bool:
    """Whether all `texts` are 64 lower-case hex digits."""
    joined = "".join(texts)
    try:
        # fromhex skips spaces and takes capitals: both are told from the length and from lower().
        length = len(bytes.fromhex(joined))
    except ValueError:
        return False
    return length == 32 * len(texts) and set(map(len, texts)) <= {64} and joined == joined.lower()


def _problem(path: str) -> str:
    parts = path.split("/")
    if not path:
        return "is empty"
    if path.startswith("/"):
        return "is absolute"
    if ".." in parts:
        return 'leads out by ".."'
    if "" in parts or "." in parts:
        return 'has an empty component or "."'
    if "\0" in path:
        return "has a NUL character"
    return "" if is_well_coded(path) else "has characters that stand for no bytes"


def _shortened(path: str) -> str:
    return path if len(path) <= 2 * _SHOWN else f"{path[:_SHOWN]}…{path[-_SHOWN:]}"
