"""The fault run of datasets: what its processes write down, and what its judge must not let pass."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks.datasets.fault_folders import edit
from benchmarks.datasets.fault_journal import Journal, digest_of, open_draft, read_notes
from benchmarks.datasets.fault_judging import Checked, Judgement, judge

Note = dict[str, Any]
MADE: list[Note] = [
    {"what": "draft", "id": 1},
    {"what": "finalizing", "id": 1, "digest": "one"},
    {"what": "finalized", "id": 1},
]
GOOD = Checked(id=1, digest="one")


def judged(*more: Note, checked: list[Checked] | None = None, left: int = 0) -> Judgement:
    return judge([*MADE, *more], [GOOD] if checked is None else checked, left)


def test_a_version_that_is_what_was_written_down_is_good() -> None:
    found = judged({"what": "read", "id": 1, "digest": "one"})
    assert found.good
    assert (found.finalized, found.kept, found.verified, found.reads) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("wrong", judged(checked=[Checked(id=1, digest="two")])),
        ("missing", judged(checked=[Checked(id=1, error="ObjectMissing")])),
        ("unreadable", judged(checked=[Checked(id=1, error="ObjectDamaged")])),
        ("unfounded", judged(checked=[GOOD, Checked(id=2, digest="two")])),
        ("lost", judged(checked=[])),
        ("wrong_reads", judged({"what": "read", "id": 1, "digest": "two"})),
        ("drafts_left", judged(left=1)),
    ],
)
def test_each_kind_of_damage_is_counted_and_is_not_good(name: str, found: Judgement) -> None:
    assert getattr(found, name) == 1
    assert not found.good


def test_errors_count_unless_they_may_be_gone_in_a_moment() -> None:
    error = {"what": "error", "kind": "PlaceUnavailable", "transient": True}
    assert judged(error).good
    assert judged(error).unavailable == 1
    worse = judged({**error, "transient": False})
    assert (worse.good, worse.errors) == (False, {"PlaceUnavailable": 1})


def test_a_deleted_version_is_not_lost() -> None:
    assert judged({"what": "deleting", "id": 1}, checked=[]).good


def test_a_draft_that_went_on_is_held_to_what_was_written_down_last() -> None:
    again = [{"what": "resumed", "id": 1}, {"what": "finalizing", "id": 1, "digest": "two"}]
    notes = [*MADE[:2], *again, {"what": "finalized", "id": 1, "unheard": True}]
    found = judge(notes, [replace(GOOD, digest="two")], 0)
    assert (found.good, found.resumed, found.unheard) == (True, 1, 1)
    assert judge(notes, [GOOD], 0).wrong == 1


def test_drafts_of_the_dead_and_conflicts_are_counted_apart() -> None:
    found = judged(
        {"what": "discarded", "id": 2, "because": "chosen"},
        {"what": "conflict", "id": 3},
        {"what": "discarded", "id": 3, "because": "conflict"},
    )
    assert (found.discarded, found.conflicts) == (1, 1)


def test_a_writer_finds_the_draft_of_its_last_life() -> None:
    begun = {"what": "draft", "id": 7}
    assert open_draft([]) is None
    assert open_draft(MADE) is None
    assert open_draft([*MADE, begun]) == 7
    assert open_draft([*MADE, begun, {"what": "discarded", "id": 7}]) is None


def test_a_torn_note_is_passed_over_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    Journal(path).note("born")
    with path.open("ab") as file:
        file.write(b'{"what": "fin')
    Journal(path).note("born", pid=1)
    assert [note["what"] for note in read_notes(path)] == ["born", "born"]
    assert read_notes(tmp_path / "none") == []


def test_the_digest_sees_names_bytes_links_modes_and_empty_folders(tmp_path: Path) -> None:
    def folder(name: str) -> Path:
        made = tmp_path / name
        (made / "sub").mkdir(parents=True)
        (made / "sub" / "file").write_bytes(b"bytes")
        (made / "link").symlink_to("sub/file")
        (made / "empty").mkdir()
        return made

    same = digest_of(folder("same"))
    assert digest_of(folder("again")) == same
    changes = {
        "bytes": lambda made: (made / "sub" / "file").write_bytes(b"other"),
        "name": lambda made: (made / "sub" / "file").rename(made / "sub" / "moved"),
        "mode": lambda made: (made / "sub" / "file").chmod(0o755),
        "empty": lambda made: (made / "empty").rmdir(),
        "link": lambda made: (made / "link").unlink(),
    }
    for name, change in changes.items():
        change(folder(name))
        assert digest_of(tmp_path / name) != same, name


def test_folders_change_the_same_way_for_the_same_seed_and_again_and_again(tmp_path: Path) -> None:
    picks = [random.Random(3), random.Random(3)]
    seen = set()
    for turn in range(10):
        for number, pick in enumerate(picks):
            edit(tmp_path / str(number), pick, big_bytes=1000 if turn % 5 == 4 else 0)
        seen.add(digest_of(tmp_path / "0"))
        assert digest_of(tmp_path / "0") == digest_of(tmp_path / "1")
    assert len(seen) == 10
