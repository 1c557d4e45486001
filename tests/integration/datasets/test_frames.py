"""Tables and files of a version for pandas, polars, PyArrow and PyTorch."""

from __future__ import annotations

import gzip
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest

from meristem.datasets.dataset import Dataset
from meristem.errors import EntryNotFound, InputError

READ: dict[str, Callable[..., list[dict[str, Any]]]] = {
    "pandas": lambda data, *given, **named: data.to_pandas(*given, **named).to_dict("records"),
    "polars": lambda data, *given, **named: data.to_polars(*given, **named).to_dicts(),
    "arrow": lambda data, *given, **named: data.to_arrow(*given, **named).to_pylist(),
}
ROWS = [{"day": day, "light": day * 1.5} for day in range(1, 5)]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("MERISTEM_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "source"
    (source / "days").mkdir(parents=True)
    (source / "days" / "1.csv").write_text("day,light\n1,1.5\n2,3.0\n")
    (source / "days" / "2.csv").write_text("day,light\n3,4.5\n4,6.0\n")
    lines = "".join(f"{day}\t{light}\n" for day, light in (row.values() for row in ROWS))
    (source / "all.tsv").write_text("day\tlight\n" + lines)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), source / "all.parquet")
    (source / "all.jsonl").write_text("".join(f'{{"day": {row["day"]}, "light": {row["light"]}}}\n' for row in ROWS))
    with gzip.open(source / "all.csv.gz", "wt") as file:
        file.write("day,light\n" + lines.replace("\t", ","))
    (source / "link.csv").symlink_to("days/1.csv")
    (source / "notes.txt").write_text("no table")
    made = Dataset.create("tests", "tables", store=f"sqlite:///{tmp_path}/store.db")
    made.add_files(source)
    made.finalize()
    return made


@pytest.mark.parametrize("library", READ)
@pytest.mark.parametrize("what", ["days", "days/*.csv", "all.tsv", "all.parquet", "all.jsonl", "all.csv.gz"])
def test_a_table_is_read_by_its_suffix(data: Dataset, library: str, what: str) -> None:
    assert READ[library](data, what) == ROWS


@pytest.mark.parametrize("library", READ)
def test_the_path_of_each_row_may_be_a_column(data: Dataset, library: str) -> None:
    found = READ[library](data, "days", path_column="file")

    assert list(found[0]) == ["file", "day", "light"]
    assert [row["file"] for row in found] == ["days/1.csv"] * 2 + ["days/2.csv"] * 2


@pytest.mark.parametrize("library", READ)
def test_links_are_followed(data: Dataset, library: str) -> None:
    assert READ[library](data, "link.csv") == ROWS[:2]


@pytest.mark.parametrize("library", READ)
def test_options_go_to_the_library(data: Dataset, library: str) -> None:
    assert READ[library](data, "all.parquet", columns=["day"]) == [{"day": row["day"]} for row in ROWS]


@pytest.mark.parametrize("library", READ)
def test_what_is_no_table_is_told(data: Dataset, library: str) -> None:
    with pytest.raises(InputError, match=r"notes\.txt"):
        READ[library](data, "")
    with pytest.raises(EntryNotFound):
        READ[library](data, "nothing/*.csv")


@pytest.mark.parametrize(("name", "call"), [("pandas", "to_pandas"), ("polars", "to_polars"), ("pyarrow", "to_arrow")])
def test_a_library_that_is_missing_is_told_with_how_to_install_it(
    data: Dataset, name: str, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(InputError, match=rf"pip install 'meristem\[{name}\]'"):
        getattr(data, call)("days")


def test_columns_that_only_some_files_have_are_empty_in_the_others(tmp_path: Path, data: Dataset) -> None:
    (tmp_path / "3.csv").write_text("day,co2\n5,400\n")
    with Dataset.get("tests", "tables", store=data.objects.store, writable_copy=True) as draft:
        draft.add_files(tmp_path / "3.csv", dataset_path="days")

    wanted = {"day": 5, "light": None, "co2": 400}
    assert draft.to_polars("days").to_dicts()[-1] == wanted
    assert draft.to_arrow("days").to_pylist()[-1] == wanted
    frame: Any = draft.to_pandas("days")
    assert isinstance(frame, pandas.DataFrame)
    assert frame["co2"].isna().tolist() == [True] * 4 + [False]


def _length(file: Path) -> int:
    return len(file.read_bytes())


def test_files_for_torch_are_a_sequence_of_what_the_transform_makes(data: Dataset) -> None:
    found = data.torch_dataset("days", transform=_length)

    assert (len(found), found[0], found[-1]) == (2, 22, 22)
    assert list(found) == [22, 22]
    with pytest.raises(IndexError):
        found[2]
    paths = data.torch_dataset("days")
    assert paths[1].read_text().startswith("day,light")
    with pytest.raises(EntryNotFound):
        data.torch_dataset("nights")


def test_files_for_torch_go_to_other_processes(data: Dataset, tmp_path: Path) -> None:
    """As a DataLoader sends them to its workers. PyTorch itself is not needed, nor tried, here."""
    (tmp_path / "sent").write_bytes(pickle.dumps(data.torch_dataset("days", transform=Path.read_text)))

    program = f"import pickle; print(list(pickle.load(open({str(tmp_path / 'sent')!r}, 'rb'))))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == str(["day,light\n1,1.5\n2,3.0\n", "day,light\n3,4.5\n4,6.0\n"])


def test_nothing_of_these_libraries_is_imported_before_it_is_needed() -> None:
    program = "import sys, meristem.datasets.dataset; print({'pandas', 'polars', 'pyarrow', 'torch'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_polars_gives_its_own_frames(data: Dataset) -> None:
    assert isinstance(data.to_polars("days"), polars.DataFrame)
    assert isinstance(data.to_arrow("days"), pyarrow.Table)


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_a_file_that_a_library_cannot_read_is_named(tmp_path: Path, data: Dataset, library: str) -> None:
    (tmp_path / "odd.csv").write_bytes(b"")
    with Dataset.get(id=data.id, writable_copy=True, store=data.objects.store) as draft:
        draft.add_files(tmp_path / "odd.csv", dataset_path="days")
    with pytest.raises(Exception) as caught:
        getattr(draft, f"to_{library}")("days/*.csv")
    assert any("'days/odd.csv'" in note for note in caught.value.__notes__)
