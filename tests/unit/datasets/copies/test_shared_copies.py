from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from tests.unit.datasets.copies.versions import CHUNK, Memory, content, folder, link

from meristem.datasets.copies import local_copy, release
from meristem.errors import CopyRefused, ManifestRefused, PlaceUnavailable
from meristem.manifests.entry import Entry, Kind

FILES = {
    "readme.txt": b"hello",
    "empty": b"",
    "a/b/c.bin": bytes(range(256)) * 20,
    "a/b.bin": b"x" * CHUNK,
    "a-b/c": b"between a and a/",
    "line\nbreak": b"1",
    "ünï/\udcff\udcfe": b"no UTF-8",
    "n" * 255: b"a long name",
    "twin": b"hello",
}


def modes(place: Path) -> set[int]:
    return {stat.S_IMODE(os.lstat(path).st_mode) & 0o777 for path in place.rglob("*") if not path.is_symlink()}


def test_a_copy_holds_just_what_the_version_holds(memory: Memory, cache: Path) -> None:
    tree = memory.tree(
        *(memory.file(path, data) for path, data in FILES.items()), link("a/link", "b/c.bin"), folder("z/none")
    )
    copy = local_copy(tree, memory, cache=cache)
    assert content(copy) == {**FILES, "a/link": "b/c.bin", "z/none": None}


def test_files_and_folders_are_read_only_and_programs_stay_programs(memory: Memory, cache: Path) -> None:
    tree = memory.tree(memory.file("a/run", b"#!", executable=True), memory.file("big", b"y" * 5 * CHUNK))
    copy = local_copy(tree, memory, cache=cache)
    assert (copy / "a/run").stat().st_mode & 0o777 == 0o555
    assert (copy / "big").stat().st_mode & 0o777 == 0o444
    assert {(copy / "a").stat().st_mode & 0o777, copy.stat().st_mode & 0o777} == {0o555}


def test_a_copy_that_is_there_is_not_fetched_again(memory: Memory, cache: Path) -> None:
    tree = memory.files(FILES)
    first = local_copy(tree, memory, cache=cache)
    memory.objects.clear()
    assert local_copy(tree, memory, cache=cache) == first


def test_the_next_version_fetches_only_what_changed_and_links_the_rest(memory: Memory, cache: Path) -> None:
    old = local_copy(memory.files(FILES), memory, cache=cache)
    memory.asked.clear()
    new = local_copy(memory.files({**FILES, "readme.txt": b"changed", "more": b"more"}), memory, cache=cache)
    assert sorted(memory.objects[name] for name in memory.asked) == [b"changed", b"more"]
    assert (new / "a/b/c.bin").stat().st_ino == (old / "a/b/c.bin").stat().st_ino
    assert content(old) == FILES


def test_a_file_that_becomes_a_program_is_not_linked(memory: Memory, cache: Path) -> None:
    old = local_copy(memory.files({"run": b"x"}), memory, cache=cache)
    new = local_copy(memory.tree(memory.file("run", b"x", executable=True)), memory, cache=cache)
    assert (new / "run").stat().st_mode & 0o111
    assert not (old / "run").stat().st_mode & 0o111


def test_a_copy_that_broke_off_goes_on_where_it_was(memory: Memory, cache: Path) -> None:
    tree = memory.files({f"f{number:02}": bytes([number]) * 50 for number in range(20)})
    memory.left = 12
    with pytest.raises(PlaceUnavailable):
        local_copy(tree, memory, cache=cache)
    memory.left = None
    got = len(memory.asked)
    copy = local_copy(tree, memory, cache=cache)
    assert len(memory.asked) - got == 20 - 12
    assert len(content(copy)) == 20


def test_a_large_file_that_broke_off_fetches_only_the_chunks_that_miss(memory: Memory, cache: Path) -> None:
    data = b"".join(bytes([number]) * CHUNK for number in range(1, 31))
    tree = memory.files({"large": data})
    memory.left = 21  # its recipe, 20 chunks
    with pytest.raises(PlaceUnavailable):
        local_copy(tree, memory, cache=cache)
    memory.left = None
    got = len(memory.asked)
    assert (local_copy(tree, memory, cache=cache) / "large").read_bytes() == data
    assert len(memory.asked) - got == 1 + 10


