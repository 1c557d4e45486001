"""Files of a version that lie elsewhere: found by URL, noted, fetched, and told when they have changed."""

from __future__ import annotations

import http.server
import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fsspec
import obstore
import pytest

from meristem.datasets.dataset import Dataset
from meristem.errors import InputError, MeristemError, PlaceUnavailable
from meristem.manifests.entry import Kind
from meristem.packs.places.buckets import open_bucket
from meristem.packs.places.object_store import PATIENCE


@pytest.fixture
def draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("MERISTEM_CACHE", str(tmp_path / "cache"))
    return Dataset.create("tests", "outside", store=f"sqlite:///{tmp_path}/store.db")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with three files."""
    folder = tmp_path / "outside"
    (folder / "below").mkdir(parents=True)
    (folder / "a.csv").write_text("a,b\n1,2\n")
    (folder / "b.txt").write_text("text")
    (folder / "below" / "c.csv").write_text("c\n3\n")
    return folder


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def web(outside: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(outside)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


ALL = {"a.csv": "a,b\n1,2\n", "b.txt": "text", "below/c.csv": "c\n3\n"}


def test_a_folder_is_added_with_all_below_and_nothing_of_it_is_stored(draft: Dataset, outside: Path) -> None:
    assert draft.add_external_files(f"file://{outside}") == 3
    draft.finalize()

    assert [(e.path, e.kind, e.size) for e in draft.entries()] == [
        ("a.csv", Kind.EXTERNAL, 8),
        ("b.txt", Kind.EXTERNAL, 4),
        ("below/c.csv", Kind.EXTERNAL, 4),
    ]
    assert content(draft.get_local_copy()) == ALL
    assert draft.read_bytes("below/c.csv") == b"c\n3\n"
    assert draft.verify().is_whole


def test_single_files_and_globs_go_where_they_are_told(draft: Dataset, outside: Path, tmp_path: Path) -> None:
    draft.add_external_files([f"file://{outside}/a.csv", f"file://{outside}/b.txt"], dataset_path="one")
    draft.add_external_files(f"file://{outside}/**/*.csv", dataset_path="two")
    draft.finalize()

    assert draft.list_files() == ["one/a.csv", "one/b.txt", "two/a.csv", "two/below/c.csv"]
    copy = draft.get_mutable_local_copy(tmp_path / "copy")
    assert content(copy)["two/below/c.csv"] == "c\n3\n"


def test_a_source_that_has_changed_is_told_and_added_again_makes_a_new_version(
    draft: Dataset, outside: Path, tmp_path: Path
) -> None:
    draft.add_external_files(f"file://{outside}/b.txt")
    draft.finalize()
    (outside / "b.txt").write_text("longer text")

    with pytest.raises(PlaceUnavailable, match="not what it was"):
        draft.read_bytes("b.txt")
    with pytest.raises(MeristemError, match="not what it was"):
        draft.get_mutable_local_copy(tmp_path / "copy")

    again = Dataset.get("tests", "outside", store=draft.objects.store, writable_copy=True)
    again.add_external_files(f"file://{outside}/b.txt")
    again.finalize()
    assert again.version == "1.0.1"
    assert again.read_bytes("b.txt") == b"longer text"
    assert [change.path for change in again.diff(draft)] == ["b.txt"]


def test_a_change_of_equal_size_is_told_by_its_time(draft: Dataset, outside: Path) -> None:
    draft.add_external_files(f"file://{outside}/b.txt")
    draft.finalize()
    (outside / "b.txt").write_text("TEXT")
    os.utime(outside / "b.txt", (1, 1))

    with pytest.raises(PlaceUnavailable, match="not what it was"):
        draft.read_bytes("b.txt")


def test_what_is_not_there_is_told(draft: Dataset, outside: Path) -> None:
    for url in (f"file://{outside}/nothing", f"file://{outside}/*.png", "nonsense://x/y"):
        with pytest.raises(InputError):
            draft.add_external_files(url)
    assert draft.list_files() == []


def test_memory_of_this_process_is_read(draft: Dataset) -> None:
    files = fsspec.filesystem("memory")
    files.pipe("/external/a.bin", b"bytes")
    try:
        draft.add_external_files("memory://external")
        assert draft.read_bytes("a.bin") == b"bytes"
        (entry,) = draft.entries()
        assert entry.content == "memory:///external/a.bin"
    finally:
        files.rm("/external", recursive=True)


def test_files_of_a_web_server_are_read(draft: Dataset, web: str, outside: Path, tmp_path: Path) -> None:
    draft.add_external_files([f"{web}/a.csv", f"{web}/below/c.csv"])
    draft.finalize()

    assert [(e.path, e.size, e.content) for e in draft.entries()] == [
        ("a.csv", 8, f"{web}/a.csv"),
        ("c.csv", 4, f"{web}/below/c.csv"),
    ]
    assert content(draft.get_mutable_local_copy(tmp_path / "copy")) == {"a.csv": ALL["a.csv"], "c.csv": "c\n3\n"}
    (outside / "a.csv").write_text("longer than before")
    with pytest.raises(PlaceUnavailable, match="not what it was"):
        draft.read_bytes("a.csv")


def test_a_web_server_that_has_no_such_file_is_told(draft: Dataset, web: str) -> None:
    with pytest.raises(InputError, match="nothing at"):
        draft.add_external_files(f"{web}/none.csv")


def test_objects_of_s3_are_read(draft: Dataset, s3: str, tmp_path: Path) -> None:
    bucket = open_bucket(s3, PATIENCE).writes
    for name, text in ALL.items():
        obstore.put(bucket, f"prefix/{name}", text.encode())
    assert draft.add_external_files(f"{s3}/prefix") == 3
    assert draft.add_external_files(f"{s3}/prefix/b.txt", dataset_path="one") == 1
    assert draft.add_external_files(f"{s3}/prefix/*.csv", dataset_path="glob") >= 1
    draft.finalize()

    assert draft.list_files("", recursive=True)[:3] == ["a.csv", "b.txt", "below/c.csv"]
    assert draft.tree.get("one/b.txt").content == f"{s3}/prefix/b.txt"
    assert (draft.tree.get("b.txt").facts or {})["etag"]
    assert draft.read_bytes("below/c.csv") == b"c\n3\n"
    assert content(draft.get_mutable_local_copy(tmp_path / "copy"))["one/b.txt"] == "text"
    obstore.put(bucket, "prefix/b.txt", b"TEXT")
    with pytest.raises(PlaceUnavailable, match="not what it was"):
        draft.read_bytes("b.txt")


def test_a_library_that_is_missing_is_told_with_how_to_install_it(
    draft: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "paramiko", None)
    with pytest.raises(InputError, match="sftp"):
        draft.add_external_files("sftp://host/file")
