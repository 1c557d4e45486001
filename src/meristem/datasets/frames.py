"""Files of a version for pandas, polars, PyArrow and PyTorch, where those are installed.

Tables are read by their suffix and put one below the other; of Parquet only the columns that are asked for are fetched.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from meristem.datasets import reading
from meristem.errors import EntryNotFound, InputError
from meristem.manifests.entry import Kind

if TYPE_CHECKING:
    from meristem.datasets.version import Version

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}  # also with .gz behind
_READABLE = ", ".join(_FORMATS)

Table = tuple[str, str, IO[bytes]]  # path, format, the open file


def to_pandas(dataset: Version, what: str, *, path_column: str | None = None, **options: Any) -> Any:
    """A DataFrame; see `Dataset.to_pandas`."""
    pandas = _library("pandas")
    readers: dict[str, Callable[..., Any]] = {
        "csv": pandas.read_csv,
        "tsv": lambda file, **given: pandas.read_csv(file, **{"sep": "\t", **given}),
        "parquet": pandas.read_parquet,
        "jsonl": lambda file, **given: pandas.read_json(file, **{"lines": True, **given}),
    }
    frames = []
    for path, form, file in _tables(dataset, what):
        with _naming(path):
            frame = readers[form](file, **options)
        if path_column is not None:
            frame.insert(0, path_column, path)
        frames.append(frame)
    return frames[0] if len(frames) == 1 else pandas.concat(frames, ignore_index=True)


def to_polars(dataset: Version, what: str, *, path_column: str | None = None, **options: Any) -> Any:
    """A DataFrame; see `Dataset.to_polars`."""
    polars = _library("polars")
    readers: dict[str, Callable[..., Any]] = {
        "csv": polars.read_csv,
        "tsv": lambda file, **given: polars.read_csv(file, **{"separator": "\t", **given}),
        "parquet": polars.read_parquet,
        "jsonl": polars.read_ndjson,
    }
    frames = []
    for path, form, file in _tables(dataset, what):
        with _naming(path):
            frame = readers[form](file.read() if form != "parquet" else file, **options)
        if path_column is not None:
            frame = frame.insert_column(0, polars.lit(path).alias(path_column))
        frames.append(frame)
    return polars.concat(frames, how="diagonal_relaxed")


def to_arrow(dataset: Version, what: str, *, path_column: str | None = None, **options: Any) -> Any:
    """A Table; see `Dataset.to_arrow`."""
    arrow = _library("pyarrow")

    def separated(file: IO[bytes], **given: Any) -> Any:
        parsing = import_module("pyarrow.csv").ParseOptions(delimiter="\t")
        return import_module("pyarrow.csv").read_csv(file, **{"parse_options": parsing, **given})

    readers: dict[str, Callable[..., Any]] = {
        "csv": lambda file, **given: import_module("pyarrow.csv").read_csv(file, **given),
        "tsv": separated,
        "parquet": lambda file, **given: import_module("pyarrow.parquet").read_table(file, **given),
        "jsonl": lambda file, **given: import_module("pyarrow.json").read_json(file, **given),
    }
    tables = []
    for path, form, file in _tables(dataset, what):
        with _naming(path):
            table = readers[form](file, **options)
        if path_column is not None:
            table = table.add_column(0, path_column, arrow.repeat(arrow.scalar(path, arrow.string()), table.num_rows))
        tables.append(table)
    return arrow.concat_tables(tables, promote_options="permissive")


class VersionFiles:
    """Files of a version in its shared local copy, as a data set of the map style for PyTorch's DataLoader.

    It imports nothing of PyTorch, and is cheap to send to the processes of a DataLoader: they read the same copy. The
    copy stays as long as the process that made this, and what it forked, lives.

    Attributes:
        folder: The copy.
        paths: Of its files, relative, in order.
        transform: What becomes of each file's path; None: the path itself.
    """

    def __init__(self, folder: Path, paths: list[str], transform: Callable[[Path], Any] | None) -> None:
        self.folder, self.paths, self.transform = folder, paths, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        file = self.folder / self.paths[index]
        return file if self.transform is None else self.transform(file)

    def __repr__(self) -> str:
        return f"<{len(self)} files in {self.folder}>"


def torch_dataset(dataset: Version, what: str = "", transform: Callable[[Path], Any] | None = None) -> VersionFiles:
    """See `Dataset.torch_dataset`."""
    paths = [entry.path for entry in reading.select(dataset.tree, what)]
    if not paths:
        raise EntryNotFound(what)
    return VersionFiles(dataset.get_local_copy(files=[what] if what else None), paths, transform)


def _tables(dataset: Version, what: str) -> Iterator[Table]:
    """The files that are meant, each open for as long as it is looked at; what is no table is told before."""
    from meristem.datasets.filesystem import open_file  # fsspec is slow to import

    paths = [entry.path for entry in reading.select(dataset.tree, what) if entry.kind is not Kind.FOLDER]
    if not paths:
        raise EntryNotFound(what)
    others = [path for path in paths if _format(path) is None]
    if others:
        raise InputError(
            f"{len(others)} of {len(paths)} files are no tables by their suffix",
            [f"{path!r}" for path in others[:20]],
            f"Name only those that are ({_READABLE}, also with .gz), such as '*.csv'.",
        )
    for path in paths:
        with open_file(dataset, path) as file:
            yield path, _format(path) or "", _unpacked(path, file)


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Says with which file a library's reader had its trouble."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This is about the file {path!r}.")
        raise


def _format(path: str) -> str | None:
    return _FORMATS.get(Path(path.lower().removesuffix(".gz")).suffix)


def _unpacked(path: str, file: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(fileobj=file)) if path.lower().endswith(".gz") else file


def _library(name: str) -> Any:
    try:
        return import_module(name)  # optional, and slow to import
    except ImportError as error:
        raise InputError(f"{name} is not installed.", fix=f"Install it with: pip install 'meristem[{name}]'") from error
