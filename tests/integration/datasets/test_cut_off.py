"""A long sync that is cut off, or fails on one file: what was read and stored is neither read nor sent again."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.datasets.conftest import Machine
from integration.datasets.plain_folders import tree_of
from meristem.datasets.dataset import Dataset
from meristem.datasets.folders import ingest
from meristem.datasets.objects import objects_of
from meristem.errors import InputError


class CutOff(BaseException):
    pass


@pytest.fixture
def filled(work: Path) -> Path:
    for folder in "abcdef":
        (work / folder).mkdir()
        for name in range(5):
            (work / folder / f"{name}").write_bytes(random.Random(f"{folder}{name}").randbytes(2000))
        (work / folder / "large").write_bytes(random.Random(folder).randbytes(700_000))
    time.sleep(0.2)  # files that were written just before they are read are never taken for known
    return work


def _counting(monkeypatch: pytest.MonkeyPatch, fails: Callable[[str], None]) -> list[str]:
    """The files that are read, from now on; `fails` may raise before one is."""
    read, small, large = [], ingest.read_small, ingest.read_file

    def of_small(name: str, descriptor: int, *more: object) -> object:
        path = os.path.join(os.readlink(f"/proc/self/fd/{descriptor}"), name)
        fails(path)
        read.append(path)
        return small(name, descriptor, *more)  # type: ignore[arg-type]

    def of_large(path: str, *more: object, **named: object) -> object:
        fails(path)
        read.append(path)
        return large(path, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(ingest, "read_small", of_small)
    monkeypatch.setattr(ingest, "read_file", of_large)
    return read


def _stored(draft: Dataset) -> int:
    return sum(
        file.stat().st_size
        for file in Path(objects_of(draft.objects.store).place.url).rglob("packs/**/*")
        if file.is_file()
    )


def test_what_was_stored_before_a_cut_is_not_read_or_sent_again(
    machine: Machine, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "REMEMBER_EVERY_BYTES", 100_000)
    monkeypatch.setattr(ingest, "_WAITING", 0)  # large files are not read ahead
    draft = Dataset.create("p", "d", store=machine())

    def cut(path: str) -> None:
        if path.endswith("/f/0"):
            raise CutOff

    before = _counting(monkeypatch, cut)
    with pytest.raises(CutOff):
        draft.sync_folder(filled)
    sent = _stored(draft)
    assert sent > 600_000
    monkeypatch.undo()
    monkeypatch.setenv("MERISTEM_CACHE", str(objects_of(draft.objects.store).cache.parent))

    again = Dataset.get(id=draft.id, store=machine())
    after = _counting(monkeypatch, lambda path: None)
    again.sync_folder(filled)
    assert again.finalize("all") is True
    assert len(before) > 24
    assert len(after) <= 30
    assert _stored(again) < 4_500_000  # of 4,260,000
    assert tree_of(again.get_mutable_local_copy(filled.parent / "copy")) == tree_of(filled)
    assert Dataset.get(id=again.id, store=machine("another")).verify().is_whole


def test_one_file_that_cannot_be_read_costs_the_reading_of_no_other(
    machine: Machine, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = Dataset.create("p", "d", store=machine())

    def broken(path: str) -> None:
        if path.endswith("/c/3"):
            raise OSError(5, "Input/output error")

    _counting(monkeypatch, broken)
    with pytest.raises(InputError, match="c/3: cannot be read"):
        draft.sync_folder(filled)
    monkeypatch.undo()
    after = _counting(monkeypatch, lambda path: None)
    draft.sync_folder(filled)
    assert [os.path.relpath(path, filled) for path in after] == ["c/3"]
    assert draft.finalize() is True
    assert tree_of(draft.get_mutable_local_copy(filled.parent / "copy")) == tree_of(filled)


def test_what_a_given_up_draft_had_read_is_read_again_for_the_next_one(
    machine: Machine, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = machine()
    draft = Dataset.create("p", "d", store=store)
    with monkeypatch.context() as patched:
        _counting(patched, lambda path: (_ for _ in ()).throw(OSError(5, "no")) if path.endswith("/c/3") else None)
        with pytest.raises(InputError):
            draft.sync_folder(filled)
    draft.discard()
    other = Dataset.create("p", "other", store=store)
    other.sync_folder(filled)
    other.finalize()
    assert other.verify().is_whole