def test_what_is_half_written_is_not_taken_for_whole(memory: Memory, cache: Path) -> None:
    tree = memory.files({"a": b"12345", "b/large": b"z" * 3 * CHUNK, "c": b"right"})
    incoming = cache / "copies/incoming" / tree.root
    (incoming / "b").mkdir(parents=True)
    (incoming / "a").write_bytes(b"12")
    (incoming / "b/large").write_bytes(b"y" * 3 * CHUNK)
    (incoming / "c").write_bytes(b"right")
    (incoming / "b").chmod(0o555)
    copy = local_copy(tree, memory, cache=cache)
    assert content(copy) == {"a": b"12345", "b/large": b"z" * 3 * CHUNK, "c": b"right"}
    assert memory.objects
    assert modes(copy) == {0o444, 0o555}


def test_zeros_become_holes(memory: Memory, cache: Path) -> None:
    data = b"a" * CHUNK + bytes(1000 * CHUNK) + b"b"
    copy = local_copy(memory.files({"sparse": data}), memory, cache=cache)
    assert (copy / "sparse").read_bytes() == data
    assert (copy / "sparse").stat().st_blocks * 512 < 100_000


def test_zeros_replace_what_a_killed_process_left(memory: Memory, cache: Path) -> None:
    data = b"a" * CHUNK + bytes(10 * CHUNK)
    tree = memory.files({"sparse": data})
    memory.left = 1
    with pytest.raises(PlaceUnavailable):
        local_copy(tree, memory, cache=cache)
    staged = next((cache / "copies/incoming" / f"{tree.root}.staging").iterdir())
    staged.write_bytes(b"junk" * 3000)
    memory.left = None
    assert (local_copy(tree, memory, cache=cache) / "sparse").read_bytes() == data


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.CHUNKED])
def test_sizes_that_do_not_fit_are_refused(memory: Memory, cache: Path, kind: Kind) -> None:
    entry = memory.file("f", b"q" * 3 * CHUNK) if kind is Kind.CHUNKED else memory.file("f", b"q")
    with pytest.raises(ManifestRefused, match="bytes"):
        local_copy(memory.tree(entry._replace(size=entry.size + 1)), memory, cache=cache)


def test_chunks_of_other_lengths_than_the_recipe_says_are_refused(memory: Memory, cache: Path) -> None:
    long, short = memory.put(b"q" * 3), memory.put(b"q" * 2)
    recipe = memory.put(json.dumps([[long, 2], [short, 3]]).encode())
    with pytest.raises(ManifestRefused, match="recipe says"):
        local_copy(memory.tree(Entry("f", Kind.CHUNKED, 5, recipe)), memory, cache=cache)


def test_progress_adds_up_to_the_size_of_the_version(memory: Memory, cache: Path) -> None:
    seen: list[int] = []
    tree = memory.files(FILES)
    local_copy(tree, memory, cache=cache, progress=seen.append)
    assert sum(seen) == tree.bytes_count
    seen.clear()
    local_copy(memory.files({**FILES, "new": b"123"}), memory, cache=cache, progress=seen.append)
    assert sum(seen) == tree.bytes_count + 3


def test_external_files_come_when_somebody_fetches_them(memory: Memory, cache: Path) -> None:
    known = {"etag": None, "hash": "", "x": 1}
    tree = memory.tree(Entry("there", Kind.EXTERNAL, 3, "https://example.org/x", facts=known), memory.file("f", b"f"))
    assert content(local_copy(tree, memory, cache=cache)) == {"f": b"f"}
    copy = local_copy(tree, memory, cache=cache, fetch_external=lambda entry, file: file.write(b"ext"))
    assert content(copy) == {"f": b"f", "there": b"ext"}
    assert local_copy(tree, memory, cache=cache) == copy


def test_an_external_file_with_other_bytes_than_it_had_is_refused(memory: Memory, cache: Path) -> None:
    there = Entry("there", Kind.EXTERNAL, 3, "https://example.org/x", facts={"hash": memory.put(b"ext")})
    tree = memory.tree(there)
    with pytest.raises(CopyRefused, match=r"example\.org"):
        local_copy(tree, memory, cache=cache, fetch_external=lambda entry, file: file.write(b"EXT"))
    copy = local_copy(tree, memory, cache=cache, fetch_external=lambda entry, file: file.write(b"ext"))
    assert content(copy) == {"there": b"ext"}


def test_release_may_be_repeated(memory: Memory, cache: Path) -> None:
    copy = local_copy(memory.files({"f": b"f"}), memory, cache=cache)
    release(copy)
    release(copy)
