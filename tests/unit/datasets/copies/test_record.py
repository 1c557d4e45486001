from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from tests.unit.datasets.copies.versions import Memory, link

from meristem.datasets.copies.record import Damaged, RecordWriter, read_blocks, read_totals
from meristem.manifests.entry import Entry, Kind


def write(path: Path) -> bytes:
    memory = Memory()
    with RecordWriter(path) as record:
        record.add(memory.file("a/b", b"1"), (1, 1, 3, 4))
        record.add(memory.file("a/c", b"2", executable=True), (5, 1, 7, 8))
        record.add(link("a/\udcff", "b"), (9, 1, 10, 11))
        record.add(Entry("a/away", Kind.EXTERNAL, 5, "u"), None)
        record.add_folder("a", (12, 13, 14, 15))
    return path.read_bytes()


def test_a_record_gives_back_what_was_written(tmp_path: Path) -> None:
    write(tmp_path / "r")
    entries, folder = read_blocks(tmp_path / "r")
    assert (entries.folder, entries.names, entries.letters) == ("a", ["b", "c", "\udcff"], b"fFl")
    assert list(entries.stats) == [1, 1, 3, 4, 5, 1, 7, 8, 9, 1, 10, 11]
    assert (folder.folder, folder.contents, list(folder.stats)) == ("a", None, [12, 13, 14, 15])
    assert read_totals(tmp_path / "r") == (4, 3, 1)


def test_many_entries_of_a_folder_are_several_blocks(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "r") as record:
        for number in range(9000):
            record.add(Entry(f"f{number:04}", Kind.LINK, 1, "x"), (number, 0, 0, 0))
    assert [len(block.names) for block in read_blocks(tmp_path / "r")] == [4096, 4096, 808]


def test_a_record_that_was_cut_or_changed_anywhere_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "r"
    whole = write(path)
    footer = 25
    for at in range(0, len(whole) - footer + 1, 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        with pytest.raises(Damaged):
            list(read_blocks(path))
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        with pytest.raises(Damaged):
            list(read_blocks(path))


def test_a_record_that_was_not_ended_has_no_footer(tmp_path: Path) -> None:
    with suppress(OSError), RecordWriter(tmp_path / "r") as record:
        record.add(Entry("a", Kind.LINK, 1, "x"), (1, 2, 3, 4))
        raise OSError("stopped")
    with pytest.raises(Damaged):
        list(read_blocks(tmp_path / "r"))
