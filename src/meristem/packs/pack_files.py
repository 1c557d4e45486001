"""Packs as a place holds them: their indexes, and whether all their objects are whole."""

from __future__ import annotations

from collections.abc import Iterator

from blake3 import blake3

from meristem.errors import NotInPlace, ObjectDamaged, PackDamaged
from meristem.packs.compression import unpack
from meristem.packs.format import FOOTER, HEADER, RAW, ROW, Row, decode_footer, decode_index, pack_key
from meristem.packs.index import Location
from meristem.packs.place import Place

_TAIL = 128 << 10  # holds the whole index of a pack of 2,500 objects
_AT_ONCE = 8 << 20


def read_index(place: Place, pack: str) -> list[Row]:
    """What a pack holds, sorted by name, from its own index.

    Raises:
        PackDamaged: It is cut short, or its index is not the one that was written.
        NotInPlace: It is not there.
    """
    key = pack_key(pack)
    size = place.size(key)
    if size is None:
        raise NotInPlace(key, place.url)
    tail = place.read(key, max(0, size - _TAIL))
    footer = decode_footer(tail, size, pack)
    wanted = footer.rows * ROW.size + FOOTER.size
    if wanted > len(tail):
        tail = place.read(key, size - wanted)
    return decode_index(tail[-wanted : -FOOTER.size], footer, pack)


def damages(place: Place, pack: str) -> Iterator[ObjectDamaged]:
    """Reads a whole pack and gives each object that is not what was stored.

    Raises:
        PackDamaged, NotInPlace: As `read_index`.
    """
    key = pack_key(pack)
    rows = sorted(read_index(place, pack), key=lambda row: row.offset)
    if place.read(key, 0, len(HEADER)) != HEADER:
        raise PackDamaged(pack, "it does not begin as a pack does")
    for batch in _batches(rows):
        for row, stored in zip(batch, place.read_ranges(key, [(row.offset, row.stored) for row in batch]), strict=True):
            try:
                content_of(row.name, Location(pack, *row[1:]), stored)
            except ObjectDamaged as error:
                yield error


def is_whole(place: Place, pack: str) -> bool:
    """Whether a pack is there with all its objects; reads all of it."""
    try:
        return next(damages(place, pack), None) is None
    except (PackDamaged, NotInPlace):
        return False


def content_of(name: str, location: Location, stored: bytes | memoryview) -> bytes:
    """The object that `stored` is, checked against its name.

    Raises:
        ObjectDamaged: It is another one, or none.
    """
    if len(stored) != location.stored:
        raise ObjectDamaged(name, location.pack)
    try:
        content = bytes(stored) if location.codec == RAW else unpack(stored, location.length)
    except ValueError as error:
        raise ObjectDamaged(name, location.pack) from error
    if blake3(content).hexdigest() != name:
        raise ObjectDamaged(name, location.pack)
    return content


def _batches(rows: list[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        if batch and size + row.stored > _AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row.stored
    if batch:
        yield batch
