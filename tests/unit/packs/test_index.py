"""What lies in which pack, remembered on this machine."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meristem.errors import PlaceUnavailable
from meristem.packs.format import RAW, Row, name_of
from meristem.packs.index import LocalIndex, Location

A, B, C = (name_of(letter) for letter in (b"a", b"b", b"c"))
PACK_1, PACK_2 = name_of(b"pack 1"), name_of(b"pack 2")


@pytest.fixture
def index(tmp_path: Path) -> LocalIndex:
    return LocalIndex(tmp_path / "index")


def _row(name: str, offset: int = 16) -> Row:
    return Row(name, offset, 1, 1, RAW)


def test_objects_are_found_in_their_pack(index: LocalIndex) -> None:
    index.add_packs([(PACK_1, 1, [_row(A), _row(B, 17)])])

    assert index.locate([A, C]) == {A: Location(PACK_1, 16, 1, 1, RAW)}
    assert index.known([A, B, C]) == {A, B}
    assert index.packs() == {PACK_1: 1}


def test_adding_a_pack_may_be_repeated(index: LocalIndex) -> None:
    for serial in (1, 4):
        index.add_packs([(PACK_1, serial, [_row(A)])])

    assert len(index.copies(A)) == 1
    assert index.packs() == {PACK_1: 4}


def test_an_object_in_two_packs_outlives_one_of_them(index: LocalIndex) -> None:
    index.add_packs([(PACK_1, 1, [_row(A)]), (PACK_2, 2, [_row(A, 90), _row(C)])])
    assert [copy.pack for copy in index.copies(A)] == [PACK_2, PACK_1]

    index.drop_packs([PACK_2, name_of(b"never heard of")])

    assert index.locate([A, C]) == {A: Location(PACK_1, 16, 1, 1, RAW)}


def test_a_pack_that_takes_the_place_of_one_that_was_dropped_is_another_one(index: LocalIndex) -> None:
    index.add_packs([(PACK_1, 1, [_row(A)])])
    assert index.known([A, B]) == {A}

    index.drop_packs([PACK_1])
    index.add_packs([(PACK_2, 2, [_row(B)])])

    assert index.locate([A, B]) == {B: Location(PACK_2, 16, 1, 1, RAW)}


def test_a_file_that_was_made_anew_is_followed_anew(index: LocalIndex) -> None:
    index.add_packs([(PACK_1, 1, [_row(A)])])
    assert index.known([A, B]) == {A}

    index.close()
    for file in index.folder.iterdir():
        file.unlink()
    index.add_packs([(PACK_2, 2, [_row(B)])])

    assert index.locate([A, B]) == {B: Location(PACK_2, 16, 1, 1, RAW)}


def test_any_number_of_names_is_asked_at_once(index: LocalIndex) -> None:
    names = [name_of(str(n).encode()) for n in range(5000)]
    index.add_packs([(PACK_1, 1, [_row(name) for name in names[::2]])])

    assert index.known(names) == set(names[::2])
    assert index.known(name for name in names) == set(names[::2])
    assert index.known([]) == set()


def test_the_cursor_outlives_the_process(tmp_path: Path) -> None:
    index = LocalIndex(tmp_path)
    assert (index.cursor, index.epoch) == (0, 0)

    index.remember(cursor=12, epoch=3)
    index.close()

    assert (LocalIndex(tmp_path).cursor, LocalIndex(tmp_path).epoch) == (12, 3)


@pytest.mark.parametrize("content", [b"", b"this is no database at all " * 100])
def test_a_broken_file_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "packs.db").write_bytes(content)
    index = LocalIndex(tmp_path)

    assert index.known([A]) == set()
    index.add_packs([(PACK_1, 1, [_row(A)])])
    assert index.known([A]) == {A}


def test_a_file_of_another_version_is_made_anew(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "packs.db")
    connection.executescript("CREATE TABLE objects (x); PRAGMA user_version = 99")
    connection.close()

    assert LocalIndex(tmp_path).known([A]) == set()


def test_damage_that_is_met_later_costs_the_index_and_nothing_else(tmp_path: Path) -> None:
    first = LocalIndex(tmp_path)
    first.add_packs([(PACK_1, 1, [_row(name_of(str(n).encode())) for n in range(3000)])])
    first.remember(cursor=1, epoch=1)
    first.close()
    file = tmp_path / "packs.db"
    content = bytearray(file.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    file.write_bytes(content)

    index = LocalIndex(tmp_path)

    assert index.known([name_of(str(n).encode()) for n in range(3000)]) == set()
    assert index.cursor == 0


def test_two_openers_and_several_threads_share_one_file(tmp_path: Path) -> None:
    indexes = [LocalIndex(tmp_path) for _ in range(4)]
    packs = [(name_of(bytes([n])), n, [_row(name_of(bytes([n, m]))) for m in range(50)]) for n in range(40)]

    def add(number: int) -> None:
        for pack in packs[number::8]:
            indexes[number % 4].add_packs([pack])

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    names = {row.name for _, _, rows in packs for row in rows}
    assert all(index.known(names) == names for index in indexes)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(PlaceUnavailable, match="MERISTEM_CACHE"):
        LocalIndex(tmp_path / "file" / "index").known([A])


def test_packs_are_found_before_and_after_they_are_sorted_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meristem.packs.index._MOST_RECENT", 25)
    writer, reader = LocalIndex(tmp_path), LocalIndex(tmp_path)
    names: list[str] = []
    for number in range(12):
        some = [name_of(bytes([number, at])) for at in range(10)]
        names += some
        rows = [_row(name, 16 + at) for at, name in enumerate(some)]
        writer.add_packs([(name_of(bytes([number])), number, rows)])

        for index in (reader, writer):
            found = index.locate([*names, A])
            assert {name: found[name].offset for name in names} == {name: 16 + at % 10 for at, name in enumerate(names)}
            assert found[names[-1]].pack == name_of(bytes([number]))
            assert index.known([*names, A]) == set(names)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["add", "drop"]), st.integers(0, 5), st.sets(st.integers(0, 9), max_size=6)),
        max_size=14,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
def test_the_index_equals_a_plain_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int, set[int]]]
) -> None:
    monkeypatch.setattr("meristem.packs.index._MOST_RECENT", 8)
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    indexes = [LocalIndex(folder), LocalIndex(folder)]
    names = [name_of(bytes([n])) for n in range(10)]
    packs: dict[str, set[str]] = {}
    for step, (what, number, objects) in enumerate(steps):
        pack = name_of(b"pack %d" % number)
        if what == "add":
            packs.setdefault(pack, {names[n] for n in objects})
            indexes[step % 2].add_packs([(pack, step, [_row(name) for name in packs[pack]])])
        else:
            packs.pop(pack, None)
            indexes[step % 2].drop_packs([pack])
        for index in indexes:
            assert index.known(names) == set().union(*packs.values())
            assert set(index.packs()) == set(packs)
            for name in names:
                assert {at.pack for at in index.copies(name)} == {p for p, held in packs.items() if name in held}
            assert all(name in packs[at.pack] for name, at in index.locate(names).items())
    for index in indexes:
        index.close()


@pytest.fixture
def needed(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Names in a database of their own: A, and one that no pack holds."""
    rows = sqlite3.connect(tmp_path / "needed.db", isolation_level=None)
    rows.execute("CREATE TABLE needed (name BLOB PRIMARY KEY)")
    rows.executemany("INSERT INTO needed VALUES (?)", [(bytes.fromhex(A),), (bytes.fromhex(PACK_1),)])
    yield rows
    rows.close()


def test_it_adds_up_what_each_pack_holds_of_some_objects(index: LocalIndex, needed: sqlite3.Connection) -> None:
    assert index.held(needed) == {}
    index.add_packs([(PACK_1, 1, [Row(A, 16, 7, 9, RAW), _row(B, 30)]), (PACK_2, 2, [_row(A), _row(C, 17)])])
    assert index.held(needed) == {PACK_1: (1, 7), PACK_2: (1, 1)}
    index.add_packs([(name_of(b"pack 3"), 3, [_row(B), _row(C, 17)])])
    assert index.held(needed) == {PACK_1: (1, 7), PACK_2: (1, 1), name_of(b"pack 3"): (0, 0)}
    assert index.locate([C])[C].pack in (PACK_2, name_of(b"pack 3"))


def test_an_index_that_is_broken_holds_nothing(index: LocalIndex, needed: sqlite3.Connection, tmp_path: Path) -> None:
    index.add_packs([(PACK_1, 1, [_row(A)])])
    index.close()
    (tmp_path / "index/packs.db").write_bytes(b"broken" * 10_000)
    assert index.held(needed) == {}
