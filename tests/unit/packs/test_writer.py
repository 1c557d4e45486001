"""What is stored, what is not, and what remains when storing fails."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.unit.packs.rooms import FarPlace, Room

from meristem.errors import PlaceUnavailable
from meristem.packs.chunking import ZEROS
from meristem.packs.format import EMPTY_OBJECT, name_of, pack_key
from meristem.packs.pack_files import damages, is_whole, read_index
from meristem.packs.writer import PackMade, PackWriter


def _contents(count: int, size: int = 300) -> list[bytes]:
    return [(b"%d-" % number) * (size // 4) for number in range(count)]


def _put_all(writer: PackWriter, contents: list[bytes]) -> None:
    for content in contents:
        writer.put(content)
    writer.flush()


def _packs(room: Room) -> list[str]:
    return sorted(listed.key for listed in room.place.keys("packs/"))


def test_what_was_put_is_read_again(room: Room) -> None:
    contents = [*_contents(1000), b"x" * 200_000, b""]

    names = room.put(contents)

    assert names == [name_of(content) for content in contents]
    assert dict(room.reader().get_many(names)) == dict(zip(names, contents, strict=True))
    assert _packs(room) == [pack_key(made.name) for made in room.told]


def test_equal_contents_are_stored_once(room: Room) -> None:
    room.put([b"same" * 100] * 50)

    assert room.told[0].objects == 1


def test_what_another_pack_holds_is_a_hit_and_is_not_stored(room: Room) -> None:
    names = room.put(_contents(20))

    with room.writer() as writer:
        for content in [*_contents(20), b"new" * 50]:
            writer.put(content)
        writer.flush()

    assert sorted(writer.hits) == sorted(names)
    assert writer._taken == set()
    assert [made.objects for made in writer.packs] == [1]


def test_where_all_is_known_no_pack_is_made(room: Room) -> None:
    room.put(_contents(20))
    room.put(_contents(20))

    assert len(_packs(room)) == 1


def test_packs_are_cut_at_their_target_size(room: Room) -> None:
    names = room.put([bytes([n]) * 10 + str(n).encode() * 3 for n in range(100)], target_bytes=200)

    assert len(room.told) > 5
    assert all(made.size <= 200 + 52 * made.objects + 24 for made in room.told)
    assert set(dict(room.reader().get_many(names))) == set(names)


def test_a_pack_is_told_of_before_it_can_be_seen(room: Room) -> None:
    seen: list[int | None] = []

    room.put(_contents(5), before_upload=lambda made: seen.append(room.place.size(pack_key(made.name))))

    assert seen == [None]


def test_a_pack_whose_name_may_not_be_used_gets_another(room: Room) -> None:
    refused: list[str] = []

    def refuse_twice(made: PackMade) -> bool:
        refused.append(made.name)
        return len(refused) > 2

    names = room.put(_contents(5), before_upload=refuse_twice)

    assert len(set(refused)) == 3
    assert _packs(room) == [pack_key(refused[2])]
    assert list(damages(room.place, refused[2])) == []
    assert len(dict(room.reader().get_many(names))) == 5


def test_a_damaged_pack_of_the_same_name_is_replaced(far: Room) -> None:
    assert isinstance(far.place, FarPlace)
    far.put(_contents(5))
    (key,) = far.place.contents
    content = bytearray(far.place.contents[key])
    content[20] ^= 1
    far.place.contents[key] = bytes(content)

    far.put(_contents(5), known=lambda names: set())

    assert is_whole(far.place, far.told[0].name)


def test_a_name_that_is_given_is_believed(room: Room) -> None:
    with room.writer() as writer:
        assert writer.put(b"content", name="ab" * 32) == "ab" * 32


def test_views_may_be_overwritten_after_put(room: Room) -> None:
    buffer = bytearray(100_000)
    names = []
    with room.writer() as writer:
        for number in range(40):
            size = 100_000 if number % 2 else 500
            buffer[:size] = bytes([number]) * size
            names.append(writer.put(memoryview(buffer)[:size]))
        writer.flush()

    found = dict(room.reader().get_many(names))

    assert all(found[name][0] == number for number, name in enumerate(names))


def test_zeros_and_emptiness_cost_next_to_nothing(room: Room) -> None:
    with room.writer() as writer:
        names = {writer.put(ZEROS) for _ in range(100)} | {writer.put(b"")}
        writer.flush()

    assert names == {name_of(bytes(ZEROS)), EMPTY_OBJECT}
    assert writer.stored_bytes < 500
    assert room.reader().get(EMPTY_OBJECT) == b""


def test_several_threads_put_at_once(room: Room) -> None:
    with room.writer(target_bytes=20_000) as writer:

        def put(me: int) -> None:
            for content in _contents(300):
                writer.put(content)
                writer.put(content + bytes([me]))

        threads = [threading.Thread(target=put, args=(me,)) for me in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        writer.flush()

    assert sum(made.objects for made in room.told) == 300 * 5
    names = {name_of(content + mark) for content in _contents(300) for mark in (b"", *(bytes([me]) for me in range(4)))}
    assert room.index.known(names) == names


def test_what_is_not_flushed_is_dropped(room: Room, tmp_path: Path) -> None:
    with room.writer() as writer:
        for content in _contents(400):
            writer.put(content)

    assert _packs(room) == []
    assert list((tmp_path / "place" / "incoming").glob("*")) == []
    with pytest.raises(ValueError, match="closed"):
        writer.put(b"more")


def test_flushing_twice_and_going_on_is_fine(room: Room) -> None:
    with room.writer() as writer:
        writer.put(b"one")
        writer.flush()
        writer.flush()
        writer.put(b"two")
        writer.flush()

    assert len(_packs(room)) == 2


def test_a_place_that_fails_fails_the_next_put_or_flush_and_nothing_hangs(far: Room) -> None:
    assert isinstance(far.place, FarPlace)
    far.place.fail = True

    with far.writer(target_bytes=1000, uploads=2) as writer, pytest.raises(PlaceUnavailable, match="away"):
        _put_all(writer, _contents(5000))

    with pytest.raises(PlaceUnavailable):
        writer.flush()
    assert far.index.packs() == {}


@pytest.mark.parametrize("which", ["before_upload", "after_upload", "known"])
def test_an_error_of_a_callback_is_raised(room: Room, which: str) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("no store")

    with room.writer(**{which: broken}) as writer:
        writer.put(b"x")
        with pytest.raises(RuntimeError, match="no store"):
            writer.flush()

    assert len(_packs(room)) == (which == "after_upload")


def test_nothing_can_be_seen_when_telling_of_it_failed(near: Room, tmp_path: Path) -> None:
    def refuse(_: PackMade) -> None:
        raise RuntimeError("no store")

    with near.writer(before_upload=refuse, target_bytes=1000) as writer, pytest.raises(RuntimeError):
        _put_all(writer, _contents(1000))

    assert list((tmp_path / "place" / "incoming").glob("*")) == []
    assert _packs(near) == []


def test_objects_are_forgotten_once_the_index_knows_them(room: Room) -> None:
    with room.writer(target_bytes=1000) as writer:
        for content in _contents(1000):
            writer.put(content)
        writer.flush()

        assert writer._taken == set()
        assert all(made.block == b"" for made in writer.packs)
        writer.put(_contents(1)[0])
        writer.flush()
        assert len(writer.hits) == 1


def test_without_after_upload_the_packs_are_remembered_with_their_rows(room: Room) -> None:
    with PackWriter(room.place, lambda names: set(), lambda made: None) as writer:
        names = [writer.put(content) for content in _contents(10)]
        writer.flush()
        writer.put(_contents(1)[0])
        writer.flush()

    (made,) = writer.packs
    assert [row.name for row in made.rows] == sorted(names)
    assert made.rows == read_index(room.place, made.name)
    assert made.size == room.place.size(pack_key(made.name)) == writer.stored_bytes


def test_packs_of_writers_with_other_marks_have_other_names_and_hold_the_same(room: Room) -> None:
    contents = _contents(20)

    names = room.put(contents, known=lambda names: set(), mark=b"one")
    room.put(contents, known=lambda names: set(), mark=b"two")

    assert len({made.name for made in room.told}) == 2
    assert dict(room.reader().get_many(names)) == dict(zip(names, contents, strict=True))
    for made in room.told:
        assert list(damages(room.place, made.name)) == []


def test_an_object_that_is_the_mark_is_stored_once_and_read_again(room: Room) -> None:
    names = room.put([b"mark", b"other"], mark=b"mark")

    assert [row.name for row in room.told[0].rows] == sorted(names)
    assert room.reader().get(name_of(b"mark")) == b"mark"
