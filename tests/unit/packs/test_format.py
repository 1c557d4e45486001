"""The bytes of a pack, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.errors import PackDamaged
from meristem.packs.format import (
    EMPTY_OBJECT,
    FOOTER,
    HEADER,
    RAW,
    ROW,
    ZSTD,
    Row,
    decode_footer,
    decode_index,
    encode_footer,
    encode_index,
    name_of,
    pack_key,
)

_rows = st.lists(
    st.builds(
        lambda seed, offset, stored, more, codec: Row(
            name_of(str(seed).encode()), 16 + offset, stored, stored + (more if codec == ZSTD else 0), codec
        ),
        st.integers(0, 10**6),
        st.integers(0, 2**40),
        st.integers(0, 2**31),
        st.integers(0, 2**30),
        st.sampled_from([RAW, ZSTD]),
    ),
    unique_by=lambda row: row.name,
)


@given(rows=_rows)
def test_an_index_gives_back_its_rows_by_name(rows: list[Row]) -> None:
    end = max([row.offset + row.stored for row in rows], default=16)
    index = encode_index(rows)
    footer = decode_footer(encode_footer(index, end), end + len(index) + FOOTER.size, "p")

    assert footer.rows == len(rows)
    assert decode_index(index, footer, name_of(index)) == sorted(rows)


def test_the_format_is_the_one_that_is_written_down() -> None:
    name = name_of(b"hello")
    index = encode_index([Row(name, 16, 5, 5, RAW)])

    assert HEADER == b"MERIPACK\x01\0\0\0\0\0\0\0"
    assert index.hex() == name + "1000000000000000050000000500000000000000"
    assert ROW.size == 52
    assert encode_footer(index, 21)[:12].hex() == "150000000000000001000000"
    assert encode_footer(index, 21)[16:] == b"KCAPIREM"
    assert EMPTY_OBJECT == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


@given(bit=st.integers(0, (3 * 52 + 24) * 8 - 1))
def test_any_flipped_bit_of_index_or_footer_is_noticed(bit: int) -> None:
    index = encode_index([Row(name_of(bytes([n])), 16 + n, 1, 1, RAW) for n in range(3)])
    tail = bytearray(index + encode_footer(index, 19))
    tail[bit // 8] ^= 1 << bit % 8

    with pytest.raises(PackDamaged):
        _decoded(bytes(tail), 19 + len(tail), name_of(index))


@pytest.mark.parametrize(
    "rows",
    [
        [Row("00" * 32, 15, 1, 1, RAW)],  # in the header
        [Row("00" * 32, 90, 20, 20, RAW)],  # beyond the objects
        [Row("00" * 32, 16, 4, 5, RAW)],
        [Row("00" * 32, 16, 4, 4, 7)],
        [Row("00" * 32, 16, 4, 4, RAW), Row("00" * 32, 20, 4, 4, RAW)],
    ],
)
def test_an_impossible_index_is_refused_though_its_checksums_hold(rows: list[Row]) -> None:
    index = encode_index(rows)
    footer = decode_footer(encode_footer(index, 100), 100 + len(index) + 24, "p")

    with pytest.raises(PackDamaged):
        decode_index(index, footer, name_of(index))


def test_a_whole_index_under_the_name_of_another_pack_is_refused() -> None:
    index = encode_index([Row(name_of(b"a"), 16, 4, 4, RAW)])

    with pytest.raises(PackDamaged):
        _decoded(index + encode_footer(index, 20), 20 + len(index) + FOOTER.size, name_of(b"another"))


def test_a_short_file_is_no_pack() -> None:
    with pytest.raises(PackDamaged, match="only 3 bytes"):
        decode_footer(b"abc", 3, "p")


def test_a_pack_lies_under_its_name() -> None:
    name = name_of(b"")

    assert pack_key(name) == f"packs/{name[:2]}/{name}.pack"


def _decoded(tail: bytes, size: int, pack: str) -> list[Row]:
    return decode_index(tail[: -FOOTER.size], decode_footer(tail, size, pack), pack)
