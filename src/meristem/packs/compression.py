"""Whether zstd pays for an object, and unpacking what it made, within limits.

Large objects are judged by a sample, small ones by what the last ones of the same suffix gave: images
and archives cost a probe now and then, tables and text become small.
"""

from __future__ import annotations

import zstandard

from meristem.packs.format import RAW, ZSTD

_LEVEL = 3
_SAMPLE = 16 << 10
_SHORTEST = 64  # below, a frame saves nothing
_PAYS = 0.95  # unpacking costs something too: a twentieth must be saved
_TRIES = 8  # small objects of a suffix that are tried before it is given up
_PROBED = 64  # every how many objects of such a suffix another one is tried
# A block of zstd takes 4 bytes or more and gives 128 KiB at most (RFC 8878, 3.1.1.2).
_MOST_FROM_ONE_BYTE = (128 << 10) // 4


class Compression:
    """Packs objects of one thread, learning from suffix to suffix."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdCompressor(level=_LEVEL)
        self._sampler = zstandard.ZstdCompressor(level=1)
        self._misses: dict[str, int] = {}  # by suffix: how many small objects were none the smaller since the last

    def pack(self, content: bytes | memoryview, suffix: str = "") -> tuple[bytes | memoryview, int]:
        """What is to be stored for `content`, and its codec; the content itself where zstd does not pay."""
        length = len(content)
        if length < _SHORTEST:
            return content, RAW
        if length > 2 * _SAMPLE:
            middle = (length - _SAMPLE) // 2
            sample = memoryview(content)[middle : middle + _SAMPLE]
            if len(self._sampler.compress(sample)) > _PAYS * _SAMPLE:
                return content, RAW
            packed = self._zstd.compress(content)
            return (packed, ZSTD) if len(packed) < _PAYS * length else (content, RAW)
        misses = self._misses.get(suffix, 0)
        if misses >= _TRIES and misses % _PROBED:
            self._misses[suffix] = misses + 1
            return content, RAW
        packed = self._zstd.compress(content)
        if len(packed) < _PAYS * length:
            self._misses[suffix] = 0
            return packed, ZSTD
        self._misses[suffix] = misses + 1
        return content, RAW


def unpack(stored: bytes | memoryview, length: int) -> bytes:
    """The content of one zstd frame.

    Raises:
        ValueError: It is no frame of exactly `length` bytes; one that claims more than it can hold is not unpacked.
    """
    if length > len(stored) * _MOST_FROM_ONE_BYTE:
        raise ValueError(f"{len(stored)} bytes cannot hold {length}")
    try:
        if zstandard.frame_content_size(stored) != length:
            raise ValueError(f"the frame is not one of {length} bytes")
        content = zstandard.ZstdDecompressor().decompress(stored, max_output_size=length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    if len(content) != length:
        raise ValueError(f"the frame gave {len(content)} bytes instead of {length}")
    return content
