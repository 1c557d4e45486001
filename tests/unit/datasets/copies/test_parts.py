from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.datasets.copies.versions import Memory, content

from meristem.datasets.copies import local_copy, mutable_copy, part_bounds
from meristem.manifests.entry import Entry, Kind

SIZES = st.lists(st.sampled_from([0, 1, 10_000_000]), max_size=60)


@given(SIZES, st.integers(1, 9))
def test_parts_follow_each_other_are_the_whole_and_have_equal_numbers(sizes: list[int], num_parts: int) -> None:
    entries = [Entry(f"d{n % 7}/f{n:03}", Kind.EXTERNAL, size, "u") for n, size in enumerate(sizes)]
    tree = Memory().tree(*entries)
    bounds = [part_bounds(tree, part, num_parts) for part in range(num_parts)]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == len(sizes)
    assert all(one[1] == next[0] for one, next in pairwise(bounds))
    counts = {stop - start for start, stop in bounds}
    assert max(counts) - min(counts) <= 1


def test_a_large_file_leaves_no_part_without_files(memory: Memory, cache: Path) -> None:
    tree = memory.files({f"f{number:03}": b"x" * (100 if number < 99 else 100_000) for number in range(100)})
    parts = [content(local_copy(tree, memory, cache=cache, part=part, num_parts=4)) for part in range(4)]
    assert [len(part) for part in parts] == [25, 25, 25, 25]


def test_copies_of_all_parts_are_the_version(memory: Memory, cache: Path) -> None:
    files = {f"d{number % 3}/f{number}": bytes([number]) * 100 * number for number in range(20)}
    tree = memory.files(files)
    parts = [content(local_copy(tree, memory, cache=cache, part=part, num_parts=3)) for part in range(3)]
    assert sum(map(len, parts)) == len(files)
    assert parts[0] | parts[1] | parts[2] == files


def test_parts_that_come_together_in_a_folder_are_not_told_of_each_other(memory: Memory, tmp_path: Path) -> None:
    files = {f"f{number}": b"x" for number in range(4)}
    told: list[str] = []
    for part in range(2):
        mutable_copy(
            memory.files(files), memory, tmp_path / "own", overwrite=True, part=part, num_parts=2, tell=told.append
        )
    assert content(tmp_path / "own") == files
    assert not told


def test_the_whole_takes_what_its_parts_have(memory: Memory, cache: Path) -> None:
    tree = memory.files({f"f{number}": bytes([number]) for number in range(10)})
    for part in range(2):
        local_copy(tree, memory, cache=cache, part=part, num_parts=2)
    memory.asked.clear()
    assert len(content(local_copy(tree, memory, cache=cache))) == 10
    assert not memory.asked


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["a/one.png"], {"a/one.png"}),
        (["a"], {"a/one.png", "a/two.txt", "a/x/y.png"}),
        (["a/", "b"], {"a/one.png", "a/two.txt", "a/x/y.png", "b"}),
        (["*.png"], {"a/one.png", "a/x/y.png", "c.png"}),
        (["a/*.png", "a/one.png", "a/x"], {"a/one.png", "a/x/y.png"}),
    ],
)
def test_files_are_chosen_by_path_folder_or_pattern(
    memory: Memory, tmp_path: Path, files: list[str], expected: set[str]
) -> None:
    paths = ("a/one.png", "a/two.txt", "a/x/y.png", "ab", "b", "c.png")
    tree = memory.files({path: path.encode() for path in paths})
    assert set(content(mutable_copy(tree, memory, tmp_path / "own", files=files))) == expected
