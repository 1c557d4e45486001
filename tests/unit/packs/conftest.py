"""Rooms with packs in a folder, and in a place far away."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.packs.rooms import Room, a_room


@pytest.fixture(params=["near", "far"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Room:
    return a_room(tmp_path, far=request.param == "far")


@pytest.fixture
def near(tmp_path: Path) -> Room:
    return a_room(tmp_path)


@pytest.fixture
def far(tmp_path: Path) -> Room:
    return a_room(tmp_path, far=True)
