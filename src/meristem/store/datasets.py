"""The repository of datasets and their versions: made, found, described, tagged, published, deleted.

What becomes of drafts is in `dataset_drafts`. What versions hold lies in packs, of which this knows only names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, or_, select, tuple_, update

from meristem.errors import DatasetNotFound, VersionRefused
from meristem.events import DatasetEventKind
from meristem.naming import check_dataset
from meristem.statuses import VERSION_MOVES, VersionStatus
from meristem.store.commits import clean, to_text
from meristem.store.database import Database
from meristem.store.dataset_drafts import DatasetDrafts, check_tags
from meristem.store.dataset_epoch import take_turn
from meristem.store.dataset_lineage import ancestry, lineage
from meristem.store.dataset_missing import not_found
from meristem.store.dataset_reading import (
    READABLE,
    VERSIONS,
    dataset_id,
    get_version,
    matching,
    rows_of,
)
from meristem.store.dataset_roots import roots
from meristem.store.dataset_rows import DatasetRow, Lineage, LogRow, Roots, VersionRow
from meristem.store.dataset_tables import IS_DRAFT, dataset_logs, dataset_tags, dataset_versions, datasets

_V, _D, _L, _T = dataset_versions.c, datasets.c, dataset_logs.c, dataset_tags.c
_NEWEST = (
    select(_V.number)
    .where(_V.dataset_id == _D.id, _V.precedence.is_not(None), READABLE)
    .order_by(_V.precedence.desc())
    .limit(1)
    .correlate(datasets)
    .scalar_subquery()
)


def _count(condition: Any) -> Any:
    query = select(func.count()).select_from(dataset_versions).where(_V.dataset_id == _D.id, condition)
    return query.correlate(datasets).scalar_subquery()


_DATASETS: Select[Any] = select(
    datasets, _NEWEST.label("newest"), _count(READABLE).label("versions"), _count(IS_DRAFT).label("drafts")
)


class Datasets(DatasetDrafts):
    """Knows all datasets and versions."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        dialect = import_module(f"sqlalchemy.dialects.{'sqlite' if database.is_sqlite else 'postgresql'}")
        self._new_dataset = dialect.insert(datasets).on_conflict_do_nothing().returning(_D.id)
        logged = dialect.insert(dataset_logs)
        self._new_log = logged.on_conflict_do_update(
            index_elements=["version_id", "title", "series", "kind"],
            set_={"object": logged.excluded.object, "at": logged.excluded.at},
        )

    # --- datasets

    def ensure(self, project: str, name: str, description: str = "") -> DatasetRow:
        """The dataset of this name, made now if there is none. May be repeated: a description given later counts.

        Raises:
            InputError: A name that cannot be one.
        """
        check_dataset(project, name)

        def work(connection: Connection) -> int:
            values = {"project": project, "name": name, "description": clean(description), "created_at": self._now}
            made = connection.execute(self._new_dataset.values(values)).scalar()
            if made is None:
                found = dataset_id(connection, project, name, self._database.shown_url)
                if description:
                    of_it = update(datasets).where(_D.id == found)
                    connection.execute(of_it.values(description=clean(description)))
                return found
            told = {"project": project, "name": name}
            self._teller.tell(connection, DatasetEventKind.DATASET_CREATED, told, dataset=made)
            return int(made)

        made = self._database.write(work)
        return self._one(_DATASETS.where(_D.id == made), str(made))

    def get(self, project: str, name: str) -> DatasetRow:
        """The dataset of this name.

        Raises:
            DatasetNotFound: There is none; the error names one that is near.
        """

        def work(connection: Connection) -> int:
            return dataset_id(connection, project, name, self._database.shown_url)

        found = self._database.read(work)
        return self._one(_DATASETS.where(_D.id == found), f"{project}/{name}")

    # --- versions

    def version(self, version_id: int) -> VersionRow:
        """The version, or draft, of this id. Raises VersionNotFound."""
        return self._database.read(lambda connection: get_version(connection, version_id))

    def find(
        self,
        project: str,
        name: str,
        *,
        number: str | None = None,
        tags: Sequence[str] = (),
        only_published: bool = False,
    ) -> VersionRow | None:
        """The final or published version with the highest number that has all of `tags`; None: there is none."""

        def work(connection: Connection) -> VersionRow | None:
            try:
                dataset = dataset_id(connection, project, name, self._database.shown_url)
            except DatasetNotFound:
                return None
            return matching(connection, dataset, number, tags, only_published)

        return self._database.read(work)

    def get_version(
        self,
        project: str,
        name: str,
        *,
        number: str | None = None,
        tags: Sequence[str] = (),
        only_published: bool = False,
    ) -> VersionRow:
        """As `find`.

        Raises:
            DatasetNotFound: There is no such dataset.
            VersionNotFound: It has no such version; the error lists those that it has, or what drafts there are.
        """

        def work(connection: Connection) -> VersionRow:
            dataset = dataset_id(connection, project, name, self._database.shown_url)
            if row := matching(connection, dataset, number, tags, only_published):
                return row
            raise not_found(connection, dataset, f"{project}/{name}", number, tags, only_published)

        return self._database.read(work)

    def versions(
        self,
        dataset_id: int,
        *,
        drafts: bool = True,
        deleted: bool = False,
        limit: int = 100,
        before: int | None = None,
        by_number: bool = False,
    ) -> list[VersionRow]:
        """Versions of a dataset, the newest made first; `before` reads on below an id.

        Args:
            by_number: The highest number first, and drafts before all.
            drafts: With drafts that are open.
            deleted: With versions that were deleted, but never drafts that were discarded.
        """
        wanted = [VersionStatus.FINAL, VersionStatus.PUBLISHED]
        wanted += [VersionStatus.DRAFT] * drafts + [VersionStatus.DELETED] * deleted
        query = VERSIONS.where(_V.dataset_id == dataset_id, _V.status.in_([status.value for status in wanted]))
        query = query.where(or_(_V.status != VersionStatus.DELETED.value, _V.number.is_not(None)))
        if before is not None:
            query = query.where(_V.id < before)
        order = [_V.precedence.is_not(None), _V.precedence.desc()] if by_number else []
        query = query.order_by(*order, _V.id.desc()).limit(limit)
        return self._database.read(lambda connection: rows_of(connection, query))

    def drafts(self, dataset_id: int) -> list[VersionRow]:
        """The open drafts of a dataset, the newest first."""
        query = VERSIONS.where(_V.dataset_id == dataset_id, IS_DRAFT).order_by(_V.id.desc())
        return self._database.read(lambda connection: rows_of(connection, query))

    def lineage(self, version_id: int, *, limit: int = 500) -> Lineage:
        """The versions that it was made from and that were made from it, at most `limit` each, nearest first.

        Raises:
            VersionNotFound: There is no such version.
        """
        return self._database.read(lambda connection: lineage(connection, version_id, limit))

    def publish(self, version_id: int) -> VersionRow:
        """Makes a final version read-only for good, but for its tags. May be repeated.

        Raises:
            VersionRefused: It is a draft, or deleted.
            VersionNotFound: There is none.
        """
        values = {"status": VersionStatus.PUBLISHED.value, "published_at": self._now}

        def work(connection: Connection) -> VersionRow:
            row = get_version(connection, version_id, lock=True)
            if row.status is VersionStatus.PUBLISHED:
                return row
            _require_move(row, VersionStatus.PUBLISHED)
            return self._told(connection, row, values, DatasetEventKind.VERSION_PUBLISHED)

        return self._database.write(work)

    def delete(self, version_id: int, *, force: bool = False) -> None:
        """Deletes a version: garbage collection removes what it alone needs. May be repeated.

        Its row stays, for the lineage of others; its number is never given again.

        Args:
            force: Also one that is published.

        Raises:
            VersionRefused: It is a draft (discard it), or published.
            VersionNotFound: There is none.
        """

        def work(connection: Connection) -> None:
            row = get_version(connection, version_id, lock=True)
            if row.status is VersionStatus.DELETED:
                return
            if row.status is VersionStatus.DRAFT:
                raise VersionRefused(row.shown, row.status.value, "deleted", "Discard it instead.")
            if row.status is VersionStatus.PUBLISHED and not force:
                why = "Others may rely on what is published."
                raise VersionRefused(row.shown, "published", "deleted", "Insist with force=True, --force.", why=why)
            _require_move(row, VersionStatus.DELETED)
            values = {"status": VersionStatus.DELETED.value}
            self._told(connection, row, values, DatasetEventKind.VERSION_DELETED, was=row.status.value)

        self._database.write(work)

    def tag(self, version_id: int, tags: Sequence[str]) -> VersionRow:
        """Adds tags to a version or draft. May be repeated.

        Raises:
            VersionRefused: It is deleted.
            VersionNotFound: There is none.
            InputError: A tag that cannot be one.
        """
        check_tags(tags)

        def work(connection: Connection) -> VersionRow:
            row = self._kept(connection, version_id, "tagged")
            new = sorted({str(clean(tag)) for tag in tags} - set(row.tags))
            if not new:
                return row
            connection.execute(insert(dataset_tags), [{"version_id": version_id, "tag": tag} for tag in new])
            return self._told(connection, row, {}, DatasetEventKind.VERSION_TAGGED, added=new)

        return self._database.write(work)

    def untag(self, version_id: int, tags: Sequence[str]) -> VersionRow:
        """Takes tags from a version or draft. May be repeated. Errors as `tag`."""

        def work(connection: Connection) -> VersionRow:
            row = self._kept(connection, version_id, "untagged")
            old = sorted({str(clean(tag)) for tag in tags} & set(row.tags))
            if not old:
                return row
            connection.execute(delete(dataset_tags).where(_T.version_id == version_id, _T.tag.in_(old)))
            return self._told(connection, row, {}, DatasetEventKind.VERSION_UNTAGGED, removed=old)

        return self._database.write(work)

    def set_metadata(self, version_id: int, metadata: Mapping[str, Any]) -> VersionRow:
        """Adds to the metadata (JSON) of a version or draft; None takes a value away.

        Raises:
            VersionRefused: It is published, or deleted.
            VersionNotFound: There is none.
        """

        def work(connection: Connection) -> VersionRow:
            row = self._kept(connection, version_id, "described anew", published=False)
            merged = {name: value for name, value in {**row.metadata, **metadata}.items() if value is not None}
            values = {"metadata": to_text(merged), "updated_at": self._now}
            connection.execute(update(dataset_versions).where(_V.id == version_id).values(values))
            return get_version(connection, version_id)

        return self._database.write(work)

    # --- objects beside a version's files

    def set_preview(self, version_id: int, preview: str | None, *, epoch: int, packs: Sequence[str] = ()) -> None:
        """Names the object that shows what a version holds; of a published one, too, since it is derived.

        Args:
            epoch: At which it was looked up, or stored.
            packs: That were stored with it.

        Raises:
            VersionRefused: It is deleted.
            VersionNotFound, EpochMoved, PacksGone: As `checkpoint`.
        """

        def work(connection: Connection) -> None:
            turn = take_turn(connection, epoch=epoch, packs=packs)
            self._kept(connection, version_id, "previewed")
            self._update(connection, version_id, turn, {"preview": preview})

        self._database.write(work)

    def log(
        self,
        version_id: int,
        title: str,
        series: str,
        kind: str,
        object: str,
        *,
        epoch: int,
        packs: Sequence[str] = (),
    ) -> None:
        """Keeps a plot, table or image with a version; one of the same title, series and kind is replaced.

        Args:
            kind: Such as plot, table, image.
            object: Name of the object that holds it.
            epoch, packs: As `set_preview`.

        Raises:
            VersionRefused: It is published, or deleted.
            VersionNotFound, EpochMoved, PacksGone: As `checkpoint`.
        """
        names = {"title": clean(title), "series": clean(series), "kind": kind, "object": object}

        def work(connection: Connection) -> None:
            turn = take_turn(connection, epoch=epoch, packs=packs)
            self._kept(connection, version_id, "logged to", published=False)
            connection.execute(self._new_log.values(version_id=version_id, at=self._now, **names))
            self._update(connection, version_id, turn, {})

        self._database.write(work)

    def logs(self, version_id: int) -> list[LogRow]:
        """What was logged with a version, by title and series."""
        query = select(_L.title, _L.series, _L.kind, _L.object, _L.at).where(_L.version_id == version_id)
        query = query.order_by(_L.title, _L.series, _L.kind)
        found = self._database.read(lambda connection: connection.execute(query).all())
        return [LogRow(title=row[0], series=row[1], kind=row[2], object=row[3], at=row[4]) for row in found]

    def ancestry(self, versions: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """The parents of versions, of their parents, and so on, by id; also of those that were deleted since."""
        return self._database.read(lambda connection: ancestry(connection, versions))

    # --- garbage collection

    def roots(self) -> Roots:
        """What garbage collection must keep, drafts too, and the cursor for `DatasetPacks.condemn`."""
        return self._database.read(roots)

    def numbers(self) -> set[tuple[str, str, str]]:
        """Project, name and number of each version that is neither a draft nor deleted."""
        query = select(_D.project, _D.name, _V.number).join_from(datasets, dataset_versions, _V.dataset_id == _D.id)
        found = self._database.read(lambda connection: connection.execute(query.where(READABLE)).all())
        return {(row[0], row[1], row[2]) for row in found}

    def _kept(self, connection: Connection, version: int, wanted: str, *, published: bool = True) -> VersionRow:
        """The version, held until the transaction ends: one that is not deleted and, perhaps, not published."""
        row = get_version(connection, version, lock=True)
        if row.status is VersionStatus.DELETED or (row.status is VersionStatus.PUBLISHED and not published):
            raise VersionRefused(row.shown, row.status.value, wanted, "Begin a draft from it and change that.")
        return row

    def _told(
        self, connection: Connection, row: VersionRow, values: Mapping[str, Any], kind: DatasetEventKind, **more: Any
    ) -> VersionRow:
        """Changes a version's row, tells of it, and returns it as it is now."""
        of_it = update(dataset_versions).where(_V.id == row.id)
        connection.execute(of_it.values(updated_at=self._now, **values))
        after = get_version(connection, row.id)
        self._teller.tell_of(connection, kind, after, **more)
        return after

    def _one(self, query: Select[Any], name: str) -> DatasetRow:
        found = self._database.read(lambda connection: connection.execute(query).one_or_none())
        if found is None:
            raise DatasetNotFound(name, self._database.shown_url, ())
        return DatasetRow(**found._mapping)

    # Last in the class: below it, `list` is no longer the type.
    def list(
        self,
        *,
        project: str | None = None,
        search: str | None = None,
        limit: int = 100,
        after: tuple[str, str] | None = None,
    ) -> list[DatasetRow]:
        """Datasets by project and name.

        Args:
            search: Part of the project, the name or the description, in any case.
            after: Reads on behind this project and name.
        """
        query = _DATASETS.order_by(_D.project, _D.name).limit(limit)
        if project is not None:
            query = query.where(_D.project == clean(project))
        if search is not None:
            searched = (_D.project, _D.name, _D.description)
            query = query.where(or_(*(column.icontains(str(clean(search)), autoescape=True) for column in searched)))
        if after is not None:
            query = query.where(tuple_(_D.project, _D.name) > after)
        found = self._database.read(lambda connection: connection.execute(query).all())
        return [DatasetRow(**row._mapping) for row in found]


def _require_move(row: VersionRow, to: VersionStatus) -> None:
    if to not in VERSION_MOVES[row.status]:
        fix = "Finish it first: finalize, meristem data commit." if row.status is VersionStatus.DRAFT else ""
        raise VersionRefused(row.shown, row.status.value, to.value, fix)
