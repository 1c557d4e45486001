from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.datasets.copies.versions import Memory, content

from meristem.datasets.copies import local_copy, mutable_copy, part_bounds
from meristem.manifests.entry import Entry, Kind

SIZES = st.lists(st.sampled_from([0, 1, 5_000, 100_000, 10_000_000]), max_size=60)


@given(SIZES, st.integers(1, 9))
def test_parts_follow_each_other_are_the_whole_and_nearly_equal(sizes: list[int], num_parts: int) -> None:
    memory = Memory()
    entries = [Entry(f"d{n % 7}/f{n:03}", Kind.EXTERNAL, size, "u") for n, size in enumerate(sizes)]
    tree = memory.tree(*entries)
    bounds = [part_bounds(tree, part, num_parts) for part in range(num_parts)]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == len(sizes)
    assert all(one[1] == next[0] for one, next in pairwise(bounds))
    listed = list(tree.entries())
    weights = [sum(entry.size + 4096 for entry in listed[start:stop]) for start, stop in bounds]
    largest = max((entry.size + 4096 for entry in entries), default=0)
    assert max(weights) <= sum(weights) / num_parts + largest


def test_parts_of_many_files_of_one_size_are_equal() -> None:
    memory = Memory()
    tree = memory.tree(*(Entry(f"f{number:05}", Kind.EXTERNAL, 100, "u") for number in range(10_000)))
    assert {stop - start for start, stop in (part_bounds(tree, part, 8) for part in range(8))} == {1250}


def test_copies_of_all_parts_are_the_version(memory: Memory, cache: Path) -> None:
    files = {f"d{number % 3}/f{number}": bytes([number]) * 100 * number for number in range(20)}
    tree = memory.files(files)
    parts = [content(local_copy(tree, memory, cache=cache, part=part, num_parts=3)) for part in range(3)]
    assert sum(map(len, parts)) == len(files)
    assert parts[0] | parts[1] | parts[2] == files


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
