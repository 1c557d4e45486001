"""Where files are cut, and what that depends on."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyfastcdc import FastCDC

from meristem.packs import chunking
from meristem.packs.chunking import LONGEST, SHORTEST, WHOLE, ZEROS, cut

_RANDOM = random.Random(7).randbytes(24 << 20)


class Dribble(io.RawIOBase):
    """A stream that gives its bytes in portions of odd sizes."""

    def __init__(self, content: bytes, portion: int) -> None:
        self._content, self._portion, self._at = content, portion, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        some = self._content[self._at : self._at + min(self._portion, len(buffer))]
        buffer[: len(some)] = some
        self._at += len(some)
        return len(some)


def _lengths(content: bytes, hint: int = 0) -> list[int]:
    return [len(chunk) for chunk in cut(io.BytesIO(content), hint)]


def test_chunks_in_order_are_the_file() -> None:
    assert b"".join(bytes(chunk) for chunk in cut(io.BytesIO(_RANDOM))) == _RANDOM


def test_random_bytes_give_chunks_of_half_a_mebibyte_on_average() -> None:
    lengths = _lengths(_RANDOM)

    assert 420 << 10 < sum(lengths) / len(lengths) < 600 << 10
    assert all(SHORTEST <= length <= LONGEST for length in lengths[:-1])


@pytest.mark.parametrize(("size", "chunks"), [(0, 0), (1, 1), (WHOLE, 1)])
def test_a_small_file_is_one_chunk(size: int, chunks: int) -> None:
    assert len(_lengths(_RANDOM[:size])) == chunks


@settings(max_examples=20)
@given(
    size=st.integers(0, 20 << 20) | st.sampled_from([WHOLE + 1, 8 << 20, (8 << 20) - 1, (8 << 20) + 1, 16 << 20]),
    zeros=st.tuples(st.integers(0, 12 << 20), st.integers(0, 12 << 20)),
    hint=st.sampled_from([0, 300_000, 3 << 20, 1 << 40]),
)
def test_the_cuts_are_those_of_the_whole_content(size: int, zeros: tuple[int, int], hint: int) -> None:
    content = (_RANDOM[: zeros[0]] + bytes(zeros[1]) + _RANDOM[zeros[0] :])[:size]
    expected = [len(content)] if len(content) <= WHOLE else [chunk.length for chunk in _cutter().cut_buf(content)]

    assert _lengths(content, hint) == ([] if not content else expected)


@pytest.mark.parametrize("portion", [999_983, 4096 * 50])
def test_the_cuts_do_not_depend_on_how_the_bytes_arrive(portion: int) -> None:
    chunks = [len(chunk) for chunk in cut(Dribble(_RANDOM[: 12 << 20], portion))]

    assert chunks == _lengths(_RANDOM[: 12 << 20])


def test_a_byte_at_the_head_changes_one_chunk_or_two() -> None:
    before = [bytes(chunk) for chunk in cut(io.BytesIO(_RANDOM))]
    after = {bytes(chunk) for chunk in cut(io.BytesIO(b"x" + _RANDOM))}

    assert len(set(before) - after) <= 2


def test_stretches_of_zeros_are_known_without_hashing() -> None:
    chunks = list(cut(io.BytesIO(bytes(16 << 20))))  # a multiple of the buffer and of the longest chunk

    assert len(chunks) == 8
    assert all(chunk is ZEROS for chunk in chunks)


def test_what_follows_zeros_is_cut_as_before() -> None:
    content = bytes(5 << 20) + _RANDOM[: 4 << 20] + bytes(7 << 20) + _RANDOM[: 3 << 20]

    chunks = [bytes(chunk) for chunk in cut(io.BytesIO(content))]

    assert b"".join(chunks) == content
    assert [len(chunk) for chunk in chunks] == [chunk.length for chunk in _cutter().cut_buf(content)]


def test_zeros_are_cut_as_the_library_cuts_them() -> None:
    assert [chunk.length for chunk in _cutter().cut_buf(bytes(5 << 20))] == [LONGEST, LONGEST, 1 << 20]


@pytest.mark.parametrize("buffering", [0, -1])
@pytest.mark.parametrize(
    "parts", [[], [(0, 70_000)], [(5 << 20, 3 << 20)], [(0, 1), (9 << 20, 400_000)], [(11 << 20, 1 << 20)]]
)
def test_a_sparse_file_is_cut_as_if_it_had_no_holes(
    tmp_path: Path, parts: list[tuple[int, int]], buffering: int
) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(12 << 20)
        for start, length in parts:
            file.seek(start)
            file.write(_RANDOM[:length])
    content = (tmp_path / "sparse").read_bytes()

    with open(tmp_path / "sparse", "rb", buffering=buffering) as file:
        chunks = [bytes(chunk) for chunk in cut(file, len(content))]

    assert b"".join(chunks) == content
    assert [len(chunk) for chunk in chunks] == _lengths(content)


def _cutter() -> FastCDC:
    return FastCDC(chunking._CENTER, min_size=SHORTEST, max_size=LONGEST, normalized_chunking=chunking._NORMALIZATION)
