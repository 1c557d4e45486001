"""Stores that share a place: what one of them deletes is never what another one needs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from integration.datasets.conftest import Machine
from meristem.datasets.collecting import collect
from meristem.datasets.dataset import Dataset
from meristem.errors import VersionRefused
from meristem.store import blob_place
from meristem.store.store import Store


def _stores(machine: Machine, place: Path) -> tuple[Store, Store]:
    for name in ("a", "b"):
        blob_place.set_blobs_url(machine(name, store=name).database, str(place))
    return machine("a", store="a"), machine("b", store="b")


def _version(store: Store, folder: Path, **given: str) -> Dataset:
    made = Dataset.create("p", "d", store=store, **given)
    made.add_files(folder)
    made.finalize()
    return made


def test_collecting_in_one_store_keeps_the_same_content_of_another(machine: Machine, work: Path) -> None:
    (work / "file").write_bytes(b"content " * 100)
    first, second = _stores(machine, work.parent / "place")
    mine, theirs = _version(first, work), _version(second, work)

    mine.delete()
    collected = collect(mine.objects, grace=timedelta(0))

    assert collected.deleted == 1
    assert theirs.verify().is_whole
    assert theirs.read_bytes("file") == b"content " * 100


def test_a_number_that_another_store_has_given_there_is_not_given_again(machine: Machine, work: Path) -> None:
    (work / "file").write_bytes(b"content")
    first, second = _stores(machine, work.parent / "place")
    _version(first, work)

    with pytest.raises(VersionRefused):
        _version(second, work, version="1.0.0")
    assert _version(second, work).version == "1.0.1"


def test_a_collection_that_has_nothing_to_do_moves_nothing(machine: Machine, work: Path) -> None:
    (work / "file").write_bytes(b"x")
    store = machine()
    made = _version(store, work)

    for _ in range(2):
        assert collect(made.objects).condemned == 0
