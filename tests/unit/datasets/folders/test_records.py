"""Records of directories: what they keep, and whether stats may be trusted."""

from __future__ import annotations

import stat
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.datasets.folders.comparing import differing
from meristem.datasets.folders.records import Record, is_racy

FILE = stat.S_IFREG | 0o644
SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND + 123


def record(**files: tuple[int, ...]) -> Record:
    """Of files given as name=(inode, mtime, ctime, size, mode)."""
    return Record.unread(list(files), array("q", [number for facts in files.values() for number in facts]))


def known(**files: tuple[int, ...]) -> Record:
    made = record(**files)
    for i, name in enumerate(files):
        made.set_content(i, b"f" + name.encode().ljust(32, b"x"))
    return made


names = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1).filter(lambda name: name != ".")


@given(st.lists(names | st.just("\udcff"), unique=True), st.data())
def test_a_record_is_read_as_it_was_kept(listed: list[str], data: st.DataObject) -> None:
    facts = [data.draw(st.integers(-1, 2**63 - 1)) for _ in range(5 * len(listed))]
    made = Record.unread(listed, array("q", facts))
    for i in range(len(listed)):
        made.set_content(i, b"l")
        made.targets[i] = "there"
    again = Record.decode(made.encode())
    assert again == made
    assert again.names == listed


def test_a_damaged_record_is_not_read() -> None:
    row = bytearray(known(a=(1, 2, 3, 4, FILE)).encode())
    for i in range(len(row)):
        row[i] ^= 1
        assert Record.decode(bytes(row)) is None
        row[i] ^= 1
    assert Record.decode(bytes(row)[:-1]) is None
    assert Record.decode(b"") is None


def test_what_was_not_read_is_not_kept() -> None:
    made = known(a=(1, 2, 3, 4, FILE), b=(2, 2, 3, 4, FILE), c=(3, 2, 3, 4, FILE), d=(4, 2, 3, 0, stat.S_IFLNK))
    made.set_content(3, b"l")
    made.targets[3] = "there"
    items = dict(made.read_items())
    made.forget(1)
    kept = made.without_unread()
    assert kept.names == ["a", "c", "d"]
    assert dict(kept.read_items()) == {name: items[name] for name in "acd"}


def test_files_that_are_as_they_were_keep_their_content_also_when_they_are_listed_in_another_order() -> None:
    old = known(a=(1, 2, 3, 4, FILE), b=(2, 2, 3, 4, FILE))
    new = record(b=(2, 2, 3, 4, FILE), a=(1, 2, 3, 4, FILE))
    changed = differing("", new, old)
    assert (list(changed.fresh), changed.before, changed.gone) == ([], {}, {})
    assert dict(new.read_items()) == dict(old.read_items())


@pytest.mark.parametrize("which", range(5))
def test_a_file_of_which_any_stat_differs_must_be_read(which: int) -> None:
    facts = [1, 2, 3, 4, FILE]
    facts[which] ^= 1
    old, new = known(a=(1, 2, 3, 4, FILE), b=(2, 2, 3, 4, FILE)), record(a=tuple(facts), b=(2, 2, 3, 4, FILE))
    changed = differing("", new, old)
    assert (list(changed.fresh), changed.before) == ([0], {0: old.item(0)})
    assert new.item(0) is None


def test_names_that_came_and_went_are_told_apart() -> None:
    old = known(a=(1, 2, 3, 4, FILE), b=(2, 2, 3, 4, FILE))
    changed = differing("", record(b=(2, 2, 3, 4, FILE), c=(3, 2, 3, 4, FILE)), old)
    assert (list(changed.fresh), changed.before) == ([1], {})
    assert list(changed.gone) == ["a"]


@pytest.mark.parametrize(
    ("mtime", "ctime", "racy"),
    [
        (NOW - 5 * SECOND, NOW - 5 * SECOND, False),
        (NOW - 5 * SECOND, NOW - SECOND // 20, True),  # its time was set back, which only ctime tells
        (NOW - SECOND // 20, NOW - 5 * SECOND, True),
        (NOW + 3600 * SECOND, NOW - 5 * SECOND, False),  # a time set to the future: a change would show
        (NOW + 5 * SECOND, NOW + 5 * SECOND, True),  # a clock that goes ahead of ours
        (NOW - 123 - SECOND, NOW - 123 - SECOND, True),  # whole seconds: the file system keeps no more
        (NOW - 123 - 3 * SECOND, NOW - 123 - 3 * SECOND, False),
    ],
)
def test_a_file_that_changed_just_before_it_was_read_is_not_trusted(mtime: int, ctime: int, racy: bool) -> None:
    assert is_racy((1, mtime, ctime, 10, FILE), NOW) is racy
