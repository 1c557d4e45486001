"""Versions laid over each other where one has a file and the other a folder of that name."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.datasets.conftest import Machine
from integration.datasets.plain_folders import overlaid, tree_of
from meristem.datasets.dataset import Dataset


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("how", ["squash", "parents", "add"])
def test_the_later_one_counts_where_a_file_meets_a_folder(
    machine: Machine, work: Path, order: tuple[int, int], how: str
) -> None:
    store, folders = machine(), (work / "file", work / "folder")
    (work / "file").mkdir()
    (work / "file" / "a.csv").write_bytes(b"file")
    (work / "file" / "e").mkdir()
    (work / "folder" / "a.csv" / "b").mkdir(parents=True)
    (work / "folder" / "a.csv" / "b" / "c").write_bytes(b"below")
    (work / "folder" / "e").write_bytes(b"was empty")
    versions = []
    for i in order:
        made = Dataset.create("p", f"d{i}", store=store)
        made.sync_folder(folders[i])
        made.finalize()
        versions.append(made)
    if how == "squash":
        made = Dataset.squash("p", "both", versions, store=store)
    else:
        parents = versions if how == "parents" else versions[:1]
        made = Dataset.create("p", "both", parents=parents, store=store)
        if how == "add":
            made.add_files(folders[order[1]])
        made.finalize(on_conflict="branch")
    expected = overlaid(tree_of(folders[order[0]]), tree_of(folders[order[1]]))
    assert tree_of(made.get_mutable_local_copy(work.parent / "copy")) == expected
