"""Bytes that are lost or changed, places and caches that are taken away: what is hit is named, all else goes on."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from integration.datasets.conftest import Machine
from integration.datasets.plain_folders import tree_of
from meristem.datasets.collecting import collect
from meristem.datasets.dataset import Dataset
from meristem.datasets.objects import objects_of
from meristem.errors import DatasetError, InputError, ManifestRefused, ObjectDamaged, ObjectMissing, VersionRefused
from meristem.packs.pack_files import read_index
from meristem.store.store import Store

_AT_ONCE = timedelta(0)


def _version(store: Store, folder: Path, name: str = "d", **how: str) -> Dataset:
    made = Dataset.create("p", name, store=store)
    made.sync_folder(folder)
    made.finalize(**how)  # type: ignore[arg-type]
    return made


def _fill(folder: Path, count: int = 5, seed: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    for i in range(count):
        (folder / f"f{i}").write_bytes(random.Random(seed * 100 + i).randbytes(20_000))
    return folder


def _packs(store: Store) -> dict[str, Path]:
    """The packs of a store's place by name."""
    return {file.stem: file for file in (Path(objects_of(store).place.url) / "packs").rglob("*.pack")}


def _flip(store: Store, path: str, version: Dataset) -> tuple[str, str]:
    """Changes a bit of a file where it is stored; returns its object and pack."""
    content = version.tree.get(path).content
    for pack, file in _packs(store).items():
        for row in read_index(objects_of(store).place, pack):
            if row.name == content:
                file.chmod(0o644)
                with open(file, "r+b") as stream:
                    stream.seek(row.offset + row.stored // 2)
                    old = stream.read(1)
                    stream.seek(-1, os.SEEK_CUR)
                    stream.write(bytes([old[0] ^ 4]))
                return content, pack
    raise AssertionError(path)


@pytest.mark.parametrize("size", [20_000, 900_000])
@pytest.mark.parametrize("source", ["copy", "folder"])
def test_a_flipped_bit_is_found_and_named_and_healed(machine: Machine, work: Path, source: str, size: int) -> None:
    store = machine()
    _fill(work)
    (work / "f2").write_bytes(random.Random(9).randbytes(size))
    version = _version(store, work)
    if source == "copy":
        version.get_local_copy()
    if size > 256 << 10:  # a chunk of it, not the recipe
        recipe = json.loads(objects_of(store).load(version.tree.get("f2").content))
        content = recipe[1][0]
        pack = objects_of(store).index.locate([content])[content]
        file = _packs(store)[pack.pack]
        file.chmod(0o644)
        with open(file, "r+b") as stream:
            stream.seek(pack.offset + 10)
            stream.write(b"damage")
        where = pack.pack
    else:
        content, where = _flip(store, "f2", version)
    elsewhere = Dataset.get(id=version.id, store=machine("empty"))
    with pytest.raises(ObjectDamaged, match=content):
        elsewhere.read_bytes("f2")
    assert elsewhere.read_bytes("f1") == (work / "f1").read_bytes()
    (damage,) = version.verify().damages
    assert (damage.object, damage.pack, damage.paths, damage.healed) == (content, where, ("f2",), False)

    verdict = version.verify(heal=True, sources=[work] if source == "folder" else [])

    assert verdict.is_whole
    assert verdict.damages[0].healed
    assert version.verify().damages == ()
    assert elsewhere.read_bytes("f2") == (work / "f2").read_bytes()
    collect(objects_of(store), grace=_AT_ONCE)
    assert elsewhere.verify().damages == ()


def test_each_damaged_object_is_named_and_only_the_right_bytes_heal_it(machine: Machine, work: Path) -> None:
    store = machine()
    version = _version(store, _fill(work))
    damaged = {_flip(store, path, version)[0]: (path,) for path in ("f1", "f3")}
    (work / "f1").write_bytes(random.Random(77).randbytes(20_000))  # of the right size

    verdict = version.verify(heal=True, sources=[work])

    assert {damage.object: damage.paths for damage in verdict.damages} == damaged
    assert {damage.paths[0]: damage.healed for damage in verdict.damages} == {"f1": False, "f3": True}
    assert not verdict.is_whole
    (left,) = version.verify().damages
    assert left.paths == ("f1",)


@pytest.mark.parametrize("how", ["lost", "cut", "emptied", "garbage"])
def test_a_pack_that_is_gone_hurts_only_what_lies_in_it(machine: Machine, work: Path, how: str) -> None:
    store = machine()
    hurt = _version(store, _fill(work / "1"))
    (pack,) = _packs(store)
    whole = _version(store, _fill(work / "2", seed=1), "other")
    file = _packs(store)[pack]
    file.chmod(0o644)
    if how == "lost":
        file.unlink()
    elif how == "cut":
        os.truncate(file, file.stat().st_size - 1000)
    else:
        file.write_bytes(b"" if how == "emptied" else random.Random(1).randbytes(5000))

    empty = machine("empty")
    for one in (store, empty):
        assert Dataset.get(id=whole.id, store=one).verify().is_whole
        verdict = Dataset.get(id=hurt.id, store=one).verify()
        assert not verdict.is_whole
        assert verdict.damages
    more = _version(empty, _fill(work / "3", seed=3), "third")
    assert more.verify().is_whole

    again = Dataset.create("p", "again", store=machine("third"))  # the same files, from a machine that cannot see them
    again.sync_folder(work / "1")
    again.finalize()
    assert tree_of(again.get_mutable_local_copy(work / "copy")) == tree_of(work / "1")
    assert Dataset.get(id=hurt.id, store=machine("fourth")).verify().is_whole
    collect(objects_of(store), grace=_AT_ONCE)
    for version in (whole, more, again, hurt):
        assert Dataset.get(id=version.id, store=empty).verify().is_whole


def test_a_pack_that_comes_back_is_read_again(machine: Machine, work: Path, tmp_path: Path) -> None:
    """A share that was not mounted for a while."""
    version = _version(machine(), _fill(work))
    place = Path(objects_of(machine()).place.url)
    place.rename(tmp_path / "away")
    empty = Dataset.get(id=version.id, store=machine("empty"))
    with pytest.raises(DatasetError):
        empty.read_bytes("f1")
    (tmp_path / "away").rename(place)
    assert empty.read_bytes("f1") == (work / "f1").read_bytes()
    assert empty.verify().is_whole


def test_one_pack_that_comes_back_is_read_again(machine: Machine, work: Path) -> None:
    version = _version(machine(), _fill(work))
    (file,) = _packs(machine()).values()
    file.rename(work.parent / "away")
    empty = Dataset.get(id=version.id, store=machine("empty"))
    with pytest.raises(ObjectMissing):
        empty.read_bytes("f1")
    (work.parent / "away").rename(file)
    assert empty.read_bytes("f1") == (work / "f1").read_bytes()


def test_what_a_lost_pack_held_is_stored_again_once_somebody_has_missed_it(machine: Machine, work: Path) -> None:
    hurt = _version(machine(), _fill(work))
    (file,) = _packs(machine()).values()
    file.unlink()
    with pytest.raises(ObjectMissing):
        hurt.read_bytes("f1")
    again = Dataset.create("p", "again", store=machine())
    again.sync_folder(work)
    again.finalize()
    assert again.verify().is_whole
    assert Dataset.get(id=hurt.id, store=machine("empty")).verify().is_whole


@pytest.mark.parametrize("source", ["copy", "folder"])
def test_a_manifest_that_is_lost_is_made_anew_from_a_folder_that_holds_it(
    machine: Machine, work: Path, source: str
) -> None:
    store = machine()
    (work / "run").write_text("#!/bin/sh")
    (work / "run").chmod(0o755)
    (work / "empty").mkdir()
    (work / "link").symlink_to("run")
    (work / "large").write_bytes(random.Random(5).randbytes(900_000))
    for name in range(400):
        (work / f"many-{name}").write_text(str(name))
    version = _version(store, work)
    if source == "copy":
        version.get_local_copy()
    for file in _packs(store).values():
        file.unlink()
    other = work.parent / "other"
    other.mkdir()
    if source == "folder":
        assert not Dataset.get(id=version.id, store=store).verify(heal=True, sources=[other]).is_whole

    found = Dataset.get(id=version.id, store=machine())
    verdict = found.verify(heal=True, sources=[work] if source == "folder" else [])

    assert verdict.is_whole
    elsewhere = Dataset.get(id=version.id, store=machine("elsewhere"))
    assert elsewhere.verify().damages == ()
    assert tree_of(elsewhere.get_mutable_local_copy(work.parent / "mine")) == tree_of(work)


def test_a_number_whose_record_is_of_another_store_is_left_to_it(machine: Machine, work: Path) -> None:
    store = machine()
    place = objects_of(store).place
    theirs = b'{"format":1,"store":"another","id":1}'
    for number in ("1.0.0", "1.0.1"):
        assert place.put_new(f"versions/p/d/{number}.json", theirs)
    version = _version(store, _fill(work))
    assert version.version == "1.0.2"
    draft = Dataset.create("p", "d", version="1.0.1", store=store)
    with pytest.raises(VersionRefused):
        draft.finalize(on_conflict="branch")
    collect(objects_of(store), grace=_AT_ONCE)
    assert place.read("versions/p/d/1.0.1.json") == theirs


@pytest.mark.parametrize(("later", "followed"), [(3, False), (1, False), (1, True)])
def test_a_store_from_a_backup_that_is_older_than_its_place_goes_on(
    machine: Machine, work: Path, later: int, followed: bool
) -> None:
    store = machine()
    first = _version(store, _fill(work))
    source = objects_of(store)
    with sqlite3.connect(str(store.file)) as live, sqlite3.connect(f"{store.file}.backup") as copy:
        live.backup(copy)
    live.close()
    copy.close()
    unknown = set()
    for i in range(later):  # the same file, in versions that the backup does not know
        _fill(work, count=6, seed=i)
        unknown.add(_version(store, work, on_conflict="branch").version)
    if followed:  # its index knows the last pack as the store's, not only as one that it made
        source.refresh()
    source.index.close()
    store.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{store.file}{suffix}").unlink(missing_ok=True)
    shutil.move(f"{store.file}.backup", str(store.file))

    for name in ("one", "empty"):  # the cache of the first knows packs that the store does not
        again = machine(name)
        version = _version(again, work, on_conflict="branch")
        assert version.version not in unknown
        collect(objects_of(again), grace=_AT_ONCE)
        assert version.verify().is_whole
        assert Dataset.get(id=first.id, store=machine("third")).verify().is_whole
        assert Dataset.get(id=version.id, store=machine("third")).verify().is_whole


@pytest.mark.parametrize("how", ["removed", "garbage"])
def test_a_cache_that_is_lost_while_it_is_used_costs_time_only(machine: Machine, work: Path, how: str) -> None:
    store = machine()
    first = _version(store, _fill(work))
    draft = Dataset.get(id=first.id, writable_copy=True, store=store)
    copy = first.get_local_copy()
    cache = objects_of(store).cache
    for at, _, names in os.walk(cache):
        os.chmod(at, 0o755)
        for name in names:
            if how == "garbage" and not name.endswith("-shm"):
                os.chmod(os.path.join(at, name), 0o644)
                Path(at, name).write_bytes(b"garbage" * 1000)
    if how == "removed":
        shutil.rmtree(cache)

    _fill(work, count=8, seed=0)
    (work / "f1").unlink()
    draft.sync_folder(work)
    draft.finalize()
    again = machine()  # another process
    version = Dataset.get(id=draft.id, store=again)
    assert tree_of(version.get_mutable_local_copy(work.parent / "copy")) == tree_of(work)
    assert first.verify().is_whole
    again_first = Dataset.get(id=first.id, store=again).get_local_copy()
    assert again_first == copy
    assert {p: i.content for p, i in tree_of(again_first).items()} == {
        f"f{i}": random.Random(i).randbytes(20_000) for i in range(5)
    }


def test_a_file_system_that_is_full_is_told_and_nothing_is_half_there(machine: Machine, work: Path) -> None:
    store = machine()
    first = _version(store, _fill(work))
    (work / "large").write_bytes(random.Random(1).randbytes(3 << 20))
    program = (
        "import resource, sys\n"
        "from meristem.datasets.dataset import Dataset\n"
        "draft = Dataset.get('p', 'd', writable_copy=True, store=sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    draft.sync_folder(sys.argv[2])\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "draft.sync_folder(sys.argv[2])\n"
        "draft.finalize()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(store.file), str(work)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "PlaceUnavailable" in done.stdout
    version = Dataset.get("p", "d", store=store)
    assert version.id != first.id
    assert version.verify().is_whole
    assert tree_of(version.get_mutable_local_copy(work.parent / "copy")) == tree_of(work)


@pytest.mark.parametrize(
    ("project", "name"),
    [
        ("a/b/c", "d"),
        ("%2e%2e", "%2F"),
        ("~", "a~b"),
        ("con", "nul."),
        ("ä" * 300, "🌱" * 300),
        ("x" * 300, "y" * 300),
        ("-rf", "--help"),
        ("'; DROP TABLE datasets; --", '"'),
        ("é", "e\u0301"),
        ("P", "D"),
    ],
)
def test_hostile_names_are_names(machine: Machine, work: Path, project: str, name: str) -> None:
    store = machine()
    _version(store, _fill(work))
    made = Dataset.create(project, name, store=store)
    made.sync_folder(work)
    made.finalize()
    collect(objects_of(store), grace=_AT_ONCE)
    found = Dataset.get(project, name, store=machine("empty"))
    assert (found.id, found.project, found.name) == (made.id, project, name)
    assert found.verify().is_whole
    place = Path(objects_of(store).place.url)
    assert len([file for file in (place / "versions").rglob("*.json") if file.is_file()]) == 2


@pytest.mark.parametrize(
    ("project", "name"),
    [
        ("..", "d"),
        ("p", ".."),
        ("p/../q", "d"),
        ("p", "a/b"),
        ("", "d"),
        ("p", "a@1"),
        ("p\n", "d"),
        ("p", "\udc80"),
        ("/p", "d"),
        ("p", " "),
    ],
)
def test_names_that_lead_elsewhere_are_refused(machine: Machine, project: str, name: str) -> None:
    with pytest.raises(InputError):
        Dataset.create(project, name, store=machine())


@pytest.mark.parametrize(
    "rows",
    [
        '["../out","f",1,"CONTENT"]',
        '["/tmp/out","f",1,"CONTENT"]',
        '["a/../../out","f",1,"CONTENT"]',
        '["a","l",2,"../.."],["a/out","f",1,"CONTENT"]',
        '["a","l",3,"/tmp"]',
        '["a","f",1,"CONTENT"],["a/b","f",1,"CONTENT"]',
    ],
)
def test_a_manifest_made_by_hand_that_leads_out_is_refused(machine: Machine, work: Path, rows: str) -> None:
    store = machine()
    (work / "a").write_bytes(b"1")
    good = _version(store, work)
    objects = objects_of(store)
    node = f'{{"level":0,"rows":[{rows}]}}'.replace("CONTENT", good.tree.get("a").content).encode()
    draft = Dataset.create("p", "bad", store=store)
    with objects.writer(draft.id) as writer:
        root = writer.put(node)
        writer.flush()
        store.datasets.checkpoint(
            draft.id, revision=0, epoch=objects.epoch, root=root, packs=[pack.name for pack in writer.packs]
        )
    store.datasets.finalize(draft.id, revision=1, epoch=objects.epoch, root=root)
    bad = Dataset.get("p", "bad", store=machine("empty"))
    before = tree_of(work.parent / "work")
    for copy in (bad.get_local_copy, lambda: bad.get_mutable_local_copy(work.parent / "deep" / "copy")):
        with pytest.raises(ManifestRefused):
            copy()
    assert tree_of(work.parent / "work") == before
    assert not os.path.lexists(work.parent / "out")
    assert not os.path.lexists(work.parent / "deep" / "out")
