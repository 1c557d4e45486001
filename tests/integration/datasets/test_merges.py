"""Two histories that become one: what each has changed since they parted is there, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from integration.datasets.conftest import Machine
from meristem.datasets.collecting import collect
from meristem.datasets.dataset import Dataset
from meristem.datasets.objects import objects_of
from meristem.errors import VersionConflict
from meristem.store.store import Store


@pytest.fixture
def store(machine: Machine) -> Store:
    return machine()


def _put(draft: Dataset, work: Path, files: Mapping[str, str | None]) -> Dataset:
    """Files with their content; None: it is removed."""
    for path, text in files.items():
        if text is None:
            draft.remove_files(path)
        else:
            (work / "file").write_text(text)
            (work / "file").rename(work / path)
            draft.add_files(work / path)
    return draft


def _held(data: Dataset) -> dict[str, str]:
    return {path: data.read_bytes(path).decode() for path in data.list_files()}


def test_a_merge_with_a_branch_beside_the_parent_loses_nothing(store: Store, work: Path) -> None:
    first = _put(Dataset.create("p", "x", store=store), work, {"a": "a"})
    first.finalize()
    plus_b = _put(Dataset.get("p/x", writable_copy=True, store=store), work, {"b": "b"})
    plus_c = _put(Dataset.get("p/x", writable_copy=True, store=store), work, {"c": "c"})
    plus_b.finalize()
    plus_c.finalize(on_conflict="branch")
    draft = _put(Dataset.create("p", "x", parents=[plus_b], store=store), work, {"d": "d"})
    with pytest.raises(VersionConflict):
        draft.finalize()
    draft.finalize(on_conflict="merge")
    assert _held(draft) == {"a": "a", "b": "b", "c": "c", "d": "d"}


def test_a_merge_of_what_has_no_common_version_keeps_both(store: Store, work: Path) -> None:
    other = _put(Dataset.create("p", "other", store=store), work, {"a": "a"})
    other.finalize()
    draft = _put(Dataset.create("p", "x", parents=[other], store=store), work, {"y2": "y2"})
    _put(Dataset.create("p", "x", store=store), work, {"y1": "y1"}).finalize()
    draft.finalize(on_conflict="merge")
    assert _held(draft) == {"a": "a", "y1": "y1", "y2": "y2"}


def test_branches_are_joined_by_what_each_has_changed(store: Store, work: Path) -> None:
    _put(Dataset.create("p", "x", store=store), work, {"a": "a1", "b": "b1", "c": "c1"}).finalize()
    one = Dataset.get("p/x", writable_copy=True, store=store)
    two = Dataset.get("p/x", writable_copy=True, store=store)
    _put(one, work, {"a": "a2", "b": None}).finalize()
    _put(two, work, {"c": "c2", "d": "d"}).finalize(on_conflict="branch")
    for parents in ([one, two], [two, one]):
        joined = Dataset.create("p", "x", parents=parents, store=store)
        assert _held(joined) == {"a": "a2", "c": "c2", "d": "d"}
        assert joined.diff(one.id)
        joined.discard()


def test_where_both_branches_changed_a_file_the_later_one_counts_and_that_is_told(
    store: Store, work: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _put(Dataset.create("p", "x", store=store), work, {"a": "1", "b": "1"}).finalize()
    one = Dataset.get("p/x", writable_copy=True, store=store)
    two = Dataset.get("p/x", writable_copy=True, store=store)
    _put(one, work, {"a": "one", "b": "one"}).finalize()
    _put(two, work, {"a": "two", "b": None}).finalize(on_conflict="branch")
    joined = Dataset.create("p", "x", parents=[one, two], store=store)
    assert _held(joined) == {"a": "two", "b": "one"}
    assert "'a', 'b'" in caplog.text


def test_a_version_that_holds_the_newest_already_is_no_conflict(store: Store, work: Path) -> None:
    first = _put(Dataset.create("p", "x", store=store), work, {"a": "a"})
    first.finalize()
    elsewhere = _put(Dataset.create("p", "y", parents=[first], store=store), work, {"b": "b"})
    elsewhere.finalize()
    back = _put(Dataset.create("p", "x", parents=[elsewhere], store=store), work, {"c": "c"})
    back.finalize()
    assert _held(back) == {"a": "a", "b": "b", "c": "c"}


def test_a_merge_whose_common_version_was_removed_is_a_conflict(store: Store, work: Path) -> None:
    first = _put(Dataset.create("p", "x", store=store), work, {"a": "a"})
    first.finalize()
    middle = _put(Dataset.get("p/x", writable_copy=True, store=store), work, {"b": "b"})
    other = _put(Dataset.get("p/x", writable_copy=True, store=store), work, {"c": "c"})
    middle.finalize()
    other.finalize(on_conflict="branch")
    draft = _put(Dataset.create("p", "x", parents=[middle], store=store), work, {"d": "d"})
    first.delete()
    collect(objects_of(store), grace=timedelta(0))
    collect(objects_of(store), grace=timedelta(0))
    objects_of(store).forget()
    with pytest.raises(VersionConflict, match=r"p/x@1\.0\.0, from which both come, was deleted"):
        draft.finalize(on_conflict="merge")
    draft.finalize(on_conflict="branch")
    assert _held(draft) == {"a": "a", "b": "b", "d": "d"}


def test_an_empty_folder_that_is_laid_over_files_takes_none_away(store: Store, work: Path) -> None:
    (work / "full" / "a").mkdir(parents=True)
    (work / "full" / "a" / "b").write_text("b")
    (work / "empty" / "a").mkdir(parents=True)
    for name in ("full", "empty"):
        with Dataset.create("p", name, store=store) as made:
            made.add_files(work / name)
    joined = Dataset.create("p", "x", parents=["p/full", "p/empty"], store=store)
    assert joined.list_files() == ["a/b"]
    assert Dataset.squash("p", "y", ["p/full", "p/empty"], store=store).list_files() == ["a/b"]
