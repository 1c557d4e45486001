"""Dataset: one version of named data, as scripts see it.

    data = Dataset.get(project="sensors", name="occupancy", auto_create=True, writable_copy=True)
    data.add_files("labels/")
    data.finalize()

    folder = Dataset.get(project="sensors", name="occupancy").get_local_copy()

What a version is and how it is read is in `version`; here is how one is had, and how a draft is changed (`adding`,
`drafts`) and ends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from meristem.datasets import adding
from meristem.datasets.arguments import checked
from meristem.datasets.background import Background
from meristem.datasets.common_ancestors import common_ancestors
from meristem.datasets.drafts import Draft, Ending
from meristem.datasets.logs import log_image, log_plot, log_table
from meristem.datasets.made_by import made_by
from meristem.datasets.metadata import metadata_of
from meristem.datasets.names import VersionName, parse_name
from meristem.datasets.objects import Objects, objects_of
from meristem.datasets.reading import Progress
from meristem.datasets.sources import Addition
from meristem.datasets.version import Version, id_in, row_of
from meristem.errors import InputError, VersionRefused
from meristem.manifests.tree import EMPTY
from meristem.statuses import VersionStatus
from meristem.store.dataset_numbers import precedence
from meristem.store.dataset_rows import VersionRow
from meristem.store.opening import open_store

if TYPE_CHECKING:
    from meristem.datasets.folders.looking import Look
    from meristem.store.store import Store

log = logging.getLogger("meristem.datasets")

_ALL = 1_000_000  # versions, datasets
_EMPTY_BESIDE = (
    "%s begins empty, without the files of %s. To begin with those: Dataset.get(%r, %r, writable_copy=True). "
    "To give it up: meristem data delete --draft %s"
)


class Dataset(Version):
    """One version of a dataset. Made by `create` and `get`.

    As a context manager a draft becomes a version when its block ends well; when it ends with an exception the draft
    stays, with all that was added, and can be had again by its id.
    """

    def __init__(self, row: VersionRow, objects: Objects) -> None:
        super().__init__(row, objects)
        self._draft = Draft(row, objects) if row.status is VersionStatus.DRAFT else None
        self._background = Background(self._add, self._left_message)

    # How it is had

    @classmethod
    @checked
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

        Without `parents` the draft is empty, also where the dataset has versions. To go on from the newest of them:
        `Dataset.get(project, name, writable_copy=True)`.

        Args:
            parents: Versions from whose content it starts: datasets, ids, or names `PROJECT/NAME@VERSION`. Several
                that come from one version are merged: what either has changed since is taken, and where both have, the
                later one's, which is told in the log. Others are laid over each other in the same way.
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
        rows = [row_of(parent, objects) for parent in parents]
        datasets = objects.store.datasets
        dataset = datasets.ensure(project, name, description)
        root = rows[0].root if rows else EMPTY
        row = datasets.begin(
            dataset.id,
            parents=[parent.id for parent in rows],
            root=root,
            number=version,
            message=message or "",
            tags=tags,
            made_by=made_by(),
        )
        if dataset.versions and not rows:
            log.warning(_EMPTY_BESIDE, row.shown, dataset.newest, project, name, row.id)
        made = cls(row, objects)
        ancestry = datasets.ancestry([parent.id for parent in rows]) if len(rows) > 1 else {}
        for i, parent in enumerate(rows[1:], 1):
            bases = common_ancestors(ancestry, [earlier.id for earlier in rows[:i]], parent.id)
            made._overlay(parent.root, [datasets.version(base).root for base in bases])
        return made

    @classmethod
    @checked
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
            writable_copy: Begin a draft from the version instead of giving it itself; a draft is given itself.

        Raises:
            DatasetNotFound, VersionNotFound: There is none; the error says what there is.
        """
        objects = objects_of(open_store(store, make=auto_create))
        if id is not None:
            found = objects.store.datasets.version(_id(id))
            is_copied = writable_copy and found.status is not VersionStatus.DRAFT  # a draft is writable itself
            return cls._begun_from(found, objects) if is_copied else cls(found, objects)
        wanted = _wanted(project, name, version)
        datasets = objects.store.datasets
        if auto_create and wanted.number is None and not tags:
            row = datasets.find(*wanted[:2], only_published=only_published)
            if row is None:
                return cls.create(wanted.project, wanted.name, store=objects.store)
        else:
            row = datasets.get_version(*wanted[:2], number=wanted.number, tags=tags, only_published=only_published)
        return cls._begun_from(row, objects) if writable_copy else cls(row, objects)

    @classmethod
    @checked
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
        rows = [row_of(given, objects) for given in versions]
        for row in rows:
            if row.status is VersionStatus.DRAFT:
                raise VersionRefused(
                    row.shown, "a draft", "squashed", "Finish it first: finalize(), or meristem data commit."
                )
        datasets = objects.store.datasets
        dataset = datasets.ensure(project, name)
        begun = datasets.begin(dataset.id, root=EMPTY, number=version, message=message or "", made_by=made_by())
        made = cls(begun, objects)
        for row in rows:
            made._overlay(row.root)
        made.finalize(on_conflict="branch")
        return made

    # Changing a draft

    @checked
    def add_files(
        self,
        path: Path | str,
        *more: Path | str,
        dataset_path: str = "",
        wildcard: str | Sequence[str] | None = None,
        recursive: bool = True,
        background: bool = False,
        progress: Progress | None = None,
    ) -> int:
        """Adds a file, or what a folder holds; what is there already in any dataset is not stored again.

        Args:
            path, more: Files, folders, and globs, of which matching folders keep their names. Two files that would
                get one path are refused.
            dataset_path: Where in the dataset: of a folder the folder, of a file its folder or (with the same suffix)
                its whole path.
            wildcard: Only files that match, such as "*.csv".
            background: Return at once; `finalize` waits for it and raises what went wrong.

        Returns:
            How many files are new or different; 0 in the background.
        """
        self._as_draft("changed")
        call = [Addition(each, dataset_path, wildcard, recursive) for each in (path, *more)]
        if background:
            self._background.add(call)
            return 0
        self._background.catch_up()
        return self._add([call], progress)

    @checked
    def add_external_files(self, urls: str | Iterable[str], *, dataset_path: str = "") -> int:
        """Adds files that stay where they are (`s3://…`, `https://…`, `file://…`; folders and globs too).

        Their sizes and etags are kept, so that it is told when they have changed. Returns how many there are.
        """
        given = [urls] if isinstance(urls, str) else list(urls)
        self._background.catch_up()
        count: int = self._changed(lambda draft: adding.add_external(draft, given, dataset_path))
        return count

    @checked
    def remove_files(self, dataset_path: str, *, recursive: bool = True) -> int:
        """Removes a file, a folder (`.` is all), or what matches a glob; returns how many files."""
        if not dataset_path:
            raise InputError("An empty text names no file.", fix="'.' is the whole dataset.")
        self._background.catch_up()
        count: int = self._changed(lambda draft: adding.remove(draft, dataset_path, recursive=recursive))
        return count

    @checked
    def sync_folder(
        self,
        path: Path | str,
        *,
        dataset_path: str = "",
        allow_empty: bool = False,
        progress: Progress | None = None,
        seen: Look | None = None,
    ) -> adding.Synced:
        """Makes what is below `dataset_path` equal to a folder; returns how many files that changed.

        Args:
            allow_empty: Also where the folder has no file, which would remove all files that are there.
            seen: What was just found there (`sources.look_at`), so that it is not looked again.

        Raises:
            InputError: There is no such folder, or it has no file, unless `allow_empty`.
        """
        self._background.catch_up()
        synced: adding.Synced = self._changed(
            lambda draft: adding.sync(draft, Path(path), dataset_path, progress, seen=seen, allow_empty=allow_empty)
        )
        return synced

    def set_metadata(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Adds to its metadata: JSON values by name, as a dict or as keywords; None takes one away.

        Raises:
            InputError: A value has no JSON, such as NaN, bytes, or an object of a class; all of them are told.
        """
        self._row = self._objects.store.datasets.set_metadata(self.id, metadata_of(values, more))

    @checked
    def log_table(self, title: str, series: str, table: Any) -> None:
        """Keeps a table with it, which its page shows: a DataFrame, columns, rows."""
        log_table(self._objects, self.id, title, series, table)

    @checked
    def log_plot(self, title: str, series: str, figure: Any) -> None:
        """Keeps a matplotlib or plotly figure with it, which its page shows."""
        log_plot(self._objects, self.id, title, series, figure)

    @checked
    def log_image(self, title: str, series: str, image: Any) -> None:
        """Keeps an image with it, which its page shows: a path, an array, a PIL image."""
        log_image(self._objects, self.id, title, series, image)

    @checked
    def finalize(
        self,
        message: str | None = None,
        *,
        version: str | None = None,
        on_conflict: str = "raise",
        publish: bool = False,
    ) -> bool:
        """Makes the draft a version, which nothing changes from then on.

        Where nothing was changed since the version that it was begun from, none is made: the draft is given up, and
        this is that version from then on. One that got a number, tags, metadata, plots or tables counts as changed.

        Args:
            message: What is new, in a sentence.
            version: Its number; by default the next one.
            on_conflict: Where somebody else has made a version from the same parent meanwhile: `raise`; `merge`,
                which takes both changes where they do not touch the same files; `branch`, without what they changed.
            publish: Publish it too; where nothing was changed, the version that it was begun from.

        Returns:
            Whether a version was made.

        Raises:
            VersionConflict: Somebody else has, and it was not to be merged or could not; the draft stays.
            VersionRefused: It is no draft, or the number is taken.
        """
        if on_conflict not in ("raise", "merge", "branch"):
            raise InputError(f"on_conflict={on_conflict!r:.40} is none of raise, merge, branch.")
        if version is not None:
            precedence(version)  # raises InputError, before anything is claimed under it
        draft = self._as_draft("finalized")
        self._background.wait()
        if (same := draft.end_as_parent(version)) is not None:
            self._draft, self._row = None, same
            self._background.close()
            log.info("Nothing has changed since %s: no version was made.", same.shown)
            if publish:
                self.publish()
            return False
        self._row = draft.finalize(Ending(number=version, message=message, on_conflict=on_conflict))
        self._draft = None
        self._background.close()
        if publish:
            self.publish()
        return True

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

    @checked
    def tag(self, *tags: str) -> None:
        """Adds tags, also to a version that is published."""
        self._objects.store.datasets.tag(self.id, tags)
        self._reload()

    @checked
    def untag(self, *tags: str) -> None:
        """Takes tags away."""
        self._objects.store.datasets.untag(self.id, tags)
        self._reload()

    @checked
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

    def _add(self, calls: Sequence[Sequence[Addition]], progress: Progress | None = None) -> int:
        found: int = self._changed(lambda draft: adding.add(draft, calls, progress))
        return found

    def _overlay(self, root: str, bases: Sequence[str] = ()) -> None:
        self._changed(lambda draft: draft.change(lambda change: adding.overlaid(change, root, bases)))

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

    @classmethod
    def _begun_from(cls, row: VersionRow, objects: Objects) -> Dataset:
        datasets = objects.store.datasets
        begun = datasets.begin(row.dataset, parents=[row.id], root=row.root, made_by=made_by())
        return cls(begun, objects)

    @classmethod  # last in the class: below it, `list` is no longer the type
    @checked
    def list(
        cls, project: str | None = None, name: str | None = None, *, store: Store | str | None = None
    ) -> list[Dataset]:
        """Versions that are final or published, the newest first; of one project, or of one dataset."""
        objects = objects_of(open_store(store))
        datasets = objects.store.datasets
        found = [datasets.get(project, name)] if project and name else datasets.list(project=project, limit=_ALL)
        rows = (
            row for dataset in found for row in datasets.versions(dataset.id, drafts=False, limit=_ALL, by_number=True)
        )
        return [cls(row, objects) for row in rows]


def _id(given: int | str) -> int:
    if (id := id_in(given)) is not None:
        return id
    raise InputError(f"id={given!r:.80} is no id of a version: it is a whole number.")


def _wanted(project: str | None, name: str | None, version: str | None) -> VersionName:
    if project is None:
        raise InputError("Which dataset?", fix="Give project= and name=, one text 'PROJECT/NAME', or id=.")
    wanted = parse_name(project) if name is None else VersionName(project, name)
    return wanted if version is None else wanted._replace(number=version)
