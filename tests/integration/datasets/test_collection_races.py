"""Garbage collection between any two steps of a writer: what a version needs stays, or the writer is told.

Each test stops a writer at one step (by wrapping what it calls there), lets others act, and goes on.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from integration.datasets.conftest import Machine
from meristem.datasets import collecting, objects
from meristem.datasets.collecting import collect
from meristem.datasets.dataset import Dataset
from meristem.datasets.objects import objects_of
from meristem.errors import DatasetError
from meristem.packs.writer import PackWriter
from meristem.store.store import Store

_AT_ONCE = timedelta(0)
_LATER = timedelta(minutes=10)


def _write(folder: Path, **files: int) -> Path:
    """Files of 60 kB each, random by a seed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed in files.items():
        (folder / name).write_bytes(random.Random(seed).randbytes(60_000))
    return folder


def _version(store: Store, folder: Path, name: str = "d") -> Dataset:
    made = Dataset.create("p", name, store=store)
    made.sync_folder(folder)
    made.finalize(on_conflict="branch")
    return made


def _once(owner: Any, name: str, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], *, after: bool) -> None:
    """Has `act` done beside the first call of a method: before it, or after it before its caller goes on.

    It is done in a thread, and not waited for long: what is under a lock must be let go on first.
    """
    real = getattr(owner, name)
    waiting = [act]

    def wrapped(*args: Any, **named: Any) -> Any:
        first = waiting.pop() if waiting else None
        if first and not after:
            _in_a_thread(first)
        found = real(*args, **named)
        if first and after:
            _in_a_thread(first)
        return found

    monkeypatch.setattr(owner, name, wrapped)


_threads: list[threading.Thread] = []


def _in_a_thread(act: Callable[[], object]) -> None:
    thread = threading.Thread(target=act)
    thread.start()
    thread.join(1.5)
    _threads.append(thread)


def _whole(store: Store, version: Dataset) -> None:
    """Asserts that a version has all it needs, also once everything that can go has gone."""
    while _threads:
        _threads.pop().join()
    collect(objects_of(store), grace=_AT_ONCE)
    assert Dataset.get(id=version.id, store=store).verify().damages == ()


