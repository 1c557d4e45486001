"""A store that is told to keep its big bytes elsewhere never leaves versions behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from integration.datasets.conftest import Machine
from meristem.datasets.dataset import Dataset
from meristem.datasets.moving import choose_place
from meristem.errors import InputError
from meristem.store.store import Store

CONTENT = b"content " * 1000


def _version(store: Store, folder: Path, name: str) -> None:
    (folder / "file").write_bytes(CONTENT + name.encode())
    made = Dataset.create("p", name, store=store)
    made.add_files(folder)
    made.finalize()


@pytest.fixture
def filled(machine: Machine, work: Path) -> Store:
    store = machine("writer")
    for name in ("d", "e"):
        _version(store, work, name)
    return store


def _is_whole(store: Store) -> bool:
    return all(Dataset.get("p", name, store=store).verify().is_whole for name in ("d", "e"))


def test_a_place_without_the_packs_is_refused_until_they_were_copied(
    filled: Store, machine: Machine, tmp_path: Path
) -> None:
    old, new = Path(filled.default_blobs_url), tmp_path / "else where"
    with pytest.raises(InputError) as caught:
        choose_place(filled, str(new))
    told = str(caught.value)
    assert f"{old}/datasets holds 2 versions of 2 datasets, and 2 packs of that are not in {new}/datasets:" in told
    assert f"mkdir -p '{new}' && cp -rn {old}/datasets '{new}'/" in told
    assert _is_whole(machine("reader"))

    shutil.copytree(old / "datasets", new / "datasets")
    shutil.rmtree(old / "datasets")
    choose_place(filled, str(new))
    assert _is_whole(machine("another"))

    with pytest.raises(InputError, match="2 packs of that are not in"):
        choose_place(filled, None)
    shutil.copytree(new / "datasets", old / "datasets")
    choose_place(filled, None)
    assert filled.blobs_url == str(old)


def test_a_pack_that_was_copied_in_part_is_not_taken_for_there(filled: Store, tmp_path: Path) -> None:
    old, new = Path(filled.default_blobs_url), tmp_path / "new"
    shutil.copytree(old / "datasets", new / "datasets")
    short = next((new / "datasets" / "packs").rglob("*.pack"))
    short.chmod(0o644)
    short.write_bytes(short.read_bytes()[:100])
    with pytest.raises(InputError, match=r"(?s)1 pack of that is not in.*cp -rf "):
        choose_place(filled, str(new))
    choose_place(filled, str(new), copy=lambda done, total: None)
    assert short.stat().st_size > 100


def test_packs_are_copied_from_any_kind_of_place_to_any(filled: Store, machine: Machine, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    with pytest.raises(InputError, match=r"Repeat this with --copy"):
        choose_place(filled, "database:")
    choose_place(filled, "database:", copy=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]
    shutil.rmtree(filled.default_blobs_url)
    assert _is_whole(machine("reader"))
    choose_place(filled, str(tmp_path / "new"), copy=lambda done, total: None)
    assert _is_whole(machine("another"))
    assert (tmp_path / "new/datasets/versions/p/d/1.0.0.json").is_file()


def test_for_an_object_store_the_refusal_names_what_copies_there(filled: Store) -> None:
    old = filled.default_blobs_url
    with pytest.raises(InputError, match=rf"Copy {old}/datasets to memory://.*/team/datasets first, with aws s3 sync"):
        choose_place(filled, "memory://moving/team")


def test_what_is_lost_already_keeps_nobody_from_moving(filled: Store, tmp_path: Path) -> None:
    shutil.rmtree(Path(filled.default_blobs_url) / "datasets")
    choose_place(filled, str(tmp_path / "new"))
    assert filled.blobs_url == str(tmp_path / "new")


def test_a_store_without_datasets_goes_anywhere(machine: Machine) -> None:
    store = machine()
    choose_place(store, "database:")
    assert store.blobs_url == "database:"
