"""Machines that share stores: each has a cache of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meristem.datasets.objects import objects_of
from meristem.present import PRESENT_VARIABLE
from meristem.store.store import Store

Machine = Callable[..., Store]


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are no task and no trial, whatever others in this process were."""
    monkeypatch.delenv(PRESENT_VARIABLE, raising=False)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Opens a store as a machine: `machine("one")`; two calls with one name are two processes of that machine."""
    opened: list[Store] = []

    def open_it(name: str = "one", store: str = "store", url: str | None = None) -> Store:
        monkeypatch.setenv("MERISTEM_CACHE", str(tmp_path / f"cache-{name}"))
        found = Store(url or f"sqlite:///{tmp_path}/{store}.db")
        objects_of(found)  # takes its cache's folder from the environment now
        opened.append(found)
        return found

    yield open_it
    for store in opened:
        objects_of(store).index.close()
        store.close()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """An empty folder for data."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder
