"""Versions as a file system: `meristem://PROJECT/NAME@VERSION/PATH`."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path
from typing import Any

import fsspec
import pandas
import pyarrow.dataset
import pyarrow.fs
import pytest

from meristem.datasets.dataset import Dataset
from meristem.datasets.filesystem import DatasetFileSystem
from meristem.datasets.names import VersionName, url_of
from meristem.errors import InputError

ROOT = Path(__file__).parents[3]
LARGE = random.Random(3).randbytes(3_000_000)
ODD = "50% off? a@b #1 é 数据.csv"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("MERISTEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MERISTEM_STORE", f"sqlite:///{tmp_path}/store.db")
    fsspec.register_implementation("meristem", DatasetFileSystem, clobber=True)
    DatasetFileSystem.clear_instance_cache()
    source = tmp_path / "source"
    (source / "days" / "empty").mkdir(parents=True)
    (source / "days" / "1.csv").write_text("day,light\n1,1.5\n")
    (source / "days" / "2.csv").write_text("day,light\n2,3.0\n")
    (source / "large.bin").write_bytes(LARGE)
    (source / ODD).write_text("a,b\n1,2\n")
    (source / "link.csv").symlink_to("days/1.csv")
    (source / "circle").symlink_to("circle")
    made = Dataset.create("team/sensors", "light")
    made.add_files(source)
    made.finalize()
    return made


@pytest.fixture
def files(data: Dataset) -> Any:
    return fsspec.filesystem("meristem")


BASE = "team/sensors/light@1.0.0"


def test_the_package_names_it_to_fsspec() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["fsspec.specs"]
    module, _, name = told["meristem"].partition(":")
    assert (module, name) == (DatasetFileSystem.__module__, DatasetFileSystem.__name__)


def test_a_folder_is_listed(files: Any) -> None:
    found = files.ls(f"meristem://{BASE}/days")

    assert [(one["name"], one["type"], one["size"]) for one in found] == [
        (f"{BASE}/days/1.csv", "file", 16),
        (f"{BASE}/days/2.csv", "file", 16),
        (f"{BASE}/days/empty", "directory", 0),
    ]
    assert files.ls(f"{BASE}/days/1.csv", detail=False) == [f"{BASE}/days/1.csv"]
    assert files.ls(f"{BASE}/days/empty") == []


@pytest.mark.parametrize("version", ["@1.0.0", "@latest", ""])
def test_every_name_that_is_listed_can_be_opened_and_has_a_url(files: Any, version: str, tmp_path: Path) -> None:
    with Dataset.get("team/sensors/light@1.0.0", writable_copy=True) as draft:
        for name in ("a%25b", "a%b", "c@d", "c@1.0.0", "line\nbreak"):
            (tmp_path / "file").write_text(name)
            draft.add_files(tmp_path / "file", dataset_path=f"odd/{name}")
    made = Dataset.create("plain", "odd", parents=[draft])
    made.finalize()

    found = [name for name in files.find(f"plain/odd{version}") if not name.endswith("circle")]

    assert len(found) == 10
    for name in found:
        if "/odd/" in name.removeprefix("plain/odd"):
            assert files.cat_file(name) == name.split("/")[-2].encode()
        with fsspec.open(files.unstrip_protocol(name)) as file:
            assert file.read() == files.cat_file(name)


def test_projects_and_their_datasets_are_listed(files: Any, data: Dataset) -> None:
    with Dataset.create("plain", "one", parents=[data]) as draft:
        draft.remove_files("odd*")
    Dataset.create("plain", "two").leave()  # has no version yet

    assert files.ls("meristem://", detail=False) == files.ls("", detail=False) == ["plain", "team"]
    assert files.ls("meristem://plain", detail=False) == ["plain/one@latest"]
    assert files.ls("meristem://team", detail=False) == ["team/sensors"]
    assert files.ls("meristem://team/sensors", detail=False) == ["team/sensors/light@latest"]
    assert "plain/one@latest/days" in files.ls("meristem://plain/one", detail=False)
    for project in ("", "team", "team/sensors", "plain"):
        assert files.isdir(project)
        assert files.info(project) == {"name": project, "size": 0, "type": "directory"}
        assert files.ls(files.unstrip_protocol(project)) == files.ls(project)
    assert f"{BASE.partition('@')[0]}@latest/days/1.csv" in files.find("team")
    assert not files.exists("tea")
    assert not files.exists("team/sensors/dark")


def test_info_tells_kinds_and_sizes(files: Any, data: Dataset) -> None:
    assert files.info(f"{BASE}/large.bin")["size"] == len(LARGE)
    assert files.info(f"{BASE}/days")["type"] == "directory"
    assert files.info(BASE)["type"] == "directory"
    assert files.info(f"{BASE}/link.csv")["destination"] == "days/1.csv"
    assert files.ukey(f"{BASE}/large.bin") == data.tree.get("large.bin").content
    assert files.isdir(f"{BASE}/days/empty")
    assert not files.exists(f"{BASE}/nothing")


def test_find_glob_and_walk_go_through_it(files: Any) -> None:
    assert files.glob(f"{BASE}/days/*.csv") == [f"{BASE}/days/1.csv", f"{BASE}/days/2.csv"]
    assert f"{BASE}/days/2.csv" in files.find(BASE)
    walked = {above: (folders, names) for above, folders, names in files.walk(BASE)}
    assert walked[f"{BASE}/days"] == (["empty"], ["1.csv", "2.csv"])
    assert files.du(f"{BASE}/days") == 32


def test_a_file_is_read_from_any_position(data: Dataset) -> None:
    with fsspec.open(f"{data.url}/large.bin", block_size=10_000) as file:
        for start, length in [(0, 10), (1_234_567, 50_000), (len(LARGE) - 5, 100), (700_000, 0), (600_000, 1_000_000)]:
            file.seek(start)
            assert file.read(length) == LARGE[start : start + length]
        file.seek(-7, 2)
        assert file.read() == LARGE[-7:]


def test_links_are_followed_and_circles_refused(files: Any) -> None:
    assert files.cat_file(f"{BASE}/link.csv") == b"day,light\n1,1.5\n"
    with pytest.raises(OSError, match="too many links"):
        files.open(f"{BASE}/circle")


def test_pandas_reads_a_url(data: Dataset) -> None:
    assert pandas.read_csv(f"{data.url}/days/1.csv").to_dict("records") == [{"day": 1, "light": 1.5}]


def test_pyarrow_makes_a_data_set_of_it(files: Any) -> None:
    through = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(files))
    found = pyarrow.dataset.dataset(f"{BASE}/days", format="csv", filesystem=through)
    assert found.to_table().sort_by("day").to_pylist() == [{"day": 1, "light": 1.5}, {"day": 2, "light": 3.0}]


def test_names_with_special_characters_are_reached_by_their_url(data: Dataset) -> None:
    url = url_of(VersionName("team/sensors", "light", "1.0.0"), ODD)
    with fsspec.open(url) as file:
        assert file.read() == b"a,b\n1,2\n"


def test_without_a_version_the_newest_is_meant(tmp_path: Path, data: Dataset) -> None:
    (tmp_path / "file").write_text("one")
    for content in ("one", "two"):
        (tmp_path / "file").write_text(content)
        with Dataset.get("plain", "data", auto_create=True, writable_copy=True) as draft:
            draft.add_files(tmp_path / "file")

    assert fsspec.filesystem("meristem").cat_file("plain/data/file") == b"two"
    assert fsspec.filesystem("meristem").cat_file("plain/data@1.0.0/file") == b"one"
    assert fsspec.filesystem("meristem").cat_file("team/sensors/light@latest/days/1.csv").startswith(b"day")


def test_what_is_not_there_is_no_file(files: Any) -> None:
    for path in (f"{BASE}/nothing", "team/sensors/light@9.0.0/days", "nobody/nothing@1.0.0/file", f"{BASE}/days/3"):
        with pytest.raises(FileNotFoundError):
            files.info(path)
        with pytest.raises(FileNotFoundError):
            files.open(path)
    with pytest.raises(IsADirectoryError):
        files.open(f"{BASE}/days/empty")
    with pytest.raises(InputError, match="names no version"):
        files.ls("meristem://nameless")


@pytest.mark.parametrize("mode", ["wb", "ab", "xb", "r+b"])
def test_versions_are_not_written(files: Any, mode: str) -> None:
    with pytest.raises(InputError, match="cannot be opened to be written"):
        files.open(f"{BASE}/days/1.csv", mode)


def test_what_deletes_or_moves_is_refused(files: Any) -> None:
    with pytest.raises(NotImplementedError):
        files.rm(f"{BASE}/days/1.csv")
    assert files.exists(f"{BASE}/days/1.csv")


def test_a_store_may_be_named(tmp_path: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERISTEM_STORE", "sqlite://")
    options = {"store": f"sqlite:///{tmp_path}/store.db"}
    assert len(pandas.read_csv(f"{data.url}/days/2.csv", storage_options=options)) == 1


def test_the_newest_version_is_looked_up_each_time(data: Dataset, files: Any, tmp_path: Path) -> None:
    assert "new.csv" not in str(files.ls("team/sensors/light@latest"))
    more = Dataset.get("team/sensors", "light", writable_copy=True)
    (tmp_path / "new.csv").write_text("x\n")
    more.add_files(tmp_path / "new.csv")
    more.finalize()
    assert "new.csv" in str(files.ls("team/sensors/light@latest"))
    assert "new.csv" not in str(files.ls("team/sensors/light@1.0.0"))