def test_a_hit_in_a_pack_that_is_condemned_before_the_checkpoint_is_stored_again(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = machine("one"), machine("two")
    _version(one, _write(work, a=1)).delete()
    draft = Dataset.create("p", "d", store=one)
    _once(one.datasets, "checkpoint", monkeypatch, lambda: collect(objects_of(two), grace=_AT_ONCE), after=False)
    draft.sync_folder(work)
    draft.finalize()
    _whole(two, draft)


def test_collection_between_checkpoint_and_finalize_leaves_what_the_draft_needs(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = machine("one"), machine("two")
    first = _version(one, _write(work, a=1))
    draft = Dataset.get("p", "d", writable_copy=True, store=one)
    first.delete()
    draft.sync_folder(_write(work, b=2))
    _once(one.datasets, "finalize", monkeypatch, lambda: collect(objects_of(two), grace=_AT_ONCE), after=False)
    draft.finalize()
    _whole(two, draft)


def test_a_draft_whose_parent_is_deleted_before_its_first_change_keeps_what_it_began_with(
    machine: Machine, work: Path
) -> None:
    one, two = machine("one"), machine("two")
    first = _version(one, _write(work, a=1))
    draft = Dataset.get("p", "d", writable_copy=True, store=one)
    first.delete()
    collect(objects_of(two), grace=_AT_ONCE)
    draft.add_files(_write(work.parent / "more", b=2))
    draft.finalize()
    assert draft.list_files() == ["a", "b"]
    _whole(two, draft)


def test_an_index_that_two_processes_follow_at_once_never_goes_back_to_a_condemned_pack(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = machine("elsewhere")
    _version(elsewhere, _write(work, a=1)).delete()
    writer, collector = machine("one"), machine("one")
    draft = Dataset.create("p", "d", store=writer)
    objects_of(writer).refresh()
    # The writer has read which packs are live; now they are condemned, and the index that both share is told.
    act = lambda: collect(objects_of(collector), grace=_LATER)  # noqa: E731
    _once(writer.dataset_packs, "live", monkeypatch, act, after=True)
    objects_of(writer).refresh(whole=True)
    draft.sync_folder(work)
    draft.finalize()
    _whole(elsewhere, draft)


def test_a_pack_that_is_condemned_as_it_arrives_is_not_found_by_the_next_writer(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, collector = machine("one"), machine("one")
    draft = Dataset.create("p", "d", store=writer)

    def give_up() -> None:
        Dataset.get(id=draft.id, store=collector).discard()
        collect(objects_of(collector), grace=_LATER)

    _once(writer.datasets, "checkpoint", monkeypatch, give_up, after=True)
    with suppress(DatasetError):  # it has lost its draft
        draft.sync_folder(_write(work, a=1))
    while _threads:
        _threads.pop().join()
    _whole(collector, _version(writer, work))


@pytest.mark.parametrize("how", ["parents", "squash"])
def test_a_version_that_goes_while_it_is_laid_over_another_one_is_told(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    one, two = machine("one"), machine("two")
    first = _version(one, _write(work / "1", a=1))
    second = _version(one, _write(work / "2", b=2), "other")

    def lose() -> None:
        Dataset.get(id=second.id, store=two).delete()
        collect(objects_of(two), grace=_LATER)

    if how == "parents":
        _once(one.datasets, "checkpoint", monkeypatch, lose, after=False)
    else:
        _once(one.datasets, "begin", monkeypatch, lose, after=True)
    try:
        if how == "parents":
            made = Dataset.create("p", "d", parents=[first, second], store=one)
            made.finalize(on_conflict="branch")
        else:
            made = Dataset.squash("p", "d", [first, second], store=one)
    except DatasetError:
        return
    _whole(two, made)


def test_the_newest_version_may_go_while_a_draft_is_merged_with_it(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = machine("one"), machine("two")
    first = _version(one, _write(work / "1", a=1))
    draft = Dataset.get(id=first.id, writable_copy=True, store=one)
    draft.add_files(_write(work / "2", b=2))
    other = Dataset.get(id=first.id, writable_copy=True, store=two)
    other.add_files(_write(work / "3", c=3))
    other.finalize()
    assert Dataset.get(id=other.id, store=one).list_files() == ["a", "c"]  # its manifest is in memory now

    def lose() -> None:
        Dataset.get(id=other.id, store=two).delete()
        collect(objects_of(two), grace=_LATER)

    _once(one.datasets, "find", monkeypatch, lose, after=True)
    try:
        draft.finalize(on_conflict="merge")
    except DatasetError:
        assert draft.list_files() == ["a", "b"]
        draft.finalize(on_conflict="merge")
    assert draft.list_files() == ["a", "b"]
    _whole(two, draft)


def test_a_version_that_came_while_roots_were_marked_keeps_a_pack_that_the_collector_never_saw(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its manifest lies in an old pack, so that reading it shows nothing new."""
    monkeypatch.setattr(objects, "PackWriter", lambda *given, **named: PackWriter(*given, target_bytes=1, **named))
    one, two = machine("one"), machine("two")
    first = _version(one, _write(work, a=1))
    manifest = first.row.root
    holder = Dataset.create("p", "holder", store=one)  # what its open draft has stored stays: the manifest, without `a`
    (work.parent / "nodes").mkdir()
    first.delete()
    collect(objects_of(two), grace=_AT_ONCE)
    objects_of(one).refresh()
    with objects_of(one).writer(holder.id) as writer:
        kept = b'{"level":0,"rows":[["a","f",60000,"' + _name(work / "a").encode() + b'"]]}'
        assert writer.put(kept) == manifest
        writer.flush()
        row = holder.row
        one.datasets.checkpoint(
            row.id, revision=row.revision, epoch=objects_of(one).epoch, root=row.root, packs=[writer.packs[0].name]
        )
    objects_of(one).refresh()
    made: list[Dataset] = []
    real = collecting._mark

    def mark(*given: Any) -> None:
        real(*given)
        if not made:
            made.append(_version(one, work))

    monkeypatch.setattr(collecting, "_mark", mark)
    collect(objects_of(two), grace=_AT_ONCE)
    _whole(two, made[0])


def test_a_table_that_was_logged_while_roots_were_marked_keeps_the_pack_in_which_it_lies_already(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = machine("one"), machine("two")
    table = {"n": list(range(500))}
    with Dataset.create("p", "first", store=one) as first:
        first.add_files(_write(work, a=1))
        first.log_table("t", "s", table)
    (name,) = (log.object for log in first.logs())
    kept = _version(one, work, "kept")
    first.delete()
    _once(collecting, "_mark", monkeypatch, lambda: kept.log_table("t", "s", table), after=True)
    collect(objects_of(two), grace=_AT_ONCE)
    collect(objects_of(two), grace=_AT_ONCE)
    objects_of(machine("three")).refresh()
    assert [log.object for log in kept.logs()] == [name]
    assert objects_of(machine("four")).load(name)


def _name(file: Path) -> str:
    from blake3 import blake3

    return blake3(file.read_bytes()).hexdigest()


def test_a_draft_whose_parent_was_deleted_can_still_be_merged(machine: Machine, work: Path) -> None:
    one, two = machine("one"), machine("two")
    first = _version(one, _write(work / "1", a=1))
    draft = Dataset.get(id=first.id, writable_copy=True, store=one)
    draft.add_files(_write(work / "2", b=2))
    other = Dataset.get(id=first.id, writable_copy=True, store=two)
    other.remove_files("a")
    other.add_files(_write(work / "3", c=3))
    other.finalize()
    draft.remove_files("a")  # nothing but the deleted version needs it now, nor its manifest
    first.delete()
    collect(objects_of(two), grace=_AT_ONCE)
    again = Dataset.get(id=draft.id, store=machine("three"))
    again.finalize(on_conflict="merge")
    assert again.list_files() == ["b", "c"]
    _whole(two, again)


def test_what_killed_processes_left_in_a_folder_goes_with_the_next_collection(machine: Machine, work: Path) -> None:
    store = machine()
    _version(store, _write(work, a=1))
    incoming = Path(objects_of(store).place.url) / "incoming"
    for name, age in (("old", 2 * 86400), ("new", 60)):
        (incoming / name).write_bytes(b"half a pack")
        os.utime(incoming / name, (time.time() - age,) * 2)
    collect(objects_of(store))
    assert {file.name for file in incoming.iterdir()} >= {"new"}
    assert not (incoming / "old").exists()


def test_a_reader_in_the_middle_of_a_copy_goes_on_when_its_packs_are_moved(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = machine("one"), machine("two")
    _write(work, **{f"f{i}": i for i in range(40)})
    first = _version(one, work)
    for i in range(30):
        (work / f"f{i}").unlink()
    second = _version(one, work)
    first.delete()

    reads = objects_of(one).reader._place
    real = reads.read_ranges
    moved: list[object] = []

    def read_ranges(*given: Any) -> Any:
        if not moved:
            moved.append(collect(objects_of(two), grace=_AT_ONCE))
        return real(*given)

    monkeypatch.setattr(reads, "read_ranges", read_ranges)
    objects_of(one)._nodes.clear()
    copy = second.get_mutable_local_copy(work.parent / "copy")
    assert moved[0].condemned  # type: ignore[attr-defined]
    assert {file.name: file.read_bytes() for file in copy.iterdir()} == {
        file.name: file.read_bytes() for file in work.iterdir()
    }
