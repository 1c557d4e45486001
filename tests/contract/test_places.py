"""What every place promises, whatever it is made of."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meristem.errors import InputError, NotInPlace
from meristem.packs.place import Place, open_place
from meristem.store.store import Store

_KEY = "packs/ab/abcdef.pack"
_numbers = itertools.count()


@pytest.fixture(params=["folder", "memory", "s3", "database", "database on postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty place of each kind in turn."""
    if request.param == "folder":
        yield open_place(tmp_path / "place")
    elif request.param == "memory":
        yield open_place(f"memory://{tmp_path.name}-{next(_numbers)}/datasets")
    elif request.param == "s3":
        yield open_place(f"{request.getfixturevalue('s3')}/a prefix/datasets")
    else:
        in_file = request.param == "database"
        store = Store(f"sqlite:///{tmp_path}/store.db" if in_file else request.getfixturevalue("postgres_url"))
        yield open_place("database:/datasets", database=store.database)
        store.close()


def test_what_was_put_is_read_whole_and_in_parts(place: Place) -> None:
    assert place.put_new(_KEY, b"0123456789")

    assert place.read(_KEY) == b"0123456789"
    assert place.read(_KEY, 3) == b"3456789"
    assert place.read(_KEY, 3, 4) == b"3456"
    assert place.size(_KEY) == 10


def test_a_negative_start_counts_from_the_end(place: Place) -> None:
    place.put_new(_KEY, b"0123456789")

    assert place.read(_KEY, -4) == b"6789"
    assert place.read(_KEY, -4, 2) == b"67"
    assert place.read(_KEY, -40) == b"0123456789"


def test_what_lies_past_the_end_is_left_out(place: Place) -> None:
    place.put_new(_KEY, b"0123456789")

    assert place.read(_KEY, 8, 100) == b"89"
    assert place.read(_KEY, 10) == b""
    assert place.read(_KEY, 50, 3) == b""
    assert place.read(_KEY, 5, 0) == b""
    assert place.read_ranges(_KEY, [(0, 2), (9, 5), (30, 5), (4, 0), (4, 3)]) == [b"01", b"9", b"", b"", b"456"]


def test_nothing_is_ever_replaced(place: Place) -> None:
    assert place.put_new(_KEY, b"first")

    assert not place.put_new(_KEY, b"second")
    assert place.read(_KEY) == b"first"


def test_a_file_is_put_and_given_away(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "made"
    file.write_bytes(b"x" * 100_000)

    assert place.put_new(_KEY, file)
    assert place.read(_KEY, 99_990) == b"x" * 10


def test_an_empty_content_is_a_content(place: Place) -> None:
    assert place.put_new(_KEY, b"")
    assert place.size(_KEY) == 0
    assert place.read(_KEY) == b""
    assert not place.put_new(_KEY, b"more")


def test_what_is_not_there_is_said_to_be_missing(place: Place) -> None:
    place.put_new(_KEY, b"0")

    assert place.size("packs/ab/other.pack") is None
    for read in (lambda: place.read("packs/ab/other.pack"), lambda: place.read("packs/ab/other.pack", -5)):
        with pytest.raises(NotInPlace):
            read()
    with pytest.raises(NotInPlace):
        place.read_ranges("packs/zz/other.pack", [(0, 1)])


def test_keys_are_listed_by_prefix_with_their_sizes(place: Place) -> None:
    for key in ("packs/aa/1.pack", "packs/ab/2.pack", "versions/p%2Fq/name/1.0.0.json"):
        place.put_new(key, key.encode())

    assert {(listed.key, listed.size) for listed in place.keys("packs/")} == {
        ("packs/aa/1.pack", 15),
        ("packs/ab/2.pack", 15),
    }
    assert [listed.key for listed in place.keys("versions/p%2Fq/")] == ["versions/p%2Fq/name/1.0.0.json"]
    assert len(list(place.keys(""))) == 3
    assert list(place.keys("nothing/")) == []
    assert all(listed.modified > 1.7e9 for listed in place.keys(""))


def test_deleting_may_be_repeated(place: Place) -> None:
    place.put_new(_KEY, b"0")
    place.put_new("packs/ab/stays.pack", b"0")

    place.delete([_KEY, "packs/ab/never.pack"])
    place.delete([_KEY])

    assert place.size(_KEY) is None
    assert [listed.key for listed in place.keys("packs/")] == ["packs/ab/stays.pack"]
    assert place.put_new(_KEY, b"again")


@pytest.mark.parametrize("key", ["../out", "/etc/passwd", "a//b", "a/../b", "", "a/", "a\nb", "ü", "."])
def test_a_key_that_leads_out_is_refused(place: Place, key: str) -> None:
    with pytest.raises(InputError):
        place.put_new(key, b"0")
    with pytest.raises(InputError):
        place.read(key)


def test_of_writers_of_one_key_exactly_one_is_told_that_it_won(place: Place) -> None:
    for turn in range(20):
        key, start, won = f"versions/a/{turn}.json", threading.Barrier(4), []

        def write(me: int, key: str = key, start: threading.Barrier = start, won: list[int] = won) -> None:
            start.wait()
            if place.put_new(key, str(me).encode() * 1000):
                won.append(me)

        threads = [threading.Thread(target=write, args=(me,)) for me in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(won) == 1
        assert place.read(key) == str(won[0]).encode() * 1000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(content=st.binary(max_size=300), start=st.integers(-320, 320), length=st.none() | st.integers(0, 320))
def test_any_part_is_the_part_of_the_content(place: Place, content: bytes, start: int, length: int | None) -> None:
    place.delete([_KEY])
    place.put_new(_KEY, content)
    begin = max(0, len(content) + start) if start < 0 else start

    assert place.read(_KEY, start, length) == content[begin : None if length is None else begin + length]


def test_the_url_names_the_place(place: Place) -> None:
    assert place.url
    assert place.reads_at_once >= 1
