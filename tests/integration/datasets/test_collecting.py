"""What garbage collection takes and what it leaves: packs, damaged ones too, and records; and what deaths leave."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from integration.datasets.conftest import Machine
from meristem.datasets.collecting import Collected, collect
from meristem.datasets.dataset import Dataset
from meristem.datasets.objects import objects_of
from meristem.errors import DatasetError, NotInPlace, StoreUnavailable
from meristem.packs.places.folder import FolderPlace
from meristem.store.dataset_rows import PackState
from meristem.store.store import Store

_AT_ONCE = timedelta(0)
_FILE_BYTES = 20_000


class _Killed(BaseException):
    """Stands for the death of a process: nothing of ours handles it."""


@contextmanager
def _ended_at(
    owner: object, name: str, monkeypatch: pytest.MonkeyPatch, error: type[BaseException] = _Killed
) -> Iterator[None]:
    """What is done inside ends with an error where it calls a method."""

    def fail(*given: object, **named: object) -> None:
        raise error("here")

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, fail)
        with pytest.raises(error):
            yield


def _write(folder: Path, *seeds: int) -> Path:
    folder.mkdir(exist_ok=True)
    for seed in seeds:
        (folder / f"f{seed}").write_bytes(random.Random(seed).randbytes(_FILE_BYTES))
    return folder


def _version(store: Store, folder: Path, name: str = "d") -> Dataset:
    made = Dataset.create("p", name, store=store)
    made.sync_folder(folder)
    made.finalize(on_conflict="branch")
    return made


def _collect(store: Store, grace: timedelta = _AT_ONCE) -> Collected:
    return collect(objects_of(store), grace=grace)


def _packs(store: Store) -> list[Path]:
    return sorted((Path(objects_of(store).place.url) / "packs").rglob("*.pack"))


def _records(store: Store) -> set[str]:
    return {file.name for file in (Path(objects_of(store).place.url) / "versions").rglob("*") if file.is_file()}


def _half_dead(store: Store, work: Path) -> tuple[Dataset, Path]:
    """A version that needs three of the ten files of a pack, and that pack."""
    first = _version(store, _write(work, *range(10)))
    (pack,) = _packs(store)
    for seed in range(7):
        (work / f"f{seed}").unlink()
    second = _version(store, work)
    first.delete()
    return second, pack


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of what is read or looked for in a folder."""
    found: list[str] = []
    for name in ("read", "read_ranges", "size"):
        real = getattr(FolderPlace, name)

        def wrapped(self: FolderPlace, key: str, *given: Any, real: Callable[..., Any] = real) -> Any:
            found.append(key)
            return real(self, key, *given)

        monkeypatch.setattr(FolderPlace, name, wrapped)
    return found


def test_files_of_condemned_packs_stay_until_their_grace_is_over(machine: Machine, work: Path) -> None:
    store = machine()
    _version(store, _write(work, 1)).delete()
    packs = _packs(store)

    condemned = _collect(store, timedelta(minutes=10))
    again = _collect(store, timedelta(minutes=10))

    assert (condemned.condemned, condemned.deleted, again.condemned, again.deleted) == (1, 0, 0, 0)
    assert _packs(store) == packs
    assert [_collect(store).deleted for _ in range(2)] == [1, 0]
    assert _packs(store) == []


