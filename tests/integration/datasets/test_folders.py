"""Real folders become entries: what changed is read, what did not is not, and nothing odd slips in."""

from __future__ import annotations

import os
import random
import socket
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from fake_objects import FakeObjects, SyncedFolder
from meristem.datasets.folders import FolderSync, StatCache, file_reading, look, read, remember
from meristem.errors import InputError
from meristem.manifests.entry import Entry, Kind
from meristem.manifests.tree import Tree

OLD = time.time() - 1000
BIG = 3 << 20
SEED_CUT_IN_TWO = 13


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


@pytest.fixture
def synced(folder: Path, tmp_path: Path) -> SyncedFolder:
    return SyncedFolder(folder, tmp_path / "cache" / "stat.db")


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files just written are trusted; tests about racy files undo it."""
    monkeypatch.setattr("meristem.datasets.folders.records._GRANULARITY_NS", -(10**18))


def write(path: Path, content: bytes | str = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_folder_becomes_entries_with_their_contents(synced: SyncedFolder, folder: Path) -> None:
    write(folder / "a.txt", "one")
    write(folder / "sub" / "b", b"two").chmod(0o755)
    write(folder / "sub" / "empty", b"")
    (folder / "nothing" / "within").mkdir(parents=True)
    (folder / "sub" / "link").symlink_to("../a.txt")
    big = write(folder / "sub-1" / "big", os.urandom(BIG)).read_bytes()

    synced.sync()

    entries = synced.entries()
    assert list(entries) == ["a.txt", "nothing/within", "sub-1/big", "sub/b", "sub/empty", "sub/link"]
    assert synced.content("a.txt") == b"one"
    assert entries["sub/b"].executable
    assert not entries["a.txt"].executable
    assert entries["nothing/within"] == Entry("nothing/within", Kind.FOLDER, 0, "")
    assert entries["sub/link"] == Entry("sub/link", Kind.LINK, 0, "../a.txt")
    assert entries["sub/empty"].size == 0
    assert entries["sub-1/big"].kind is Kind.CHUNKED
    assert synced.content("sub-1/big") == big


def test_what_did_not_change_is_not_read_again(synced: SyncedFolder, folder: Path) -> None:
    for i in range(5):
        write(folder / "a" / str(i))
        write(folder / "b" / str(i))
    root = synced.sync()
    assert synced.files_read == 10
    puts = synced.objects.puts
    assert synced.sync() == root
    assert synced.objects.puts == puts
    write(folder / "a" / "3", "changed")
    (folder / "b" / "1").unlink()
    synced.sync()
    assert synced.files_read == 1
    assert synced.content("a/3") == b"changed"
    assert "b/1" not in synced.entries()


def test_the_manifest_is_the_same_whatever_the_cache_knew(synced: SyncedFolder, folder: Path, tmp_path: Path) -> None:
    write(folder / "a" / "1")
    synced.sync()
    write(folder / "a" / "2", "two")
    write(folder / "a-b" / "1")
    synced.sync()
    assert SyncedFolder(folder, tmp_path / "other.db").sync() == synced.root


def test_a_rewrite_of_the_same_size_with_its_time_set_back_is_found(synced: SyncedFolder, folder: Path) -> None:
    file = write(folder / "a", "one")
    os.utime(file, (OLD, OLD))
    synced.sync()
    with open(file, "r+b") as opened:
        opened.write(b"two")
    os.utime(file, (OLD, OLD))
    synced.sync()
    assert synced.content("a") == b"two"


def test_a_file_written_just_before_it_was_read_is_read_once_more(
    synced: SyncedFolder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meristem.datasets.folders.records._GRANULARITY_NS", 1_500_000_000)
    write(folder / "a", "one")
    root = synced.sync()
    time.sleep(1.6)
    assert synced.sync() == root
    assert synced.files_read == 1
    assert synced.sync() == root
    assert synced.files_read == 0


@pytest.mark.parametrize("size", [10, BIG])
def test_a_file_that_changes_while_it_is_read_is_read_again(synced: SyncedFolder, folder: Path, size: int) -> None:
    file = write(folder / "a", b"1" * size)

    def change_once() -> None:
        synced.objects.on_put = lambda: None
        write(file, b"2" * size)

    synced.objects.on_put = change_once
    with look(folder, synced.cache) as seen:
        if size == 10:  # it is put after it was read and found unchanged: change it before that
            change_once()
        read(seen, synced.objects)
        sync = FolderSync(seen, synced.tree, synced.objects)
        synced.root = sync.apply(synced.objects.put)
        sync.remember(synced.root)
    assert synced.content("a") == b"2" * size
    synced.sync()
    assert synced.files_read == 0  # its stats are those that go with what was read


def test_a_file_that_never_stops_changing_is_named(synced: SyncedFolder, folder: Path) -> None:
    file = write(folder / "deep" / "log", os.urandom(BIG))
    write(folder / "other")
    told: list[int] = []

    def grow() -> None:
        with open(file, "ab") as opened:
            opened.write(os.urandom(100))

    synced.objects.on_put = grow
    with look(folder, synced.cache) as seen, pytest.raises(InputError, match="deep/log: changed each time"):
        read(seen, synced.objects, told.append)
    assert sum(told) == 1  # `other`; what is read in vain is taken back
    assert seen.files_to_read == 1
    synced.objects.on_put = lambda: None
    synced.sync()
    assert set(synced.entries()) == {"deep/log", "other"}


def test_files_that_vanish_or_turn_into_something_else_while_they_are_read(synced: SyncedFolder, folder: Path) -> None:
    for name in ("gone", "pipe", "stays", "folder/a"):
        write(folder / name)
    with look(folder, synced.cache) as seen:
        (folder / "gone").unlink()
        (folder / "folder" / "a").unlink()
        (folder / "folder").rmdir()
        read(seen, synced.objects)
        sync = FolderSync(seen, synced.tree, synced.objects)
        synced.root = sync.apply(synced.objects.put)
        sync.remember(synced.root)
    assert set(synced.entries()) == {"pipe", "stays"}
    assert seen.files == 2

    write(folder / "stays", "again")
    write(folder / "pipe", "again")
    with look(folder, synced.cache) as seen:
        (folder / "pipe").unlink()
        os.mkfifo(folder / "pipe")
        with pytest.raises(InputError, match="pipe: is no file any more"):
            read(seen, synced.objects)


def test_a_folder_that_was_away_while_its_files_were_read_comes_back(synced: SyncedFolder, folder: Path) -> None:
    write(folder / "a" / "file")
    with look(folder, synced.cache) as seen:
        (folder / "a").rename(folder.with_name("away"))
        read(seen, synced.objects)
        sync = FolderSync(seen, synced.tree, synced.objects)
        synced.root = sync.apply(synced.objects.put)
        sync.remember(synced.root)
    assert synced.entries() == {}
    folder.with_name("away").rename(folder / "a")  # its file is as it was when it was looked at
    synced.sync()
    assert set(synced.entries()) == {"a/file"}


def test_what_cannot_be_part_of_a_version_is_told_all_at_once(synced: SyncedFolder, folder: Path) -> None:
    write(folder / "fine")
    (folder / "sub").mkdir()
    os.mkfifo(folder / "sub" / "pipe")
    (folder / "out\nside").symlink_to("/etc/passwd")
    (folder / "sub" / "up").symlink_to("../../data2/x")
    (folder / "sub" / "inner").symlink_to("..")
    # By its text it stays inside; through `inner` it does not.
    (folder / "sub" / "sly").symlink_to("inner/../x")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "socket"))
    listening.close()
    with pytest.raises(InputError) as caught:
        look(folder, synced.cache)
    assert sorted(problem.partition(": ")[0] for problem in caught.value.problems) == [
        "'out\\nside'",
        "socket",
        "sub/pipe",
        "sub/sly",
        "sub/up",
    ]


def test_unreadable_files_and_folders_are_told_before_anything_is_read(
    synced: SyncedFolder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "a" / "1")
    write(folder / "b")
    # Root may read everything, so a process of nobody's looks.
    for path in (folder / "b", folder / "a"):
        path.chmod(0)
    for path in (*folder.parents, folder):
        if path.stat().st_uid == os.getuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o755)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            look(folder, StatCache(Path("/nowhere/cache.db")))
            os.write(writing, b"nothing")
        except InputError as error:
            os.write(writing, "\n".join(error.problems).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    told = os.read(reading, 10000).decode()
    os.close(reading)
    (folder / "a").chmod(0o755)
    assert told.splitlines() == ["b: may not be read", "a: cannot be listed (Permission denied)"]


def test_odd_names_are_kept(synced: SyncedFolder, folder: Path) -> None:
    names = ["new\nline", "ünï\U0001f600", "a" * 255, "Case", "case", " ", "-", "\udcff\udcfe", "a\\b", "~", "quote'\""]
    for name in names:
        write(folder / name, name.encode("utf-8", "surrogateescape"))
    root = synced.sync()
    assert set(synced.entries()) == set(names)
    assert synced.content("\udcff\udcfe") == b"\xff\xfe"
    assert synced.sync() == root
    assert synced.files_read == 0


def test_absolute_links_that_stay_inside_become_relative(synced: SyncedFolder, folder: Path) -> None:
    write(folder / "a" / "b")
    (folder / "c").mkdir()
    (folder / "c" / "link").symlink_to(folder / "a" / "b")
    (folder / "dangling").symlink_to("nowhere")
    synced.sync()
    assert synced.entries()["c/link"].content == "../a/b"
    assert synced.entries()["dangling"].content == "nowhere"
    (folder / "dangling").unlink()
    (folder / "dangling").symlink_to("elsewhere")
    synced.sync()
    assert synced.entries()["dangling"].content == "elsewhere"


def test_links_are_followed_where_that_is_asked_for(synced: SyncedFolder, folder: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "file", "far").parent
    (folder / "there").symlink_to(outside)
    (folder / "one").symlink_to(outside / "file")
    synced.sync(follow=True)
    assert set(synced.entries()) == {"one", "there/file"}
    assert synced.content("one") == b"far"
    (folder / "round").symlink_to(folder)
    (folder / "nowhere").symlink_to("nothing")
    with pytest.raises(InputError) as caught:
        synced.sync(follow=True)
    assert sorted(problem.partition(":")[0] for problem in caught.value.problems) == ["nowhere", "round"]


def test_our_own_files_are_left_out_and_told(synced: SyncedFolder, folder: Path) -> None:
    for name in (
        "meristem.db",
        "meristem.db-wal",
        "meristem-blobs/ab/x",
        ".meristem/cache",
        "sub/.meristem/x",
        "mine.db",
    ):
        write(folder / name)
    write(folder / "a")
    with look(folder, synced.cache, skip=[folder / "mine.db"]) as seen:
        assert seen.left_out == (
            ".meristem",
            "meristem-blobs",
            "meristem.db",
            "meristem.db-wal",
            "mine.db",
            "sub/.meristem",
        )
    synced.sync(skip=[folder / "mine.db"])
    assert set(synced.entries()) == {"a"}


def test_wildcards_and_depth(synced: SyncedFolder, folder: Path) -> None:
    for name in ("a.csv", "a.txt", "sub/b.csv", "sub/.c.csv"):
        write(folder / name)
    (folder / "empty").mkdir()
    synced.sync(wildcard="*.csv")
    assert set(synced.entries()) == {"a.csv", "sub/b.csv", "sub/.c.csv"}
    synced.sync(wildcard=["*.csv", "*.txt"], recursive=False)
    assert set(synced.entries()) == {"a.csv", "a.txt"}
    synced.sync(wildcard="*.csv")
    assert synced.files_read == 0
    assert set(synced.entries()) == {"a.csv", "sub/b.csv", "sub/.c.csv"}


def test_a_single_file_is_added_beside_what_is_there(synced: SyncedFolder, folder: Path) -> None:
    write(folder / "a", "a")
    write(folder / "b", "b")
    synced.sync(dataset_path="x")
    one = SyncedFolder(folder / "b", synced.cache.file, synced.objects)
    one.root = synced.root
    write(folder / "b", "new")
    one.sync(dataset_path="x", add=True)
    assert one.content("x/b") == b"new"
    assert set(one.entries()) == {"x/a", "x/b"}


def test_a_folder_is_brought_below_a_dataset_path_and_others_stay(synced: SyncedFolder, folder: Path) -> None:
    write(folder / "a" / "1", "1")
    write(folder / "a" / "2", "2")
    other = [Entry(path, Kind.FOLDER, 0, "") for path in ("p", "p-", "p/q/old", "p0")]
    synced.root = synced.tree.updated(((entry.path, entry) for entry in other), synced.objects.put)
    synced.sync(dataset_path="p/q")
    assert set(synced.entries()) == {"p-", "p/q/a/1", "p/q/a/2", "p0"}  # `p` is not empty any more
    (folder / "a" / "1").unlink()
    synced.sync(dataset_path="p/q")
    assert set(synced.entries()) == {"p-", "p/q/a/2", "p0"}


def test_adding_keeps_what_the_folder_has_not_and_replaces_what_is_in_the_way(
    synced: SyncedFolder, folder: Path
) -> None:
    write(folder / "a" / "b", "b")
    write(folder / "c" / "d")
    synced.sync()
    (folder / "a" / "b").unlink()
    (folder / "a").rmdir()
    write(folder / "a", "a file now")
    (folder / "c" / "d").unlink()
    write(folder / "e" / "f")
    synced.sync(add=True)
    assert set(synced.entries()) == {"a", "c/d", "e/f"}
    (folder / "a").unlink()
    write(folder / "a" / "new")
    for with_cache in (True, False):
        copy = SyncedFolder(folder, synced.cache.file if with_cache else folder.parent / "new.db", synced.objects)
        copy.root = synced.root
        copy.sync(add=True)
        assert set(copy.entries()) == {"a/new", "c/d", "e/f"}


def test_an_empty_folder_becomes_a_file_of_its_name(synced: SyncedFolder, folder: Path) -> None:
    (folder / "a").mkdir()
    write(folder / "b")
    synced.sync()
    (folder / "a").rmdir()
    write(folder / "a", "file")
    synced.sync()
    assert synced.content("a") == b"file"


def test_what_adding_left_is_removed_by_the_next_sync(synced: SyncedFolder, folder: Path) -> None:
    write(folder / "a" / "b")
    synced.sync()
    (folder / "a" / "b").unlink()
    synced.sync(add=True)
    assert set(synced.entries()) == {"a/b"}  # as many as the folder has: its one empty folder
    synced.sync()
    assert synced.entries()["a"].kind is Kind.FOLDER
    assert set(synced.entries()) == {"a"}


def test_adding_after_others_changed_the_tree_brings_back_only_what_the_folder_has(
    synced: SyncedFolder, folder: Path
) -> None:
    for name in ("a", "b", "c"):
        write(folder / name, name)
    synced.sync()
    changes = dict.fromkeys("abc") | {"other": Entry("other", Kind.FOLDER, 0, "")}
    synced.root = synced.tree.updated(changes.items(), synced.objects.put)
    (folder / "b").unlink()
    synced.sync(add=True)
    assert synced.files_read == 0
    assert set(synced.entries()) == {"a", "c", "other"}


def test_external_files_stay_unless_the_folder_has_the_path(synced: SyncedFolder, folder: Path) -> None:
    write(folder / "a")
    external = [Entry(path, Kind.EXTERNAL, 0, "s3://bucket/x") for path in ("a", "e", "f/g")]
    synced.root = synced.tree.updated(((entry.path, entry) for entry in external), synced.objects.put)
    synced.sync()
    write(folder / "f")
    synced.sync()
    assert {path: entry.kind for path, entry in synced.entries().items()} == {
        "a": Kind.FILE,
        "e": Kind.EXTERNAL,
        "f": Kind.FILE,
    }


def test_a_tree_that_others_changed_becomes_the_folder_again(synced: SyncedFolder, folder: Path) -> None:
    for name in ("a", "b", "c"):
        write(folder / name, name)
    synced.sync()
    mine = synced.root
    changes = {"a": None, "b": Entry("b", Kind.FOLDER, 0, ""), "new": Entry("new", Kind.FOLDER, 0, "")}
    synced.root = synced.tree.updated(changes.items(), synced.objects.put)
    write(folder / "c", "changed")
    synced.sync()
    assert synced.files_read == 1
    assert {path: synced.content(path) for path in synced.entries()} == {"a": b"a", "b": b"b", "c": b"changed"}
    # The last manifest is gone, as after its version was deleted: everything is compared, nothing is read.
    synced.root = synced.tree.updated({"d": Entry("d", Kind.FOLDER, 0, "")}.items(), synced.objects.put)
    del synced.objects.contents[mine]
    synced.sync()
    assert synced.files_read == 0
    assert set(synced.entries()) == {"a", "b", "c"}


def test_files_whose_objects_are_gone_are_read_again(synced: SyncedFolder, folder: Path, tmp_path: Path) -> None:
    write(folder / "small" / "1", "one")
    write(folder / "small" / "2", "two")
    big = write(folder / "big", os.urandom(BIG)).read_bytes()
    synced.sync()
    lost = [synced.tree.get("small/1").content, synced.tree.get("big").content]
    other = SyncedFolder(folder, synced.cache.file)  # another store: it has nothing
    other.sync()
    assert other.files_read == 3
    assert other.content("big") == big
    for name in lost:
        del other.objects.contents[name]
    third = SyncedFolder(folder, synced.cache.file, other.objects)
    third.sync()
    assert third.files_read == 2
    assert third.content("small/1") == b"one"
    assert third.content("big") == big


def test_a_recipe_without_one_of_its_chunks_is_read_again(synced: SyncedFolder, folder: Path) -> None:
    big = write(folder / "big", os.urandom(BIG)).read_bytes()
    synced.sync()
    recipe = synced.tree.get("big").content
    chunk = next(name for name, content in synced.objects.contents.items() if name != recipe and content in big)
    del synced.objects.contents[chunk]
    again = SyncedFolder(folder, synced.cache.file, synced.objects)
    again.sync()
    assert again.files_read == 1
    assert again.content("big") == big


def test_a_folder_that_is_removed_while_it_is_walked_is_no_empty_folder(
    synced: SyncedFolder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "a" / "1")
    write(folder / "b" / "1")
    synced.sync()
    listdir = os.listdir

    def moved(descriptor: int) -> list[str]:
        found = listdir(descriptor)
        if "a" in found:
            folder.rename(folder.with_name("elsewhere"))
        return found

    monkeypatch.setattr(os, "listdir", moved)
    with pytest.raises(InputError, match="removed or replaced while it was read"):
        synced.sync()


def test_folders_that_vanish_below_are_as_if_they_had_not_been_there(
    synced: SyncedFolder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "a" / "1")
    write(folder / "b")
    listdir = os.listdir

    def emptied(descriptor: int) -> list[str]:
        found = listdir(descriptor)
        if "b" in found and "a" in found:
            (folder / "a").rename(folder.with_name("elsewhere"))
            (folder / "b").unlink()
            write(folder / "c")
        return found

    monkeypatch.setattr(os, "listdir", emptied)
    synced.sync()
    monkeypatch.undo()
    assert set(synced.entries()) == set()
    synced.sync()
    assert set(synced.entries()) == {"c"}


def test_nothing_at_all_is_no_folder(synced: SyncedFolder, folder: Path) -> None:
    with pytest.raises(InputError, match="There is nothing at"):
        look(folder / "nothing", synced.cache)


@pytest.mark.parametrize("damage", ["not a database", "a flipped page", "another version"])
def test_a_damaged_cache_is_thrown_away(synced: SyncedFolder, folder: Path, damage: str) -> None:
    for i in range(300):
        write(folder / f"{i:0100}")
    root = synced.sync()
    file = synced.cache.file
    if damage == "not a database":
        file.write_bytes(b"something else" * 1000)
    elif damage == "another version":
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
    else:
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        content = bytearray(file.read_bytes())
        for page in range(4096, len(content), 4096):
            content[page : page + 200] = b"\xaa" * 200
        file.write_bytes(content)
    again = SyncedFolder(folder, file, synced.objects)
    assert again.sync() == root
    assert again.files_read == 300
    again.sync()
    assert again.files_read == 0


def test_a_damaged_record_hides_no_removal(synced: SyncedFolder, folder: Path) -> None:
    write(folder / "a")
    write(folder / "b")
    synced.sync()
    with sqlite3.connect(synced.cache.file) as connection:
        connection.execute("UPDATE records SET body = zeroblob(length(body))")
    connection.close()
    (folder / "a").unlink()
    synced.sync()
    assert set(synced.entries()) == {"b"}


def test_a_cache_that_cannot_be_written_is_done_without(folder: Path, tmp_path: Path) -> None:
    write(folder / "a", "one")
    (tmp_path / "file").write_text("no folder")
    synced = SyncedFolder(folder, tmp_path / "file" / "cache.db")
    root = synced.sync()
    assert synced.sync() == root
    assert synced.files_read == 1


def test_two_that_sync_one_folder_at_once_leave_a_cache_that_is_true(synced: SyncedFolder, folder: Path) -> None:
    write(folder / "a", "1")
    write(folder / "b" / "c", "1")
    synced.sync()
    other = SyncedFolder(folder, synced.cache.file, synced.objects)
    write(folder / "a", "22")
    with look(folder, synced.cache) as seen:  # sees a, not yet b/c
        write(folder / "b" / "c", "333")
        other.sync()
        read(seen, synced.objects)
        mine = FolderSync(seen, synced.tree, synced.objects)
        synced.root = mine.apply(synced.objects.put)
        mine.remember(synced.root)
    assert synced.content("b/c") == b"1"
    synced.sync()
    assert synced.content("b/c") == b"333"
    assert synced.root == other.sync()


def test_a_long_reading_that_is_cut_off_goes_on_where_it_was(
    synced: SyncedFolder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meristem.datasets.folders.ingest.REMEMBER_EVERY_BYTES", 1000)
    for i in range(10):
        write(folder / f"d{i}" / "file", bytes([i]) * 600)
    write(folder / "big", os.urandom(BIG))

    class CutOff(Exception):
        pass

    def cut_off() -> None:
        if synced.objects.flushes == 3:
            raise CutOff

    synced.objects.on_put = cut_off
    with look(folder, synced.cache) as seen, pytest.raises(CutOff):
        read(seen, synced.objects, flushed=lambda: remember(seen))
    synced.objects.on_put = lambda: None
    synced.sync()
    assert 0 < synced.files_read < 8
    assert len(synced.entries()) == 11
    assert synced.sync() == SyncedFolder(folder, folder.parent / "new.db").sync()


def test_holes_are_not_read_and_change_no_chunk(synced: SyncedFolder, folder: Path, tmp_path: Path) -> None:
    generator = [os.urandom(700_000) for _ in range(3)]
    size = (64 << 20) + 12345
    sparse, plain = folder / "sparse", tmp_path / "plain" / "sparse"
    plain.parent.mkdir()
    content = bytearray(size)
    with open(sparse, "wb") as opened:
        opened.truncate(size)
        for at, part in zip((0, 20_000_000, 40_000_001), generator, strict=True):
            opened.seek(at)
            opened.write(part)
            content[at : at + len(part)] = part
    plain.write_bytes(content)
    reads = []
    real = os.preadv

    def counted(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        got = real(descriptor, buffers, offset)
        reads.append(got)
        return got

    file_reading.os.preadv = counted  # type: ignore[assignment]
    try:
        synced.sync()
    finally:
        file_reading.os.preadv = real
    assert sum(reads) < size * 0.8
    full = SyncedFolder(plain.parent, tmp_path / "other.db")
    assert full.sync() == synced.root
    assert synced.content("sparse") == content


def test_what_lies_behind_a_hole_at_the_end_of_a_file_is_cut_as_ever(
    synced: SyncedFolder, folder: Path, tmp_path: Path
) -> None:
    tail = random.Random(SEED_CUT_IN_TWO).randbytes(250_000)  # as a file of its own it would not be cut
    with open(folder / "file", "wb") as opened:
        opened.seek(8 << 20)
        opened.write(tail)
    write(tmp_path / "plain" / "file", bytes(8 << 20) + tail)
    assert SyncedFolder(tmp_path / "plain", tmp_path / "other.db").sync() == synced.sync()


def test_progress_is_told_in_bytes_and_totals_are_known_before(synced: SyncedFolder, folder: Path) -> None:
    write(folder / "a", b"x" * 1000)
    write(folder / "b", os.urandom(BIG))
    told: list[int] = []
    with look(folder, synced.cache) as seen:
        assert (seen.files, seen.size_bytes, seen.bytes_to_read) == (2, 1000 + BIG, 1000 + BIG)
        read(seen, synced.objects, told.append)
    assert sum(told) == 1000 + BIG
    assert len(told) > 2


def test_a_failure_of_the_store_ends_the_reading(synced: SyncedFolder, folder: Path) -> None:
    for i in range(20):
        write(folder / f"{i}", os.urandom(BIG // 2))
    before = threading.active_count()

    def fail() -> None:
        raise RuntimeError("the place is gone")

    synced.objects.on_put = fail
    with look(folder, synced.cache) as seen, pytest.raises(RuntimeError, match="the place is gone"):
        read(seen, synced.objects)
    assert threading.active_count() == before


def test_a_failure_ends_the_reading_of_large_files_in_their_midst(synced: SyncedFolder, folder: Path) -> None:
    write(folder / "a" / "large", os.urandom(20 * BIG))
    write(folder / "b" / "small")
    large_begun = threading.Event()

    def fail_beside_large() -> None:
        if threading.current_thread() is threading.main_thread():
            assert large_begun.wait(10)
            raise RuntimeError("the place is gone")
        large_begun.set()
        time.sleep(0.01)

    synced.objects.on_put = fail_beside_large
    with look(folder, synced.cache) as seen, pytest.raises(RuntimeError):
        read(seen, synced.objects)
    assert synced.objects.puts < 20
    assert seen.files_to_read == 2


def test_an_empty_folder_empties_the_part_of_the_manifest(synced: SyncedFolder, folder: Path) -> None:
    write(folder / "a" / "b")
    synced.sync()
    (folder / "a" / "b").unlink()
    synced.sync()
    assert set(synced.entries()) == {"a"}
    (folder / "a").rmdir()
    synced.sync()
    assert synced.tree.entries_count == 0
    assert Tree(synced.root, FakeObjects()).entries_count == 0
