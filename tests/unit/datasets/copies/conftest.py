from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.datasets.copies.versions import Memory

from meristem.datasets.copies import shared
from meristem.datasets.copies.eviction import remove_tree


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    yield tmp_path / "cache"
    for path in list(shared._held):
        while shared._held[path]:
            shared.release(Path(path))
    remove_tree(tmp_path / "cache")
