"""Packs on an object store that fails and in the store's database: objects that were put come back right."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.unit.packs.rooms import Room

from flaky_s3 import FlakyProxy
from meristem.packs.place import open_place
from meristem.store.store import Store
from s3_server import S3Server

FAULTS = dict.fromkeys(("slow_down", "error", "reset", "lost", "failed_late", "cut"), 0.05)


def test_objects_come_back_right_from_an_object_store_that_fails(
    s3_server: S3Server, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FlakyProxy(s3_server.url, seed=3, faults=FAULTS) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        _write_and_read(Room(open_place(f"{s3}/datasets"), tmp_path / "index"))

        assert sum(proxy.done.values()) - proxy.done["passed"] > 10


def test_objects_come_back_right_from_a_database(store: Store, tmp_path: Path) -> None:
    _write_and_read(Room(open_place("database:/datasets", database=store.database), tmp_path / "index"))


def _write_and_read(room: Room) -> None:
    dice = random.Random(5)
    contents = [dice.randbytes(dice.choice((10, 3_000, 40_000))) for _ in range(600)]

    names = room.put(contents, target_bytes=200_000)
    read = dict(room.reader().get_many(names))

    assert [read[name] for name in names] == contents
    assert {listed.key[9:-5] for listed in room.place.keys("packs/")} == {made.name for made in room.told}
    assert len(room.told) > 20
