"""Objects come back whole, from wherever they lie now, or an error says which is not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.packs.rooms import FarPlace, Room

from meristem.errors import NotInPlace, ObjectDamaged, ObjectMissing, PackDamaged
from meristem.packs.format import RAW, name_of, pack_key
from meristem.packs.index import Location
from meristem.packs.pack_files import damages, is_whole, read_index
from meristem.packs.reader import planned

_CONTENTS = [os.urandom(size) for size in (10, 5000, 40, 300_000, 7, 64, 90_000)]


def _flip(place_folder: Path, pack: str, at: int) -> None:
    file = place_folder / pack_key(pack)
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[at] ^= 0x10
    file.write_bytes(content)


def test_every_name_is_given_once_in_any_order(room: Room) -> None:
    names = room.put(_CONTENTS, target_bytes=100_000)

    found = list(room.reader().get_many([*names, *names[::-1]]))

    assert sorted(found) == sorted(zip(names, _CONTENTS, strict=True))
    assert list(room.reader().get_many([])) == []


def test_an_object_that_the_index_does_not_know_yet_is_found_after_a_refresh(room: Room) -> None:
    names = room.put(_CONTENTS, after_upload=lambda made: None)

    assert room.reader().get(names[0]) == _CONTENTS[0]
    assert room.refreshes == 1


def test_an_object_that_moved_to_another_pack_is_found_there(room: Room) -> None:
    names = room.put(_CONTENTS)
    (old,) = room.told
    room.put([*_CONTENTS, b"gc"], known=lambda names: set(), after_upload=lambda made: None)
    room.place.delete([pack_key(old.name)])

    assert dict(room.reader().get_many(names)) == dict(zip(names, _CONTENTS, strict=True))
    assert room.refreshes == 1


def test_a_missing_object_is_named(room: Room) -> None:
    (name,) = room.put([b"there"])

    with pytest.raises(ObjectMissing) as caught:
        list(room.reader().get_many([name, name_of(b"not there")]))

    assert caught.value.name == name_of(b"not there")
    assert room.refreshes == 1


def test_a_pack_that_is_gone_for_good_is_a_missing_object(room: Room) -> None:
    names = room.put(_CONTENTS)
    room.place.delete([pack_key(room.told[0].name)])

    with pytest.raises(ObjectMissing):
        list(room.reader().get_many(names))


def test_a_flipped_bit_names_object_and_pack(near: Room, tmp_path: Path) -> None:
    names = near.put(_CONTENTS)
    (made,) = near.told
    row = next(row for row in made.rows if row.name == names[3])
    _flip(tmp_path / "place", made.name, row.offset + row.stored // 2)

    with pytest.raises(ObjectDamaged) as caught:
        near.reader().get(names[3])

    assert (caught.value.name, caught.value.pack) == (names[3], made.name)
    assert [error.name for error in damages(near.place, made.name)] == [names[3]]
    assert dict(near.reader().get_many(names[:3])) == dict(zip(names[:3], _CONTENTS[:3], strict=True))


def test_a_damaged_object_is_taken_from_another_pack(near: Room, tmp_path: Path) -> None:
    names = near.put(_CONTENTS)
    near.put([_CONTENTS[3]], known=lambda names: set())
    at = near.index.locate([names[3]])[names[3]]
    _flip(tmp_path / "place", at.pack, at.offset)

    assert near.reader().get(names[3]) == _CONTENTS[3]


def test_every_damaged_object_is_told_and_the_pack_is_not_read_for_each(far: Room) -> None:
    names = far.put([os.urandom(2000) for _ in range(200)])
    assert isinstance(far.place, FarPlace)
    (made,) = far.told
    far.place.read_ranges = lambda key, ranges: [  # type: ignore[method-assign]
        far.place.ranges.append((key, *each)) or bytes(each[1])  # type: ignore[attr-defined, func-returns-value]
        for each in ranges
    ]

    found = dict(far.reader().get_each([*names, name_of(b"not there")]))

    assert found.keys() == {*names, name_of(b"not there")}
    assert {type(found[name]) for name in names} == {ObjectDamaged}
    assert isinstance(found[name_of(b"not there")], ObjectMissing)
    assert len(far.place.ranges) <= 4
    assert far.refreshes == 1
    assert made.objects >= 200


def test_a_pack_that_is_cut_short_is_noticed(near: Room, tmp_path: Path) -> None:
    names = near.put(_CONTENTS)
    (made,) = near.told
    file = tmp_path / "place" / pack_key(made.name)
    file.chmod(0o644)
    os.truncate(file, 200_000)

    with pytest.raises(ObjectDamaged):
        list(near.reader().get_many(names))
    with pytest.raises(PackDamaged, match="cut short"):
        read_index(near.place, made.name)
    assert not is_whole(near.place, made.name)


def test_a_flipped_bit_of_the_index_is_damage_of_the_pack(near: Room, tmp_path: Path) -> None:
    near.put(_CONTENTS)
    (made,) = near.told

    for at in (-1, -24, -30, -200):
        _flip(tmp_path / "place", made.name, at)
        with pytest.raises(PackDamaged):
            read_index(near.place, made.name)
        _flip(tmp_path / "place", made.name, at)
    assert read_index(near.place, made.name) == made.rows


def test_the_index_of_a_large_pack_is_read_whole(room: Room) -> None:
    room.put(str(number).encode() for number in range(4000))
    (made,) = room.told

    assert read_index(room.place, made.name) == made.rows
    with pytest.raises(NotInPlace):
        read_index(room.place, name_of(b""))


def test_far_away_neighbours_are_read_together_and_distant_ones_apart(far: Room) -> None:
    contents = [bytes([n]) + os.urandom(99_999) for n in range(10)]
    names = far.put(contents)
    assert isinstance(far.place, FarPlace)
    wanted = [names[n] for n in (0, 1, 2, 5, 9)]

    assert set(dict(far.reader().get_many(wanted))) == set(wanted)
    assert sorted((start, length) for _, start, length in far.place.ranges) == [
        (16, 300_000),
        (500_016, 100_000),
        (900_016, 100_000),
    ]


def test_a_reader_that_is_left_in_the_middle_leaves_no_thread_behind(far: Room) -> None:
    contents = [os.urandom(1_000_000) for _ in range(40)]
    names = far.put(contents, target_bytes=4_000_000)

    found = far.reader().get_many(names)
    next(found)
    found.close()  # type: ignore[attr-defined]


@given(
    places=st.lists(st.tuples(st.sampled_from("pq"), st.integers(0, 3000), st.integers(1, 500)), max_size=30),
    gap=st.integers(0, 300),
    at_once=st.integers(1, 2000),
)
def test_a_plan_covers_every_object_and_never_reads_too_much_at_once(
    places: list[tuple[str, int, int]], gap: int, at_once: int
) -> None:
    located = {str(n): Location(pack, start, size, size, RAW) for n, (pack, start, size) in enumerate(places)}

    pieces = list(planned(located, gap, at_once))

    seen = []
    for piece in pieces:
        assert sum(length for _, length in piece.ranges) <= max([at_once, *(at.stored for at in located.values())])
        for (start, length), objects in zip(piece.ranges, piece.objects, strict=True):
            for name, at in objects:
                assert at.pack == piece.pack
                assert start <= at.offset
                assert at.offset + at.stored <= start + length
                seen.append(name)
    assert sorted(seen) == sorted(located)
