"""What people get wrong, or two do at once: told, or taken as it is meant; nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.datasets.conftest import Machine

from meristem.datasets.dataset import Dataset
from meristem.errors import InputError, VersionConflict, VersionRefused


@pytest.fixture
def first(machine: Machine, work: Path) -> Dataset:
    (work / "f0.txt").write_text("zero")
    made = Dataset.create("p", "d", tags="prod", store=machine())
    made.add_files(work)
    made.finalize()
    return made


def test_one_text_is_a_list_of_one(first: Dataset, machine: Machine) -> None:
    assert first.tags == ("prod",)
    assert Dataset.get("p/d", tags="prod", store=machine()).id == first.id
    assert Dataset.create("p", "e", parents=first, store=machine()).list_files() == ["f0.txt"]
    assert [path.name for path in first.get_local_copy(files="f0.txt").iterdir()] == ["f0.txt"]


def test_two_who_add_metadata_keep_both(first: Dataset, machine: Machine) -> None:
    other = Dataset.get("p/d", store=machine())
    first.set_metadata(a=1)
    other.set_metadata(b=2)
    assert Dataset.get("p/d", store=machine()).metadata == {"a": 1, "b": 2}


def test_two_sources_of_one_path_are_refused(machine: Machine, work: Path) -> None:
    for folder in ("x", "y"):
        (work / folder).mkdir()
        (work / folder / "same.txt").write_text(folder)
    draft = Dataset.create("p", "d", store=machine())
    with pytest.raises(InputError, match=r"same\.txt"):
        draft.add_files(str(work / "*" / "same.txt"))
    with pytest.raises(InputError, match=r"same\.txt"):
        draft.add_external_files([(work / folder / "same.txt").as_uri() for folder in ("x", "y")])
    with pytest.raises(InputError, match="names no file"):
        draft.add_files("")


def test_a_number_below_that_of_its_parent_is_refused(first: Dataset, machine: Machine, work: Path) -> None:
    (work / "f1").write_text("one")
    draft = Dataset.get("p/d", writable_copy=True, store=machine())
    draft.add_files(work)
    with pytest.raises(VersionRefused, match="higher"):
        draft.finalize(version="0.9.0")
    with pytest.raises((VersionRefused, VersionConflict)):
        Dataset.squash("p", "s", [draft], store=machine())
    draft.finalize(version="0.9.0", on_conflict="branch")
    assert Dataset.get("p/d", store=machine()).version == "1.0.0"


def test_a_folder_with_a_copy_that_is_not_finished_is_not_taken(machine: Machine, work: Path) -> None:
    (work / ".meristem-incoming-0123456789abcdef").mkdir()
    draft = Dataset.create("p", "d", store=machine())
    with pytest.raises(InputError, match="not finished"):
        draft.sync_folder(work)
    with pytest.raises(InputError, match="not finished"):
        draft.add_files(work)
