"""Dataset: one version of named data, as scripts see it.

    data = Dataset.get(project="sensors", name="occupancy", auto_create=True, writable_copy=True)
    data.add_files("labels/")
    data.finalize()

    folder = Dataset.get(project="sensors", name="occupancy").get_local_copy()

A draft is changed (`drafts`, `folders`), a version is read (`reading`, `copies`); what they are lies in the store,
their bytes in packs (`objects`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from meristem.datasets import adding, frames, reading
from meristem.datasets.background import Background
from meristem.datasets.drafts import Draft, Ending
from meristem.datasets.logs import log_image, log_plot, log_table
from meristem.datasets.made_by import made_by
from meristem.datasets.names import VersionName, parse_name, url_of
from meristem.datasets.objects import Objects, objects_of
from meristem.datasets.reading import Progress
from meristem.errors import InputError, VersionNotFound, VersionRefused
from meristem.manifests.entry import Entry
from meristem.manifests.tree import EMPTY, Tree
from meristem.statuses import VersionStatus
from meristem.store.dataset_rows import Lineage, LogRow, ReaderRow, VersionRow
from meristem.store.opening import open_store

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from meristem.datasets.folders.looking import Look
    from meristem.datasets.previews.preview import Preview
    from meristem.datasets.verifying import Verdict
    from meristem.manifests.changes import Change
    from meristem.store.store import Store

_ALL = 1_000_000  # versions, datasets


class Dataset:
    """One version of a dataset. Made by `create` and `get`.

    As a context manager a draft becomes a version when its block ends well; when it ends with an exception the draft
    stays, with all that was added, and can be had again by its id.
    """

    def __init__(self, row: VersionRow, objects: Objects) -> None:
        self._row, self._objects = row, objects
        self._draft = Draft(row, objects) if row.status is VersionStatus.DRAFT else None
        self._background = Background(self._add_in_background, self._left_message)
        self._noted = False

    # How it is had

    @classmethod
    def create(
        cls,
        project: str,
        name: str,
        *,
        parents: Sequence[Dataset | int | str] = (),
        version: str | None = None,
        tags: Sequence[str] = (),
        description: str = "",
        message: str = "",
        store: Store | str | None = None,
    ) -> Dataset:
        """Begins a draft of a new version; the dataset is made if there is none.

        Args:
            parents: Versions from whose content it starts: datasets, ids, or names `PROJECT/NAME@VERSION`. Of several
                that have different files at one path, the later one's is taken.
            version: Its number, such as "2.0.0"; by default the next one when it is finalized.
            description: Of the dataset, where it is made now.
            message: What is new, in a sentence.
            store: A store, its URL or file; by default MERISTEM_STORE, or `meristem.db` here.

        Raises:
            InputError: A name or number that cannot be used.
            VersionRefused: A parent is a draft.
            VersionNotFound: There is no such parent.
        """
        objects = objects_of(open_store(store, make=True))
        rows = [cls._parent_row(parent, objects) for parent in parents]
        datasets = objects.store.datasets
        dataset = datasets.ensure(project, name, description)
        root = rows[0].root if rows else EMPTY
        row = datasets.begin(
            dataset.id,
            parents=[parent.id for parent in rows],
            root=root,
            number=version,
            message=message,
            tags=tags,
            made_by=made_by(),
        )
        made = cls(row, objects)
        for parent in rows[1:]:
            made._as_draft("changed").change(
                lambda change, root=parent.root: adding.overlaid(change, root)  # type: ignore[misc]
            )
        return made

    @classmethod
    def get(
        cls,
        project: str | None = None,
        name: str | None = None,
        *,
        version: str | None = None,
        tags: Sequence[str] = (),
        id: int | str | None = None,
        only_published: bool = False,
        auto_create: bool = False,
        writable_copy: bool = False,
        store: Store | str | None = None,
    ) -> Dataset:
        """The newest version that fits; nothing is downloaded yet.

        Args:
            project, name: Of the dataset; or one text `PROJECT/NAME[@VERSION]`.
            version: Its number; by default the highest.
            tags: It has all of these.
            id: Of a version or draft, instead of the rest; this is how a draft that was left is taken up again.
            only_published: Leave out versions that are final but not published.
            auto_create: Where there is no version yet, begin the first one.
            writable_copy: Begin a draft from the version instead of giving it itself.

        Raises:
            DatasetNotFound, VersionNotFound: There is none; the error says what there is.
        """
        objects = objects_of(open_store(store, make=auto_create))
        if id is not None:
            found = objects.store.datasets.version(_id(id))
            return cls._begun_from(found, objects) if writable_copy else cls(found, objects)
        wanted = _wanted(project, name, version)
        row = cls._newest(objects, wanted, tags, only_published)
        if row is not None:
            return cls._begun_from(row, objects) if writable_copy else cls(row, objects)
        if auto_create and wanted.number is None and not tags:
            return cls.create(wanted.project, wanted.name, store=objects.store)
        dataset = objects.store.datasets.get(wanted.project, wanted.name)  # raises where there is none at all
        known = [v.number for v in objects.store.datasets.versions(dataset.id, drafts=False) if v.number]
        drafts = [str(v.id) for v in objects.store.datasets.drafts(dataset.id)]
        why = f"drafts that are not finished: {', '.join(drafts)}; take one up by id={drafts[0]}" if drafts else ""
        what = f"{wanted.project}/{wanted.name}@{wanted.number or 'any'}"
        fitting = " with these tags" if tags else " that is published" if only_published else ""
        raise VersionNotFound(what + fitting, known, why)

    @classmethod
    def squash(
        cls,
        project: str,
        name: str,
        versions: Sequence[Dataset | int | str],
        *,
        version: str | None = None,
        message: str = "",
        store: Store | str | None = None,
    ) -> Dataset:
        """Makes one version without parents of what several hold together; where they differ, the later ones count.

        The versions themselves may then be deleted: every version is whole in itself.
        """
        if not versions:
            raise InputError("squash() got no versions.", fix="Give at least one: a dataset, an id or a name.")
        objects = objects_of(open_store(store))
        rows = [cls._parent_row(given, objects) for given in versions]
        made = cls.create(project, name, version=version, message=message, store=objects.store)
        for row in rows:
            made._as_draft("changed").change(
                lambda change, root=row.root: adding.overlaid(change, root)  # type: ignore[misc]
            )
        made.finalize(on_conflict="branch")
        return made

    # What it is

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

    def list_files(self, dataset_path: str = "", *, recursive: bool = True) -> list[str]:
        """The paths of its files and links, in order; below a folder, or that match a glob."""
        return [entry.path for entry in reading.select(self.tree, dataset_path, recursive=recursive)]

    def entries(self, dataset_path: str = "") -> Iterator[Entry]:
        """Its files, links and empty folders with sizes and names of contents; without loading all of them."""
        return reading.select(self.tree, dataset_path, recursive=True, folders=True)

    def diff(self, other: Dataset | int | str) -> list[Change]:
        """What is different here from `other`: added, removed, modified and moved paths, in order."""
        row = self._parent_row(other, self._objects, any_status=True)
        return reading.changes(Tree(row.root, self._objects), self.tree)

    def lineage(self) -> Lineage:
        """Its ancestors and descendants."""
        return self._objects.store.datasets.lineage(self.id)

    def readers(self) -> Sequence[ReaderRow]:
        """The tasks, trials and studies that have read it."""
        return self._objects.store.dataset_readers.of_version(self.id)

    def __repr__(self) -> str:
        return f"<Dataset {self._row.shown}: {self.status}>"

    # Reading

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
            part, num_parts: Only one of several nearly equal parts, from 0.
            files: Only these paths, or what matches these globs.
        """
        self.note_reading()
        return reading.local_copy(self, part=part, num_parts=num_parts, files=files, progress=progress)

    def get_mutable_local_copy(
        self,
        folder: Path | str,
        *,
        overwrite: bool = False,
        part: int | None = None,
        num_parts: int | None = None,
        files: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Its files in a folder of your own, to be changed as you like.

        Args:
            overwrite: Replace what lies there and differs; files of which the version knows nothing stay.
            part, num_parts, files: As in `get_local_copy`.

        Raises:
            CopyRefused: The folder is not empty, unless `overwrite`.
        """
        self.note_reading()
        return reading.mutable_copy(
            self, Path(folder), overwrite=overwrite, part=part, num_parts=num_parts, files=files, progress=progress
        )

    def get_linked_copy(
        self,
        folder: Path | str,
        *,
        overwrite: bool = False,
        part: int | None = None,
        num_parts: int | None = None,
        files: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Its files in a folder of your own as hard links to the shared copy: made at once, to be read only.

        Arguments and errors as `get_mutable_local_copy`.
        """
        self.note_reading()
        return reading.linked_copy(
            self, Path(folder), overwrite=overwrite, part=part, num_parts=num_parts, files=files, progress=progress
        )

    def read_bytes(self, path: str) -> bytes:
        """One file's content."""
        self.note_reading()
        return reading.read_file(self, path)

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

    def preview(self) -> Preview:
        """What its files look like: tables with statistics, texts, images; made once, then kept with it."""
        from meristem.datasets.showing import preview_of  # seldom needed

        return preview_of(self)

    # Reading, for other libraries

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

    def to_polars(self, what: str, *, path_column: str | None = None, **options: Any) -> polars.DataFrame:
        """As `to_pandas`, for polars."""
        self.note_reading()
        found: polars.DataFrame = frames.to_polars(self, what, path_column=path_column, **options)
        return found

    def to_arrow(self, what: str, *, path_column: str | None = None, **options: Any) -> pyarrow.Table:
        """As `to_pandas`, for PyArrow."""
        self.note_reading()
        return frames.to_arrow(self, what, path_column=path_column, **options)

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

    # Changing a draft

    def add_files(
        self,
        path: Path | str,
        *,
        dataset_path: str = "",
        wildcard: str | Sequence[str] | None = None,
        recursive: bool = True,
        background: bool = False,
        progress: Progress | None = None,
    ) -> int:
        """Adds a file, or what a folder holds; what is there already in any dataset is not stored again.

        Args:
            path: A file, a folder, or a glob.
            dataset_path: Where in the dataset: of a folder the folder, of a file its folder or (with the same suffix)
                its whole path.
            wildcard: Only files that match, such as "*.csv".
            background: Return at once; `finalize` waits for it and raises what went wrong.

        Returns:
            How many files are new or different; 0 in the background.
        """
        self._as_draft("changed")
        if background:
            self._background.add(path=path, dataset_path=dataset_path, wildcard=wildcard, recursive=recursive)
            return 0
        return self._add(path, dataset_path, wildcard, recursive, progress)

    def add_external_files(self, urls: str | Iterable[str], *, dataset_path: str = "") -> int:
        """Adds files that stay where they are (`s3://…`, `https://…`, `file://…`; folders and globs too).

        Their sizes and etags are kept, so that it is told when they have changed. Returns how many there are.
        """
        given = [urls] if isinstance(urls, str) else list(urls)
        count: int = self._changed(lambda draft: adding.add_external(draft, given, dataset_path))
        return count

    def remove_files(self, dataset_path: str, *, recursive: bool = True) -> int:
        """Removes a file, a folder, or what matches a glob; returns how many files."""
        count: int = self._changed(lambda draft: adding.remove(draft, dataset_path, recursive=recursive))
        return count

    def sync_folder(
        self,
        path: Path | str,
        *,
        dataset_path: str = "",
        progress: Progress | None = None,
        seen: Look | None = None,
    ) -> adding.Synced:
        """Makes what is below `dataset_path` equal to a folder; returns how much was added, modified and removed.

        Args:
            seen: What was just found there (`adding.look_at`), so that it is not looked again.
        """
        synced: adding.Synced = self._changed(
            lambda draft: adding.sync(draft, Path(path), dataset_path, progress, seen=seen)
        )
        return synced

    def set_metadata(self, **values: Any) -> None:
        """Adds to its metadata: JSON values by name; None takes one away."""
        kept = {name: value for name, value in {**self._row.metadata, **values}.items() if value is not None}
        self._row = self._objects.store.datasets.set_metadata(self.id, kept)

    def log_table(self, title: str, series: str, table: Any) -> None:
        """Keeps a table with it, which its page shows: a DataFrame, columns, rows."""
        log_table(self._objects, self.id, title, series, table)

    def log_plot(self, title: str, series: str, figure: Any) -> None:
        """Keeps a matplotlib or plotly figure with it, which its page shows."""
        log_plot(self._objects, self.id, title, series, figure)

    def log_image(self, title: str, series: str, image: Any) -> None:
        """Keeps an image with it, which its page shows: a path, an array, a PIL image."""
        log_image(self._objects, self.id, title, series, image)

    def finalize(
        self,
        message: str | None = None,
        *,
        version: str | None = None,
        on_conflict: str = "raise",
        publish: bool = False,
    ) -> None:
        """Makes the draft a version, which nothing changes from then on.

        Args:
            message: What is new, in a sentence.
            version: Its number; by default the next one.
            on_conflict: Where somebody else has made a version from the same parent meanwhile: `raise`; `merge`,
                which takes both changes where they do not touch the same files; `branch`, without what they changed.
            publish: Publish it too.

        Raises:
            VersionConflict: Somebody else has, and it was not to be merged or could not; the draft stays.
            VersionRefused: It is no draft, or the number is taken.
        """
        if on_conflict not in ("raise", "merge", "branch"):
            raise InputError(f"on_conflict={on_conflict!r:.40} is none of raise, merge, branch.")
        draft = self._as_draft("finalized")
        self._background.wait()
        self._row = draft.finalize(Ending(number=version, message=message, on_conflict=on_conflict))
        self._draft = None
        self._background.close()
        if publish:
            self.publish()

    def discard(self) -> None:
        """Gives the draft up; what it alone had stored goes with the next garbage collection."""
        self._as_draft("discarded")
        self._background.close()
        self._objects.store.datasets.discard(self.id)
        self._draft = None
        self._reload()

    def leave(self) -> None:
        """Leaves the draft as it is, for whoever takes it up by its id; waits for what is added in the background."""
        self._background.wait()
        self._background.close()

    # Around a version

    def publish(self) -> None:
        """Publishes it: it can no longer be deleted without force. May be repeated."""
        self._objects.store.datasets.publish(self.id)
        self._reload()

    def tag(self, *tags: str) -> None:
        """Adds tags, also to a version that is published."""
        self._objects.store.datasets.tag(self.id, tags)
        self._reload()

    def untag(self, *tags: str) -> None:
        """Takes tags away."""
        self._objects.store.datasets.untag(self.id, tags)
        self._reload()

    def delete(self, *, force: bool = False) -> None:
        """Deletes it; versions made from it stay whole. Its bytes go with the next garbage collection.

        Raises:
            VersionRefused: It is published, unless `force`.
        """
        adding.delete(self._objects, self._row, force=force)
        self._reload()

    def __enter__(self) -> Dataset:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._draft is None:
            return
        if kind is None:
            self.finalize()
        else:
            self._background.leave()

    # Inside

    def _changed(self, work: Callable[[Draft], Any]) -> Any:
        draft = self._as_draft("changed")
        self._background.attend()
        try:
            return work(draft)
        finally:
            self._row = draft.row

    def _add(
        self,
        path: Path | str,
        dataset_path: str,
        wildcard: str | Sequence[str] | None,
        recursive: bool,
        progress: Progress | None,
    ) -> int:
        found: int = self._changed(
            lambda draft: adding.add(draft, path, dataset_path, wildcard, recursive=recursive, progress=progress)
        )
        return found

    def _add_in_background(self, given: Mapping[str, Any]) -> None:
        self._add(given["path"], given["dataset_path"], given["wildcard"], given["recursive"], None)

    def _left_message(self) -> str:
        return (
            f"{self._row.shown} is not final: what was added is kept. Take it up with Dataset.get(id={self.id}), or "
            f"give it up: meristem data delete --draft {self.id}"
        )

    def _as_draft(self, wanted: str) -> Draft:
        if self._draft is None:
            fix = "Begin a new version from it: Dataset.get(…, writable_copy=True)."
            raise VersionRefused(self._row.shown, self.status.value, wanted, fix)
        return self._draft

    def _reload(self) -> None:
        self._row = self._objects.store.datasets.version(self.id)

    def note_reading(self) -> None:
        """Has the store know that what runs here, a task or a trial, has read this version."""
        if not self._noted and self.status is not VersionStatus.DRAFT:
            reading.note(self._objects.store, self.id)
            self._noted = True

    @classmethod
    def _begun_from(cls, row: VersionRow, objects: Objects) -> Dataset:
        datasets = objects.store.datasets
        begun = datasets.begin(row.dataset, parents=[row.id], root=row.root, made_by=made_by())
        return cls(begun, objects)

    @classmethod
    def _parent_row(cls, given: Dataset | int | str, objects: Objects, *, any_status: bool = False) -> VersionRow:
        if isinstance(given, Dataset):
            return given.row
        if isinstance(given, int) or given.isdecimal():
            return objects.store.datasets.version(int(given))
        wanted = parse_name(given)
        row = cls._newest(objects, wanted, (), False)
        if row is None:
            raise VersionNotFound(given)
        return row

    @staticmethod
    def _newest(objects: Objects, wanted: VersionName, tags: Sequence[str], only_published: bool) -> VersionRow | None:
        return objects.store.datasets.find(
            wanted.project, wanted.name, number=wanted.number, tags=tags, only_published=only_published
        )

    @classmethod  # last in the class: below it, `list` is no longer the type
    def list(
        cls, project: str | None = None, name: str | None = None, *, store: Store | str | None = None
    ) -> list[Dataset]:
        """Versions that are final or published, the newest first; of one project, or of one dataset."""
        objects = objects_of(open_store(store))
        datasets = objects.store.datasets
        found = [datasets.get(project, name)] if project and name else datasets.list(project=project, limit=_ALL)
        rows = (row for dataset in found for row in datasets.versions(dataset.id, drafts=False, limit=_ALL))
        return [cls(row, objects) for row in rows]


def _id(given: int | str) -> int:
    if isinstance(given, int) or given.isdecimal():
        return int(given)
    raise InputError(f"id={given!r:.80} is no id of a version: it is a whole number.")


def _wanted(project: str | None, name: str | None, version: str | None) -> VersionName:
    if project is None:
        raise InputError("Which dataset?", fix="Give project= and name=, one text 'PROJECT/NAME', or id=.")
    wanted = parse_name(project) if name is None else VersionName(project, name)
    return wanted if version is None else wanted._replace(number=version)