@pytest.mark.parametrize("how", ["flipped", "cut", "lost"])
def test_a_damaged_pack_that_is_half_dead_stays(
    machine: Machine, work: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = machine()
    version, pack = _half_dead(store, work)
    content = pack.read_bytes()
    pack.chmod(0o644)
    if how == "flipped":
        at = objects_of(store).index.locate([version.tree.get("f8").content]).popitem()[1].offset
        pack.write_bytes(content[: at + 5] + b"damage" + content[at + 11 :])
    elif how == "cut":
        os.truncate(pack, len(content) - 100)
    else:
        pack.unlink()

    for _ in range(2):
        caplog.clear()
        assert _collect(store).condemned == 0
        assert pack.stem in caplog.text or version.tree.get("f8").content in caplog.text

    if how != "flipped":
        pack.write_bytes(content)  # it is had again, from a backup
    elsewhere = Dataset.get(id=version.id, store=machine("empty"))
    assert elsewhere.read_bytes("f9") == (work / "f9").read_bytes()
    assert elsewhere.verify().is_whole is (how != "flipped")


def test_a_pack_with_a_damaged_index_stays_with_a_machine_that_never_knew_it(
    machine: Machine, work: Path, caplog: pytest.LogCaptureFixture
) -> None:
    version, pack = _half_dead(machine("one"), work)
    content = pack.read_bytes()
    pack.chmod(0o644)
    pack.write_bytes(content[:-60] + b"damage" + content[-54:])

    _collect(machine("two"))

    assert pack.stem in caplog.text
    assert pack.exists()
    pack.write_bytes(content)
    assert Dataset.get(id=version.id, store=machine("three")).verify().is_whole


def test_nothing_goes_on_the_word_of_the_index_of_a_machine(machine: Machine, work: Path) -> None:
    store = machine()
    first = _version(store, _write(work, 1))
    second = _version(store, _write(work, 2))
    first.delete()
    _collect(store, timedelta(days=1))  # its rows are sorted in now
    name = bytes.fromhex(second.tree.get("f1").content)
    with sqlite3.connect(objects_of(store).index.folder / "packs.db") as rows:
        assert rows.execute("DELETE FROM objects WHERE name = ?", (name,)).rowcount == 1
    rows.close()

    _collect(store)

    assert Dataset.get(id=second.id, store=machine("empty")).verify().is_whole


def test_a_collection_with_nothing_to_do_opens_no_pack_and_no_record(
    machine: Machine, work: Path, reads: list[str]
) -> None:
    store = machine()
    for seed in range(5):
        _version(store, _write(work, seed))
    _collect(store)
    reads.clear()

    assert _collect(store).condemned == 0
    assert reads == []


def test_what_is_half_dead_is_moved_and_both_are_whole(machine: Machine, work: Path) -> None:
    store = machine()
    version, pack = _half_dead(store, work)

    collected = _collect(store)

    assert (collected.condemned, collected.deleted) == (1, 1)
    assert collected.moved_objects == 3
    assert pack not in _packs(store)
    assert Dataset.get(id=version.id, store=machine("empty")).verify().is_whole


def test_what_belongs_to_a_version_beside_its_files_stays(machine: Machine, work: Path) -> None:
    store = machine()
    version = _version(store, _write(work, 1))
    version.preview()
    version.log_table("counts", "train", [{"label": "a", "count": 3}])

    _collect(store)

    row = store.datasets.version(version.id)
    (logged,) = version.logs()
    empty = objects_of(machine("empty"))
    assert row.preview is not None
    assert empty.load(row.preview)
    assert b"count" in empty.load(logged.object)


def test_a_pack_is_moved_also_when_a_version_comes_that_needs_what_is_moved(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = machine("one"), machine("two")
    version, pack = _half_dead(one, work)
    made: list[Dataset] = []
    condemn = two.dataset_packs.condemn

    def condemn_later(*given: Any, **named: Any) -> Any:
        made.append(_version(one, _write(work, 11)))
        return condemn(*given, **named)

    monkeypatch.setattr(two.dataset_packs, "condemn", condemn_later)
    _collect(two)

    assert not pack.exists()
    for each in (version, *made):
        assert Dataset.get(id=each.id, store=machine("empty")).verify().is_whole


def test_of_two_collections_at_once_one_does_the_work(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = machine("one"), machine("two")
    version, _ = _half_dead(one, work)
    names = two.dataset_packs.names
    first: list[Collected] = []

    def names_later(*states: PackState) -> set[str]:  # the second one has marked by now
        first.append(_collect(one))
        return names(*states)

    monkeypatch.setattr(two.dataset_packs, "names", names_later)

    assert _collect(two).condemned == 0
    assert first[0].moved_objects == 3
    _collect(one)
    assert len(_packs(one)) == len(one.dataset_packs.live().packs) == 2
    assert Dataset.get(id=version.id, store=machine("empty")).verify().is_whole


def test_a_file_that_holds_the_bytes_of_a_recipe_hides_no_chunk(machine: Machine, work: Path) -> None:
    store = machine()
    large = random.Random(1).randbytes(900_000)
    (work / "z").write_bytes(large)
    first = _version(store, work)
    recipe = objects_of(store).load(first.tree.get("z").content)
    first.delete()
    _collect(store)
    (work / "z").unlink()
    (work / "a").write_bytes(recipe)
    _version(store, work)
    (work / "z").write_bytes(large)
    second = _version(store, work)

    _collect(store)

    assert second.verify().objects == len(json.loads(recipe)) + 2
    assert Dataset.get(id=second.id, store=machine("empty")).read_bytes("z") == large


@pytest.mark.parametrize("found_by", ["stats", "content"])
def test_a_file_that_was_found_and_then_condemned_is_stored_again(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch, found_by: str
) -> None:
    store = machine()
    _write(work, 1)
    time.sleep(0.15)  # or its stats would not be trusted
    _version(store, work).delete()
    writer = machine() if found_by == "stats" else machine("knows no file")
    draft = Dataset.create("p", "d", store=writer)
    checkpoint = writer.datasets.checkpoint
    collected: list[Collected] = []

    def checkpoint_later(*given: Any, **named: Any) -> Any:
        if not collected:
            collected.append(_collect(store))
        return checkpoint(*given, **named)

    monkeypatch.setattr(writer.datasets, "checkpoint", checkpoint_later)
    draft.sync_folder(_write(work, 2))
    draft.finalize()

    assert collected[0].deleted == 1
    assert Dataset.get(id=draft.id, store=machine("empty")).verify().is_whole


def test_what_went_while_newer_packs_stayed_is_stored_again(machine: Machine, work: Path) -> None:
    one, two = machine("one"), machine("two")
    first = _version(one, _write(work / "1", 1))
    _version(one, _write(work / "2", 2), "other")
    objects_of(one).refresh()
    first.delete()
    assert _collect(two).deleted == 1

    again = _version(one, work / "1")

    assert Dataset.get(id=again.id, store=machine("empty")).verify().is_whole


def test_packs_of_open_drafts_are_not_moved(machine: Machine, work: Path) -> None:
    store = machine()
    draft = Dataset.create("p", "d", store=store)
    draft.sync_folder(_write(work, *range(10)))
    for seed in range(9):
        (work / f"f{seed}").unlink()
    draft.sync_folder(work)

    collected = _collect(store)

    assert (collected.condemned, collected.moved_objects) == (0, 0)


def test_a_pack_that_arrives_while_packs_are_condemned_stays(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector has seen it as one that its writer left behind."""
    one, two = machine("one"), machine("two")
    draft = Dataset.create("p", "d", store=one)
    looked, arrived = threading.Event(), threading.Event()
    checkpoint, condemn = one.datasets.checkpoint, two.dataset_packs.condemn

    def condemn_later(names: Any, **named: Any) -> Any:
        assert names
        looked.set()
        arrived.wait(20)
        return condemn(names, **named)

    def checkpoint_later(*given: Any, **named: Any) -> Any:
        collector.start()
        looked.wait(20)
        return checkpoint(*given, **named)

    monkeypatch.setattr(two.dataset_packs, "condemn", condemn_later)
    monkeypatch.setattr(one.datasets, "checkpoint", checkpoint_later)
    collector = threading.Thread(target=_collect, args=(two,))
    draft.sync_folder(_write(work, 1))
    draft.finalize()
    arrived.set()
    collector.join()

    assert Dataset.get(id=draft.id, store=machine("empty")).verify().is_whole


def test_packs_of_a_draft_that_was_given_up_go(machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = machine()
    draft = Dataset.create("p", "d", store=store)
    with _ended_at(store.datasets, "checkpoint", monkeypatch):
        draft.sync_folder(_write(work, 1))
    assert _collect(store).condemned == 0

    draft.discard()

    assert _collect(store).deleted == 1
    assert _packs(store) == []


def test_deleting_a_version_takes_its_record_away(machine: Machine, work: Path) -> None:
    store = machine()
    first, _ = _version(store, _write(work, 1)), _version(store, _write(work, 2))

    first.delete()

    assert _records(store) == {"1.0.1.json"}


def test_the_record_of_a_version_goes_whose_deletion_a_process_did_not_end(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = machine()
    first = _version(store, _write(work, 1))
    with _ended_at(objects_of(store).place, "delete", monkeypatch):
        first.delete()
    assert _records(store) == {"1.0.0.json"}

    _collect(store)

    assert _records(store) == set()


def test_a_number_that_a_dead_process_claimed_is_free_once_its_draft_is_given_up(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = machine()
    _version(store, _write(work, 1))
    draft = Dataset.create("p", "d", store=store)
    with _ended_at(store.datasets, "finalize", monkeypatch):
        draft.finalize(on_conflict="branch")
    _collect(store)
    assert _records(store) == {"1.0.0.json", "1.0.1.json"}  # a process may be at it just now

    draft.discard()
    _collect(store)

    assert _records(store) == {"1.0.0.json"}


def test_a_number_that_a_draft_claimed_and_did_not_get_is_free_again(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = machine()
    draft = Dataset.create("p", "d", store=store)
    with _ended_at(store.datasets, "finalize", monkeypatch):
        draft.finalize()
    draft = Dataset.get(id=draft.id, store=machine())
    draft.sync_folder(_write(work, 1))
    draft.finalize()
    assert draft.version == "1.0.1"

    _collect(store)

    assert _records(store) == {"1.0.1.json"}


@pytest.mark.parametrize(("error", "records"), [(DatasetError, set()), (StoreUnavailable, {"1.0.0.json"})])
def test_a_number_is_free_again_where_a_version_was_refused_and_claimed_where_that_is_not_known(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, error: type[Exception], records: set[str]
) -> None:
    store = machine()
    draft = Dataset.create("p", "d", store=store)
    with _ended_at(store.datasets, "finalize", monkeypatch, error):
        draft.finalize()
    assert _records(store) == records
    draft.finalize()
    assert draft.version == "1.0.0"


def test_no_record_goes_because_the_store_is_away(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = machine()
    draft = Dataset.create("p", "d", store=store)
    with _ended_at(store.datasets, "finalize", monkeypatch):
        draft.finalize()

    with _ended_at(store.datasets, "version", monkeypatch, StoreUnavailable):
        _collect(store)

    assert _records(store) == {"1.0.0.json"}


@pytest.mark.parametrize("who", ["the same process", "another machine"])
def test_what_was_stored_before_a_death_or_an_outage_is_not_sent_again(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    store = machine()
    draft = Dataset.create("p", "d", store=store)
    with _ended_at(store.datasets, "checkpoint", monkeypatch):
        draft.sync_folder(_write(work, *range(10)))
    sent = _packs(store)
    assert sum(pack.stat().st_size for pack in sent) > 10 * _FILE_BYTES
    assert len(store.dataset_packs.names(PackState.INCOMING)) == 1

    if who == "another machine":  # it knows nothing of what was sent
        draft = Dataset.get(id=draft.id, store=machine("other"))
    _write(work, 10)
    draft.sync_folder(work)
    draft.finalize()

    new = sum(pack.stat().st_size for pack in _packs(store) if pack not in sent)
    assert _FILE_BYTES < new < 2 * _FILE_BYTES
    _collect(store)
    assert Dataset.get(id=draft.id, store=machine("empty")).verify().is_whole


def test_what_a_dead_process_had_stored_and_somebody_took_away_is_sent_again(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = machine()
    draft = Dataset.create("p", "d", store=store)
    with _ended_at(store.datasets, "checkpoint", monkeypatch):
        draft.sync_folder(_write(work, 1))
    (pack,) = _packs(store)
    pack.unlink()
    with pytest.raises(NotInPlace):
        objects_of(store).place.read(f"packs/{pack.parent.name}/{pack.name}")

    draft = Dataset.get(id=draft.id, store=machine("other"))
    draft.sync_folder(work)
    draft.finalize()

    assert Dataset.get(id=draft.id, store=machine("empty")).verify().is_whole
