"""What is packed by zstd, and what is refused when it is unpacked."""

from __future__ import annotations

import random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from meristem.packs.compression import Compression, unpack
from meristem.packs.format import RAW, ZSTD

_TEXT = b"temperature,humidity,light\n" * 4000
_NOISE = random.Random(1).randbytes(1 << 20)


@given(content=st.binary(max_size=2000), times=st.integers(1, 60))
def test_what_is_packed_is_unpacked(content: bytes, times: int) -> None:
    stored, codec = Compression().pack(content * times)

    assert (bytes(stored) if codec == RAW else unpack(stored, len(content) * times)) == content * times
    assert len(stored) <= len(content) * times


def test_text_is_packed_and_noise_is_left() -> None:
    compression = Compression()

    assert compression.pack(_TEXT)[1] == ZSTD
    assert compression.pack(_NOISE) == (_NOISE, RAW)
    assert compression.pack(_TEXT[:2000], ".csv")[1] == ZSTD
    assert compression.pack(_NOISE[:2000], ".jpg")[1] == RAW


def test_small_objects_of_a_suffix_that_never_shrink_are_rarely_tried() -> None:
    compression = Compression()
    packer = compression._zstd = _Counting()

    for start in range(0, 64_000, 64):
        compression.pack(_NOISE[start : start + 500], ".jpg")

    assert 8 < packer.calls < 30


def test_a_suffix_that_shrinks_again_is_found_out() -> None:
    compression = Compression()
    for start in range(0, 6400, 64):
        compression.pack(_NOISE[start : start + 500], ".bin")

    assert ZSTD in {compression.pack(_TEXT[:500], ".bin")[1] for _ in range(70)}
    assert compression.pack(_TEXT[:500], ".bin")[1] == ZSTD


def test_a_frame_that_claims_more_than_it_can_hold_is_refused_before_memory_is_taken() -> None:
    # The header of a frame of 10 GB: magic, descriptor (8 bytes of size), window, size.
    bomb = bytes.fromhex("28b52ffd") + b"\xc0" + b"\x58" + (10 * 2**30).to_bytes(8, "little") + bytes(1000)

    with pytest.raises(ValueError, match="cannot hold"):
        unpack(bomb, 10 * 2**30)
    with pytest.raises(ValueError, match="not one of"):
        unpack(bomb, 1000)


@pytest.mark.parametrize("length", [len(_TEXT) - 1, len(_TEXT) + 1, 0])
def test_a_frame_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError):
        unpack(zstandard.compress(_TEXT), length)


@pytest.mark.parametrize("stored", [b"", b"no frame at all", zstandard.compress(_TEXT)[:-5]])
def test_what_is_no_whole_frame_is_refused(stored: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(stored, len(_TEXT))


def test_a_frame_that_does_not_say_its_length_is_refused() -> None:
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(_TEXT)

    with pytest.raises(ValueError):
        unpack(frame, len(_TEXT))


class _Counting:
    def __init__(self) -> None:
        self.calls = 0
        self._zstd = zstandard.ZstdCompressor()

    def compress(self, content: bytes) -> bytes:
        self.calls += 1
        return self._zstd.compress(content)
