"""What `add_files` names, and where it goes: files, folders, globs, links; and what it costs."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from integration.datasets.conftest import Machine
from meristem.datasets.dataset import Dataset
from meristem.datasets.objects import objects_of
from meristem.errors import InputError


def _paths(data: Dataset) -> list[str]:
    return list(data.list_files())


def _packs(data: Dataset) -> int:
    return len(objects_of(data._objects.store).store.dataset_packs.live().packs)


def test_a_glob_of_many_files_is_one_change_and_one_pack(machine: Machine, work: Path) -> None:
    for name in "abcdefgh":
        (work / f"{name}.csv").write_text(name * 100)
    (work / "notes.txt").write_text("no table")
    draft = Dataset.create("p", "d", store=machine())
    assert draft.add_files(work / "*.csv") == 8
    assert _paths(draft) == [f"{name}.csv" for name in "abcdefgh"]
    assert _packs(draft) == 1


def test_of_a_glob_only_what_changed_is_new(machine: Machine, work: Path) -> None:
    for name in "abc":
        (work / f"{name}.csv").write_text(name)
    draft = Dataset.create("p", "d", store=machine())
    assert draft.add_files(work / "*.csv") == 3
    (work / "b.csv").write_text("another")
    (work / "d.csv").write_text("d")
    (work / "c.csv").unlink()
    assert draft.add_files(work / "*.csv") == 2
    assert _paths(draft) == ["a.csv", "b.csv", "c.csv", "d.csv"]
    assert draft.read_bytes("b.csv") == b"another"


def test_a_glob_takes_files_of_several_folders_and_whole_folders(machine: Machine, work: Path) -> None:
    for path in ("a/1.csv", "b/2.csv", "more.csv/3.txt", "more.csv/4.csv"):
        (work / path).parent.mkdir(exist_ok=True)
        (work / path).write_text(path)
    draft = Dataset.create("p", "d", store=machine())
    draft.add_files(work / "**" / "[1-3a-z]*.csv", dataset_path="all")
    assert _paths(draft) == ["all/1.csv", "all/2.csv", "all/more.csv/3.txt", "all/more.csv/4.csv"]


def test_a_wildcard_sorts_out_what_a_glob_matches(machine: Machine, work: Path) -> None:
    for path in ("a.csv", "b.txt"):
        (work / path).write_text(path)
    draft = Dataset.create("p", "d", store=machine())
    assert draft.add_files(work / "*", wildcard="*.csv") == 1
    assert _paths(draft) == ["a.csv"]


def test_a_wildcard_that_nothing_matches_is_told(machine: Machine, work: Path) -> None:
    (work / "a.txt").write_text("a")
    draft = Dataset.create("p", "d", store=machine())
    with pytest.raises(InputError, match=r"No file matches '\*\.csv'"):
        draft.add_files(work, wildcard="*.csv")
    assert draft.add_files(work, wildcard=["*.csv", "*.txt"]) == 1
    assert draft.add_files(work, wildcard="*.txt") == 0  # which are there already


def test_several_files_never_become_one(machine: Machine, work: Path) -> None:
    for name in "ab":
        (work / f"{name}.csv").write_text(name)
    draft = Dataset.create("p", "d", store=machine())
    assert draft.add_files(work / "*.csv", dataset_path="all.csv") == 2
    assert _paths(draft) == ["all.csv/a.csv", "all.csv/b.csv"]


def test_a_single_file_may_be_called_otherwise_and_is_read_once(machine: Machine, work: Path) -> None:
    file = work / "2024-02-01.csv"
    file.write_text("1,2\n" * 100)
    draft = Dataset.create("p", "d", store=machine())
    assert draft.add_files(file, dataset_path="days/first.csv") == 1
    assert _paths(draft) == ["days/first.csv"]
    assert draft.add_files(file, dataset_path="days/first.csv") == 0
    file.write_text("3,4\n")
    assert draft.add_files(file, dataset_path="days/first.csv") == 1
    assert draft.read_bytes("days/first.csv") == b"3,4\n"
    assert draft.add_files(file, dataset_path="days") == 1
    assert _paths(draft) == ["days/2024-02-01.csv", "days/first.csv"]


def test_a_link_that_is_named_is_followed_and_keeps_its_name(machine: Machine, work: Path) -> None:
    (work / "2024.csv").write_text("1,2")
    (work / "newest.csv").symlink_to("2024.csv")
    draft = Dataset.create("p", "d", store=machine())
    assert draft.add_files(work / "newest.csv") == 1
    assert _paths(draft) == ["newest.csv"]
    assert draft.read_bytes("newest.csv") == b"1,2"


def test_links_that_a_glob_finds_are_kept_or_refused_as_in_a_folder(machine: Machine, work: Path) -> None:
    (work / "secret").write_text("secret")
    (work / "data").mkdir()
    (work / "data" / "a").write_text("a")
    (work / "data" / "link").symlink_to("a")
    draft = Dataset.create("p", "d", store=machine())
    draft.add_files(work / "data" / "*")
    assert [str(entry.kind) for entry in draft.entries()] == ["f", "l"]
    (work / "data" / "out").symlink_to("../secret")
    with pytest.raises(InputError, match="leads out"):
        draft.add_files(work / "data" / "*")


def test_folders_that_a_glob_finds_keep_their_names_and_are_taken_once(machine: Machine, work: Path) -> None:
    for path in ("days/1/labels.csv", "days/2/labels.csv", "days/g", "days/2/deep/h"):
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(path)
    draft = Dataset.create("p", "d", store=machine())
    assert draft.add_files(work / "days" / "*") == 4
    assert _paths(draft) == ["1/labels.csv", "2/deep/h", "2/labels.csv", "g"]
    every = Dataset.create("p", "every", store=machine())
    assert every.add_files(f"{work}/days/**", dataset_path="x") == 4
    assert _paths(every) == ["x/1/labels.csv", "x/2/deep/h", "x/2/labels.csv", "x/g"]


@pytest.mark.parametrize("first", ["1", "1/labels.csv", "1/*"])
def test_sources_of_one_call_that_would_take_each_others_place_are_refused(
    machine: Machine, work: Path, first: str
) -> None:
    for path in ("1/labels.csv", "2/labels.csv"):
        (work / path).parent.mkdir()
        (work / path).write_text(path)
    draft = Dataset.create("p", "d", store=machine())
    with pytest.raises(InputError, match=r"would both be 'labels\.csv'"):
        draft.add_files(work / first, work / "2")
    assert not _paths(draft)
    assert draft.add_files(work / "1", work / "1") == 1  # the same file twice is no conflict


def test_one_file_beside_very_many_is_looked_up_and_not_compared_with_all(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "many").mkdir()
    for i in range(2000):
        (work / "many" / f"{i:04}").write_text(f"{i}")
    (work / "one").write_text("one")
    store = machine()
    with Dataset.create("p", "d", store=store) as data:
        data.add_files(work / "many")
    draft = Dataset.get("p/d", writable_copy=True, store=store)
    nodes = sum(what == "node" for what, _ in draft.tree.names())
    read: list[str] = []
    load = type(draft._objects).load
    monkeypatch.setattr(type(draft._objects), "load", lambda self, name: read.append(name) or load(self, name))  # type: ignore[func-returns-value]
    assert draft.add_files(work / "one") == 1
    assert nodes > 8
    assert len(set(read)) < nodes / 2
    assert len(draft.list_files()) == 2001


def _held(draft: Dataset) -> threading.Event:
    """The background of a draft does nothing before this is set: what is given meanwhile comes together."""
    gate, do = threading.Event(), draft._background._work
    draft._background._work = lambda pieces: (gate.wait(30), do(pieces))
    return gate


def test_what_waits_in_the_background_is_brought_together(machine: Machine, work: Path) -> None:
    draft = Dataset.create("p", "d", store=machine())
    gate = _held(draft)
    for name in "abcdefgh":
        (work / name).write_text(name * 100)
        draft.add_files(work / name, background=True)
    gate.set()
    draft.finalize()
    assert _paths(draft) == list("abcdefgh")
    assert _packs(draft) <= 2  # the first one, and all that came while it was held


def test_in_the_background_too_the_last_word_counts(machine: Machine, work: Path) -> None:
    store = machine()
    for path, text in {"a/p": "A", "b/p": "B", "file/x": "file", "folder/x/y": "below"}.items():
        (work / path).parent.mkdir(parents=True)
        (work / path).write_text(text)
    with Dataset.create("p", "d", store=store) as first:
        first.add_files(work / "a/p")
    draft = Dataset.get("p/d", writable_copy=True, store=store)
    gate = _held(draft)
    for path, to in (("a/p", ""), ("b/p", ""), ("a/p", ""), ("file/x", ""), ("folder/x", "x"), ("b", "q"), ("a", "q")):
        draft.add_files(work / path, dataset_path=to, background=True)
    gate.set()
    draft.finalize()
    assert _paths(draft) == ["p", "q/p", "x/y"]
    assert draft.read_bytes("p") == draft.read_bytes("q/p") == b"A"
    assert draft.get_local_copy().is_dir()


def test_what_is_done_in_front_comes_after_what_was_given_before(machine: Machine, work: Path) -> None:
    for path in ("a/p", "b/p"):
        (work / path).parent.mkdir()
        (work / path).write_text(path)
    draft = Dataset.create("p", "d", store=machine())
    gate = _held(draft)
    draft.add_files(work / "b/p", background=True)
    threading.Timer(0.2, gate.set).start()
    assert draft.remove_files("p") == 1
    draft.add_files(work / "b/p", background=True)
    draft.add_files(work / "a/p")
    assert draft.read_bytes("p") == b"a/p"


@pytest.mark.parametrize("empty_folder", ["", "point"])
def test_a_folder_without_files_removes_files_only_where_that_is_meant(
    machine: Machine, work: Path, empty_folder: str
) -> None:
    full, empty = work / "full", work / "empty"
    full.mkdir()
    (full / "a").write_text("a")
    (empty / empty_folder).mkdir(parents=True)
    draft = Dataset.create("p", "d", store=machine())
    draft.sync_folder(empty)  # nothing would be lost
    draft.sync_folder(full, dataset_path="x")
    draft.add_external_files((full / "a").as_uri(), dataset_path="outside")
    for path in ("y", "outside"):  # a sync keeps what lies elsewhere
        draft.sync_folder(empty, dataset_path=path)
    for path in ("", "x"):
        with pytest.raises(InputError, match="would be removed"):
            draft.sync_folder(empty, dataset_path=path)
    assert "x/a" in _paths(draft)
    draft.sync_folder(empty, allow_empty=True)
    assert _paths(draft) == ["outside/a"]
