"""The bytes of a pack: header, stored objects, index block, footer. Pure: bytes in, values out.

    header   magic "MERIPACK", u32 format, 4 zero bytes
    objects  back to back, each raw or as one zstd frame
    index    rows sorted by name: 32 bytes name, u64 offset, u32 stored length, u32 length, u8 codec, 3 zero bytes
    footer   u64 offset of the index, u32 number of rows, u32 crc32 of the index, magic "KCAPIREM"

All numbers are little-endian. The name of a pack is the blake3 hash of its index.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from blake3 import blake3

from meristem.errors import PackDamaged

FORMAT = 1
RAW, ZSTD = 0, 1
HEADER = b"MERIPACK" + struct.pack("<I4x", FORMAT)
ROW = struct.Struct("<32sQIIB3x")
FOOTER = struct.Struct("<QII8s")
END = b"KCAPIREM"
LONGEST = 2**32 - 1
EMPTY_OBJECT = blake3(b"").hexdigest()


class Row(NamedTuple):
    """Where an object lies in its pack: `stored` bytes from `offset` on, `length` once they are unpacked."""

    name: str
    offset: int
    stored: int
    length: int
    codec: int


class Footer(NamedTuple):
    """Where the index of a pack begins, how many rows it has, and its crc32."""

    offset: int
    rows: int
    checksum: int


def name_of(content: bytes | bytearray | memoryview) -> str:
    """The name of an object: the blake3 hash of its bytes in 64 hexadecimal digits."""
    return blake3(content).hexdigest()


def pack_key(pack: str) -> str:
    """Where a pack lies in its place."""
    return f"packs/{pack[:2]}/{pack}.pack"


def encode_index(rows: Iterable[Row]) -> bytes:
    """The index block of a pack; `rows` in any order."""
    return join_rows([encode_row(row) for row in rows])


def encode_row(row: Row) -> bytes:
    """One row of an index block."""
    return ROW.pack(bytes.fromhex(row.name), row.offset, row.stored, row.length, row.codec)


def join_rows(packed: list[bytes]) -> bytes:
    """The index block of rows that are encoded already; sorts them where they are."""
    packed.sort()  # by name, which comes first and is there once
    return b"".join(packed)


def encode_footer(index: bytes, offset: int) -> bytes:
    """What ends a pack whose index block begins at `offset`."""
    return FOOTER.pack(offset, len(index) // ROW.size, zlib.crc32(index), END)


def decode_footer(tail: bytes, size: int, pack: str) -> Footer:
    """The footer of a pack of `size` bytes, from its last bytes.

    Raises:
        PackDamaged: It ends otherwise than a pack does, or contradicts its size.
    """
    if size < len(HEADER) + FOOTER.size or len(tail) < FOOTER.size:
        raise PackDamaged(pack, f"it has only {size} bytes")
    offset, count, checksum, end = FOOTER.unpack(tail[-FOOTER.size :])
    if end != END:
        raise PackDamaged(pack, "it does not end as a pack does (it may be cut short)")
    if offset < len(HEADER) or offset + count * ROW.size + FOOTER.size != size:
        raise PackDamaged(pack, f"its footer contradicts its size of {size} bytes")
    return Footer(offset, count, checksum)


def decode_index(index: bytes, footer: Footer, pack: str) -> list[Row]:
    """The rows of an index block, sorted by name.

    Raises:
        PackDamaged: They are not those that were written, or could not be right.
    """
    if len(index) != footer.rows * ROW.size or zlib.crc32(index) != footer.checksum or name_of(index) != pack:
        raise PackDamaged(pack, "its index is not the one that was written")
    rows = decode_rows(index)
    last = ""
    for name, offset, stored, length, codec in rows:
        if name <= last or offset < len(HEADER) or offset + stored > footer.offset:
            raise PackDamaged(pack, f"its index is impossible at object {name}")
        if codec not in (RAW, ZSTD) or (codec == RAW and stored != length):
            raise PackDamaged(pack, f"object {name} is stored in a way that is not known (codec {codec})")
        last = name
    return rows


def decode_rows(index: bytes) -> list[Row]:
    """The rows of an index block that is known to be whole."""
    return [
        Row(name.hex(), offset, stored, length, codec) for name, offset, stored, length, codec in ROW.iter_unpack(index)
    ]
