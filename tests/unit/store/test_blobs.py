"""Blobs: bytes addressed by their content."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from meristem.errors import InputError, StoreDamaged, StoreError, StoreUnavailable
from meristem.store.blobs import Blobs


@pytest.fixture(params=["folder", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs" if request.param == "folder" else f"memory://{tmp_path.name}")


def test_a_blob_is_named_by_the_hash_of_its_bytes(blobs: Blobs) -> None:
    name = blobs.put(b"hello")
    assert name == blake3(b"hello").hexdigest()
    assert blobs.get(name) == b"hello"
    assert blobs.exists(name)


def test_the_same_bytes_are_stored_once_however_they_come(blobs: Blobs, tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"x" * 3_000_000)
    assert blobs.put(file) == blobs.put(io.BytesIO(b"x" * 3_000_000)) == blobs.put(b"x" * 3_000_000)
    assert len([f for f in blobs._files.find(blobs._root) if "incoming" not in f]) == 1
    assert sum(map(len, blobs.stream(blobs.put(file)))) == 3_000_000


def test_what_is_not_there_or_no_name_is_a_clear_error(blobs: Blobs) -> None:
    with pytest.raises(StoreError, match="There is no blob"):
        blobs.get("0" * 64)
    for name in ("", "../../etc/passwd", "Z" * 64, "0" * 63):
        with pytest.raises(InputError, match="no blob's name"):
            blobs.get(name)


def test_bytes_that_were_changed_are_noticed(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    name = blobs.put(b"hello")
    (tmp_path / name[:2] / name).write_bytes(b"hellO")
    with pytest.raises(StoreDamaged):
        blobs.get(name)


def test_a_broken_upload_leaves_nothing(tmp_path: Path) -> None:
    class Breaks:
        def read(self, _: int) -> bytes:
            raise OSError("the cable was pulled")

    broken: Any = Breaks()
    with pytest.raises(StoreUnavailable, match="cable"):
        Blobs(tmp_path).put(broken)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_an_unknown_kind_of_place_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        Blobs("nonsense://x")


@given(st.binary(max_size=200))
@settings(max_examples=30, deadline=None)
def test_what_is_stored_comes_back(content: bytes) -> None:
    blobs = Blobs("memory://property")
    assert blobs.get(blobs.put(content)) == content
