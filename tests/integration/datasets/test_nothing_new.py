"""A draft in which nothing was changed makes no version: a search that follows the data would run for nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from integration.datasets.conftest import Machine
from meristem.datasets.dataset import Dataset
from meristem.errors import DatasetError
from meristem.statuses import VersionStatus
from meristem.store.store import Store


@pytest.fixture
def store(machine: Machine, work: Path) -> Store:
    opened = machine()
    (work / "a.txt").write_text("a")
    with Dataset.create("p", "d", store=opened) as first:
        first.add_files(work)
    return opened


def _draft(store: Store) -> Dataset:
    return Dataset.get("p/d", writable_copy=True, store=store)


def test_a_block_that_changes_nothing_ends_as_the_version_that_it_began_from(store: Store, work: Path) -> None:
    with _draft(store) as data:
        data.sync_folder(work)
    assert data.version == "1.0.0"
    assert data.status is VersionStatus.FINAL
    assert [each.version for each in Dataset.list("p", "d", store=store)] == ["1.0.0"]
    assert not store.datasets.drafts(data.row.dataset)


def test_what_was_changed_and_changed_back_is_nothing_new(store: Store, work: Path) -> None:
    draft = _draft(store)
    (work / "b.txt").write_text("b")
    draft.add_files(work / "b.txt")
    draft.remove_files("b.txt")
    assert draft.finalize() is False
    assert len(Dataset.list("p", "d", store=store)) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda draft: draft.finalize(version="2.0.0"),
        lambda draft: draft.tag("gold"),
        lambda draft: draft.set_metadata(source="the same files"),
        lambda draft: draft.log_table("t", "s", {"a": [1]}),
    ],
    ids=["number", "tag", "metadata", "table"],
)
def test_what_tells_more_than_its_files_is_a_version(store: Store, change: Callable[[Dataset], object]) -> None:
    with _draft(store) as draft:
        change(draft)
    assert [each.status for each in Dataset.list("p", "d", store=store)] == [VersionStatus.FINAL] * 2


def test_the_content_of_a_version_that_was_deleted_meanwhile_stays(store: Store) -> None:
    draft = _draft(store)
    Dataset.get("p/d", store=store).delete()
    assert draft.finalize() is True
    assert draft.list_files() == ["a.txt"]


def test_the_content_of_another_dataset_is_new_in_this_one(store: Store) -> None:
    other = Dataset.create("p", "other", parents=["p/d"], store=store)
    assert other.finalize() is True
    assert other.list_files() == ["a.txt"]


def test_a_draft_that_another_process_changed_is_not_given_up(store: Store, work: Path) -> None:
    draft = _draft(store)
    (work / "b.txt").write_text("b")
    Dataset.get(id=draft.id, store=store).add_files(work / "b.txt")
    with pytest.raises(DatasetError, match="Another process"):
        draft.finalize()
    assert Dataset.get(id=draft.id, store=store).list_files() == ["a.txt", "b.txt"]


def test_publishing_what_has_not_changed_publishes_what_is_there(store: Store) -> None:
    draft = _draft(store)
    assert draft.finalize(publish=True) is False
    assert (draft.version, draft.status) == ("1.0.0", VersionStatus.PUBLISHED)


def test_a_draft_that_is_had_by_its_id_as_writable_is_itself(store: Store) -> None:
    draft = _draft(store)
    assert Dataset.get(id=draft.id, writable_copy=True, store=store).id == draft.id
