"""Version: what a version of a dataset is, and how it is read. Dataset, which scripts see, is one that may also change.

Its manifest says what it holds, `reading` and `copies` fetch it, `frames` hands it to other libraries.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meristem.datasets import frames, reading
from meristem.datasets.arguments import checked
from meristem.datasets.names import VersionName, parse_name, url_of
from meristem.datasets.objects import Objects
from meristem.datasets.reading import Progress
from meristem.manifests.entry import Entry
from meristem.manifests.tree import Tree
from meristem.statuses import VersionStatus
from meristem.store.dataset_rows import Lineage, LogRow, ReaderRow, VersionRow

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from meristem.datasets.previews.preview import Preview
    from meristem.datasets.verifying import Verdict
    from meristem.manifests.changes import Change


class Version:
    """One version of a dataset, or a draft of one as it stands."""

    def __init__(self, row: VersionRow, objects: Objects) -> None:
        self._row, self._objects = row, objects
        self._noted = False

    @property
    def id(self) -> int:
        return self._row.id

    @property
    def project(self) -> str:
        return self._row.project

    @property
    def name(self) -> str:
        return self._row.name

    @property
    def version(self) -> str | None:
        """Its number; of a draft the one that was asked for, if any."""
        return self._row.number

    @property
    def status(self) -> VersionStatus:
        return self._row.status

    @property
    def tags(self) -> tuple[str, ...]:
        return self._row.tags

    @property
    def message(self) -> str:
        return self._row.message

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self._row.metadata

    @property
    def row(self) -> VersionRow:
        """All that the store knows of it."""
        return self._row

    @property
    def url(self) -> str:
        """`meristem://PROJECT/NAME@VERSION`."""
        return url_of(VersionName(self.project, self.name, self.version))

    @property
    def files_count(self) -> int:
        """How many files, links and empty folders it has."""
        return self.tree.entries_count

    @property
    def size_bytes(self) -> int:
        return self.tree.bytes_count

    @property
    def tree(self) -> Tree:
        """Its manifest."""
        return Tree(self._row.root, self._objects)

    @property
    def objects(self) -> Objects:
        """Where its bytes lie."""
        return self._objects

    @checked
    def list_files(self, dataset_path: str = "", *, recursive: bool = True) -> list[str]:
        """The paths of its files and links, in order; below a folder, or that match a glob."""
        return [entry.path for entry in reading.select(self.tree, dataset_path, recursive=recursive)]

    @checked
    def entries(self, dataset_path: str = "") -> Iterator[Entry]:
        """Its files, links and empty folders with sizes and names of contents; without loading all of them."""
        return reading.select(self.tree, dataset_path, recursive=True, folders=True)

    @checked
    def diff(self, other: Version | int | str) -> list[Change]:
        """What is different here from `other`: added, removed, modified and moved paths, in order."""
        row = row_of(other, self._objects)
        return reading.changes(Tree(row.root, self._objects), self.tree)

    def lineage(self) -> Lineage:
        """Its ancestors and descendants."""
        return self._objects.store.datasets.lineage(self.id)

    def readers(self) -> Sequence[ReaderRow]:
        """The tasks, trials and studies that have read it."""
        return self._objects.store.dataset_readers.of_version(self.id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._row.shown}: {self.status}>"

    # Reading

    @checked
    def get_local_copy(
        self,
        *,
        part: int | None = None,
        num_parts: int | None = None,
        files: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """A folder with its files, to be read only, shared by all processes of this machine; made once.

        Args:
            part, num_parts: Only one of several parts, from 0, that have nearly equal numbers of files.
            files: Only these paths, or what matches these globs.
        """
        self.note_reading()
        return reading.local_copy(self, part=part, num_parts=num_parts, files=files, progress=progress)

    @checked
    def get_mutable_local_copy(
        self,
        folder: Path | str,
        *,
        overwrite: bool = False,
        exact: bool = False,
        part: int | None = None,
        num_parts: int | None = None,
        files: Sequence[str] | None = None,
        progress: Progress | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> Path:
        """Its files in a folder of your own, to be changed as you like.

        Args:
            overwrite: Replace what lies there and differs; files of which the version knows nothing stay.
            exact: Make the folder equal to the version: replace what differs, then remove what the version does not
                know. Not with a part or some files, nor where the folder holds a store, the cache or your home.
            part, num_parts, files: As in `get_local_copy`.
            tell: Called with sentences: what is replaced, how many others were removed or stay; by default logged.

        Raises:
            CopyRefused: The folder is not empty, unless `overwrite` or `exact`.
        """
        self.note_reading()
        return reading.mutable_copy(
            self,
            Path(folder),
            overwrite=overwrite,
            exact=exact,
            part=part,
            num_parts=num_parts,
            files=files,
            progress=progress,
            tell=tell,
        )

    @checked
    def get_linked_copy(
        self,
        folder: Path | str,
        *,
        overwrite: bool = False,
        exact: bool = False,
        part: int | None = None,
        num_parts: int | None = None,
        files: Sequence[str] | None = None,
        progress: Progress | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> Path:
        """Its files in a folder of your own as hard links to the shared copy: made at once, to be read only.

        Arguments and errors as `get_mutable_local_copy`.
        """
        self.note_reading()
        return reading.linked_copy(
            self,
            Path(folder),
            overwrite=overwrite,
            exact=exact,
            part=part,
            num_parts=num_parts,
            files=files,
            progress=progress,
            tell=tell,
        )

    @checked
    def read_bytes(self, path: Path | str) -> bytes:
        """One file's content."""
        self.note_reading()
        return reading.read_file(self, os.fspath(path))

    @checked
    def verify(
        self, *, heal: bool = False, sources: Sequence[Path | str] = (), progress: Progress | None = None
    ) -> Verdict:
        """Reads every byte of it and compares it with its name.

        Args:
            heal: Where something is damaged or missing, take it from a local copy, or from one of `sources`.
            sources: Folders that hold, or held, the same files at the same paths.
        """
        from meristem.datasets.verifying import verify  # seldom needed

        return verify(self, heal=heal, sources=[Path(source) for source in sources], progress=progress)

    @checked
    def preview(self, files: Sequence[str] | None = None) -> Preview:
        """What its files look like: tables with statistics, texts, images; made once, then kept with it.

        Args:
            files: Of these alone: paths, folders, globs. Such a preview is not kept.

        Raises:
            EntryNotFound: There is nothing at one of `files`.
        """
        from meristem.datasets.showing import preview_of  # seldom needed

        return preview_of(self, files)

    # Reading, for other libraries

    @checked
    def to_pandas(self, what: str, *, path_column: str | None = None, **options: Any) -> pandas.DataFrame:
        """A table of a file, of all files of a folder, or of what matches a glob, one below the other.

        Args:
            what: CSV, TSV, Parquet or JSON lines, by suffix, also with `.gz`.
            path_column: Name of a first column with the file's path; None: none.
            options: For pandas' reader, such as `columns=` of Parquet, of which no others are then fetched.

        Raises:
            EntryNotFound: There is no such file.
            InputError: One is no table by its suffix; or pandas, or PyArrow for Parquet, is not installed.
        """
        self.note_reading()
        found: pandas.DataFrame = frames.to_pandas(self, what, path_column=path_column, **options)
        return found

    @checked
    def to_polars(self, what: str, *, path_column: str | None = None, **options: Any) -> polars.DataFrame:
        """As `to_pandas`, for polars."""
        self.note_reading()
        found: polars.DataFrame = frames.to_polars(self, what, path_column=path_column, **options)
        return found

    @checked
    def to_arrow(self, what: str, *, path_column: str | None = None, **options: Any) -> pyarrow.Table:
        """As `to_pandas`, for PyArrow."""
        self.note_reading()
        return frames.to_arrow(self, what, path_column=path_column, **options)

    @checked
    def torch_dataset(self, what: str = "", *, transform: Callable[[Path], Any] | None = None) -> frames.VersionFiles:
        """Its files, below a folder or that match a glob, as a data set for PyTorch's DataLoader.

        Args:
            transform: Makes an item of a file's path in the shared local copy; None: the path is the item.

        Raises:
            EntryNotFound: There is no such file.
        """
        return frames.torch_dataset(self, what, transform)

    def logs(self) -> Sequence[LogRow]:
        """What was logged with it."""
        return self._objects.store.datasets.logs(self.id)

    def note_reading(self) -> None:
        """Has the store know that what runs here, a task or a trial, has read this version."""
        if not self._noted and self.status is not VersionStatus.DRAFT:
            reading.note(self._objects.store, self.id)
            self._noted = True


def row_of(given: Version | int | str, objects: Objects) -> VersionRow:
    """What the store knows of a version: one that is given, an id, or a name `PROJECT/NAME[@VERSION]`.

    Raises:
        DatasetNotFound, VersionNotFound: There is none.
    """
    if isinstance(given, Version):
        return given.row
    if (id := id_in(given)) is not None:
        return objects.store.datasets.version(id)
    wanted = parse_name(str(given))
    return objects.store.datasets.get_version(wanted.project, wanted.name, number=wanted.number)


def id_in(given: int | str) -> int | None:
    """The id that is given, perhaps as text; None: it is a name. One of 60 digits and more is none of any version."""
    if isinstance(given, int):
        return given
    return int(given[:60]) if given.isdecimal() else None
