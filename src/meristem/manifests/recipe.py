"""Recipes: which chunks a large file is put together from, in order, with their lengths in bytes."""

from __future__ import annotations

from collections.abc import Iterable
from json import JSONEncoder, loads

from meristem.errors import ManifestRefused
from meristem.manifests.entry import are_object_names

Chunk = tuple[str, int]  # name, length above 0

_encoded = JSONEncoder(separators=(",", ":")).encode


def encode_recipe(chunks: Iterable[Chunk]) -> bytes:
    """The bytes of a recipe; raises ManifestRefused where a name or length is none."""
    listed = list(chunks)
    _check(listed, None)
    return _encoded(listed).encode("ascii")


def decode_recipe(content: bytes, *, size: int, path: str | None = None) -> list[Chunk]:
    """The chunks of a recipe; raises ManifestRefused unless they are those of a file of `size` bytes.

    Args:
        path: Of the file, to name it in the error.
    """
    try:
        listed = [(name, length) for name, length in loads(content.decode("ascii"))]
    except (ValueError, TypeError, RecursionError) as error:
        raise ManifestRefused(f"The recipe of {path!r} is no list of chunks.", path=path) from error
    _check(listed, path)
    total = sum(length for _, length in listed)
    if total != size:
        raise ManifestRefused(f"The recipe of {path!r} makes {total} bytes, its entry says {size}.", path=path)
    return listed


def _check(chunks: list[Chunk], path: str | None) -> None:
    names, lengths = [name for name, _ in chunks], [length for _, length in chunks]
    try:
        fine = are_object_names(names) and set(map(type, lengths)) <= {int} and min(lengths, default=1) > 0
    except TypeError:
        fine = False
    if not fine:
        raise ManifestRefused(f"The recipe of {path!r} has a chunk without a name or length.", path=path)
