"""What people get wrong, or two do at once: told, or taken as it is meant; nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.integration.datasets.conftest import Machine

from meristem.datasets.dataset import Dataset
from meristem.errors import InputError, MeristemError, VersionConflict, VersionNotFound, VersionRefused
from meristem.store.store import Store


@pytest.fixture
def first(machine: Machine, work: Path) -> Dataset:
    (work / "f0.txt").write_text("zero")
    made = Dataset.create("p", "d", tags="prod", store=machine())
    made.add_files(work)
    made.finalize()
    return made


@pytest.fixture(params=["sqlite", "postgres"])
def any_store(request: pytest.FixtureRequest, machine: Machine) -> Store:
    return machine(url=request.getfixturevalue("postgres_url") if request.param == "postgres" else None)


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


def test_a_wildcard_that_matches_nothing_at_all_is_refused(machine: Machine, work: Path) -> None:
    for path in ("x/one.csv", "y/two.txt"):
        (work / path).parent.mkdir()
        (work / path).write_text(path)
    draft = Dataset.create("p", "d", store=machine())
    for wildcard in ("*.cvs", ["*.cvs", "*.CSV"], "z/*.csv", ""):
        with pytest.raises(InputError, match="No file matches"):
            draft.add_files(work, wildcard=wildcard)
    with pytest.raises(InputError, match="No file matches"):
        draft.add_files(work, wildcard="*.csv", recursive=False)
    assert draft.files_count == 0
    assert draft.add_files(str(work / "*"), wildcard="*.csv") == 1, "one of two folders has some"
    assert draft.add_files(work / "x", wildcard=["*.csv", "*.cvs"], dataset_path="again") == 1
    assert draft.add_files(work / "x", wildcard=["*.csv"], dataset_path="again") == 0, "it matches what is there"


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


UGLY = [None, 10**30, -1, 1.5, float("nan"), b"x", "", " ", {"a": 1}, [None], [[]], np.float32(1.5), "\ud800", "a\0b",
        "n" * 300, object()]  # fmt: skip
CALLS: dict[str, Callable[[Dataset, Any], object]] = {
    "get project": lambda d, u: Dataset.get(u, "d", store=d.objects.store),
    "get name": lambda d, u: Dataset.get("p", u, store=d.objects.store),
    "get in one text": lambda d, u: Dataset.get(u, store=d.objects.store),
    "get version": lambda d, u: Dataset.get("p/d", version=u, store=d.objects.store),
    "get tags": lambda d, u: Dataset.get("p/d", tags=u, store=d.objects.store),
    "get id": lambda d, u: Dataset.get(id=u, store=d.objects.store),
    "list": lambda d, u: Dataset.list(u, store=d.objects.store),
    "create project": lambda d, u: Dataset.create(u, "e", store=d.objects.store),
    "create parents": lambda d, u: Dataset.create("p", "e", parents=u, store=d.objects.store),
    "create version": lambda d, u: Dataset.create("p", "e", version=u, store=d.objects.store),
    "create message": lambda d, u: Dataset.create("p", "e", message=u, store=d.objects.store),
    "create description": lambda d, u: Dataset.create("p", "e", description=u, store=d.objects.store),
    "add": lambda d, u: d.add_files(u),
    "add to": lambda d, u: d.add_files(Path(__file__), dataset_path=u),
    "add wildcard": lambda d, u: d.add_files(Path(__file__).parent / "__init__.py", wildcard=u),
    "add external": lambda d, u: d.add_external_files(u),
    "remove": lambda d, u: d.remove_files(u),
    "sync": lambda d, u: d.sync_folder(u),
    "metadata": lambda d, u: d.set_metadata(u),
    "metadata value": lambda d, u: d.set_metadata(k=u),
    "metadata key": lambda d, u: d.set_metadata(k={u: 1}) if u.__hash__ else None,
    "table": lambda d, u: d.log_table("t", "s", u),
    "table title": lambda d, u: d.log_table(u, "s", [[1]]),
    "plot": lambda d, u: d.log_plot("t", "s", u),
    "plot data": lambda d, u: d.log_plot("t", "s", {"data": u}),
    "image": lambda d, u: d.log_image("t", "s", u),
    "tag": lambda d, u: d.tag(u),
    "untag": lambda d, u: d.untag(u),
    "part": lambda d, u: d.get_local_copy(part=u, num_parts=2),
    "files": lambda d, u: d.get_local_copy(files=u),
    "mutable copy": lambda d, u: None if u in (" ",) else d.get_mutable_local_copy(u),
    "list files": lambda d, u: d.list_files(u),
    "diff": lambda d, u: d.diff(u),
    "read": lambda d, u: d.read_bytes(u),
    "squash": lambda d, u: Dataset.squash("p", "s", u, store=d.objects.store),
    "finalize version": lambda d, u: d.finalize(version=u) if u is not None else None,
    "finalize message": lambda d, u: d.finalize(u) if not isinstance(u, (str, type(None))) else None,
    "delete": lambda d, u: d.delete(force=u),
}


@pytest.mark.parametrize("call", CALLS)
def test_whatever_is_given_is_taken_or_told(
    call: str, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draft = Dataset.create("p", "d", store=machine())
    for ugly in UGLY:
        with suppress(MeristemError):
            CALLS[call](draft, ugly)
    draft.leave()


@pytest.mark.parametrize("large", [10**30, 2**63, -(10**30), "9" * 5000])
def test_no_version_has_an_id_that_large(any_store: Store, large: int | str) -> None:
    with pytest.raises(VersionNotFound, match="an id that large"):
        Dataset.get(id=large, store=any_store)


@pytest.mark.parametrize("odd", ["a\0b", "\udc80"])
def test_no_dataset_has_a_name_that_no_database_takes(any_store: Store, odd: str) -> None:
    Dataset.create("p", "d", store=any_store).leave()
    for asked in ({"project": "p", "name": odd}, {"project": f"p/{odd}"}, {"project": "p/d", "tags": odd}):
        with pytest.raises(InputError):
            Dataset.get(**asked, store=any_store)
    assert any_store.datasets.list(project=odd, search=odd) == []


def test_metadata_is_taken_as_scripts_have_it(first: Dataset) -> None:
    first.set_metadata(
        {"rooms": np.int64(3), "mean": np.float32(0.5), "shape": np.zeros(2), "map": {0: "cat"}}, by="me"
    )
    assert first.metadata == {"rooms": 3, "mean": 0.5, "shape": [0.0, 0.0], "map": {"0": "cat"}, "by": "me"}
    with pytest.raises(InputError) as caught:
        first.set_metadata({"a": b"x", "": 1, "n": [float("nan")], "good": 1})
    assert len(caught.value.problems) == 3
    assert "good" not in first.metadata


def test_a_number_that_is_none_claims_nothing(machine: Machine, work: Path) -> None:
    (work / "f").write_text("x")
    draft = Dataset.create("p", "d", store=machine())
    draft.add_files(work)
    with pytest.raises(InputError, match="no version number"):
        draft.finalize(version="next")
    assert list(draft.objects.place.keys("versions/")) == []
    draft.finalize()


def test_who_finds_no_version_is_told_what_there_is_and_what_to_do(machine: Machine, work: Path) -> None:
    (work / "f").write_text("x")
    draft = Dataset.create("p", "d", store=machine())
    with pytest.raises(VersionNotFound, match=rf"only a draft: {draft.id}\..*data commit p/d --draft {draft.id}"):
        Dataset.get("p/d", store=machine())
    with pytest.raises(VersionNotFound, match=rf"only a draft: {draft.id}\."):
        draft.diff("p/d")
    draft.add_files(work)
    draft.finalize()
    with pytest.raises(VersionNotFound, match=r"no version that is published.*data publish p/d@1\.0\.0"):
        Dataset.get("p/d", only_published=True, store=machine())
    with pytest.raises(VersionNotFound, match=r"no version with tag 'gold'\..*1\.0\.0"):
        Dataset.get("p/d", tags="gold", store=machine())
    with pytest.raises(VersionNotFound, match=r"no version 'p/d@1\.0\.7'\..*1\.0\.0"):
        Dataset.get("p/d@1.0.7", store=machine())
    Dataset.create("p", "e", store=machine()).discard()
    with pytest.raises(VersionNotFound, match=r"no version yet.*data sync p/e FOLDER"):
        Dataset.get("p/e", store=machine())


def test_who_begins_an_empty_draft_beside_versions_is_told(
    first: Dataset, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    Dataset.get("p/d", writable_copy=True, store=machine()).leave()
    Dataset.create("p", "d", parents=first, store=machine()).leave()
    Dataset.create("p", "new", store=machine()).leave()
    Dataset.squash("p", "d", [first], store=machine())
    assert "begins empty" not in caplog.text
    draft = Dataset.create("p", "d", store=machine())
    assert f"Draft {draft.id} of p/d begins empty, without the files of 1.0.1" in caplog.text


def test_an_empty_text_does_not_remove_everything(first: Dataset, machine: Machine) -> None:
    draft = Dataset.get("p/d", writable_copy=True, store=machine())
    with pytest.raises(InputError, match="names no file"):
        draft.remove_files("")
    assert draft.remove_files(".") == 1
