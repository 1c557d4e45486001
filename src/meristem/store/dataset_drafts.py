"""What becomes of a draft: begun, written again and again, finished or discarded.

Each is one transaction that may run twice, since its answer may be lost; the `write_id` in the version's row tells
whether it arrived. Which version may follow which, and what the epoch is for, is told in `dataset_epoch`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from sqlalchemy import Connection, delete, insert, select, update

from meristem.errors import (
    DatasetNotFound,
    DraftMoved,
    InputError,
    VersionConflict,
    VersionRefused,
)
from meristem.events import DatasetEventKind
from meristem.naming import naming_problems
from meristem.statuses import VERSION_READABLE, VersionStatus
from meristem.store.commits import clean, to_text
from meristem.store.database import Database
from meristem.store.dataset_epoch import Turn, take_turn
from meristem.store.dataset_log import DatasetTeller
from meristem.store.dataset_numbers import following, precedence
from meristem.store.dataset_reading import find_version, get_version, head
from meristem.store.dataset_rows import VersionRow
from meristem.store.dataset_tables import IS_DRAFT, dataset_parents, dataset_tags, dataset_versions, datasets
from meristem.store.lease import database_now

_V = dataset_versions.c


class DatasetDrafts:
    """Makes drafts, and versions of them. Part of `Datasets`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._now = database_now(database)
        self._teller = DatasetTeller(database)

    def begin(
        self,
        dataset_id: int,
        *,
        root: str | None = None,
        parents: Sequence[int] = (),
        number: str | None = None,
        message: str = "",
        tags: Sequence[str] = (),
        made_by: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        epoch: int | None = None,
    ) -> VersionRow:
        """Begins a draft.

        Args:
            root: Of what it holds at first; None: what its first parent holds.
            parents: Ids of the versions that it is made from, also of other datasets.
            number: That it shall have once it is final, if nobody takes it before.
            epoch: At which `root` was looked up. Needed where it is neither that of a parent nor the empty one.

        Raises:
            DatasetNotFound, VersionNotFound: The dataset, or a parent, does not exist.
            VersionRefused: A parent is not final; or the number is taken.
            InputError: A number or tag that cannot be one.
            EpochMoved: See `dataset_epoch`.
        """
        check_tags(tags)
        if number is not None:
            precedence(number)
        if root is None and not parents:
            raise ValueError("a draft without parents needs a root")
        write_id = secrets.token_hex(8)
        tried = False

        def work(connection: Connection) -> VersionRow:
            nonlocal tried
            if tried and (row := self._begun(connection, dataset_id, write_id)):
                return row
            tried = True
            turn = take_turn(connection, epoch=epoch)
            self._require_dataset(connection, dataset_id)
            roots = [self._parent(connection, parent).root for parent in parents]
            if epoch is None and parents and root not in (None, *roots):
                raise ValueError("a root that no parent has is safe only with the epoch at which it was looked up")
            if number is not None and self._is_taken(connection, dataset_id, number):
                self._refuse_number(number)
            values = {
                "dataset_id": dataset_id, "number": number, "status": VersionStatus.DRAFT.value,
                "root": root or roots[0], "changed": turn.changes, "write_id": write_id, "message": clean(message),
                "made_by": to_text(dict(made_by or {})), "metadata": to_text(dict(metadata or {})),
            }  # fmt: skip
            made = insert(dataset_versions).values(created_at=self._now, updated_at=self._now, **values)
            version = int(connection.execute(made.returning(_V.id)).scalar_one())
            self._set_parents(connection, version, parents)
            if tags:
                rows = [{"version_id": version, "tag": clean(tag)} for tag in dict.fromkeys(tags)]
                connection.execute(insert(dataset_tags), rows)
            row = get_version(connection, version)
            self._teller.tell_of(connection, DatasetEventKind.DRAFT_BEGUN, row, parents=list(row.parents))
            return row

        return self._database.write(work)

    def checkpoint(
        self,
        version_id: int,
        *,
        revision: int,
        epoch: int,
        root: str,
        packs: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        message: str | None = None,
    ) -> int:
        """Writes what a draft holds by now, and returns its new revision.

        Args:
            revision: That the writer knows of.
            epoch: At which it looked up what it found in packs instead of storing it.
            packs: That it has stored; others find their objects from now on.
            metadata, message: None: as they are.

        Raises:
            VersionNotFound, VersionRefused: There is no such draft any more.
            DraftMoved: Another process wrote it.
            EpochMoved, PacksGone: See `dataset_epoch`.
        """
        told: dict[str, Any] = {"root": root}
        if metadata is not None:
            told["metadata"] = to_text(dict(metadata))
        if message is not None:
            told["message"] = clean(message)
        return self._write(version_id, revision, epoch, packs, told)

    def rebase(
        self,
        version_id: int,
        *,
        revision: int,
        epoch: int,
        root: str,
        parents: Sequence[int],
        packs: Sequence[str] = (),
    ) -> int:
        """Gives a draft other parents, and what it holds merged with theirs; returns its new revision.

        Raises:
            As `checkpoint`; VersionNotFound, VersionRefused also where a new parent is not there, or not final.
        """
        return self._write(version_id, revision, epoch, packs, {"root": root}, parents=parents)

    def finalize(
        self,
        version_id: int,
        *,
        revision: int,
        epoch: int,
        root: str,
        number: str | None = None,
        packs: Sequence[str] = (),
        summary: Mapping[str, Any] | None = None,
        preview: str | None = None,
        message: str | None = None,
        branch: bool = False,
    ) -> VersionRow:
        """Makes a draft a version. May be repeated: the version is returned as it is.

        Args:
            number: None: the one that was wished for, else the next one.
            preview, message: None: as they are.
            branch: It need not be made from the newest version.

        Raises:
            VersionConflict: It is not made from the version that is the newest (has the highest number) by now.
            VersionRefused: The number is taken, or this is no draft any more.
            VersionNotFound, DraftMoved, EpochMoved, PacksGone: As `checkpoint`.
            InputError: No version number.
        """
        if number is not None:
            precedence(number)

        def work(connection: Connection) -> VersionRow:
            found = find_version(connection, version_id)
            if found and _is_done(found[0], root, number):
                return found[0]
            turn = take_turn(connection, epoch=epoch, packs=packs)
            row = self._draft(connection, version_id, revision)
            newest = None if branch else head(connection, row.dataset)
            if newest is not None and newest.id not in row.parents:
                raise VersionConflict(row.shown, newest)
            given = number or row.number or self._next(connection, row.dataset)
            if self._is_taken(connection, row.dataset, given):
                self._refuse_number(given)
            if newest is not None and precedence(given) < precedence(str(newest.number)):
                why = f"It comes from {newest.number}, which is higher, and would never be the newest."
                raise VersionRefused(
                    row.shown,
                    "a draft",
                    f"finished as {given}",
                    "Choose a higher number, or finish it as a branch.",
                    why=why,
                )
            values: dict[str, Any] = {
                "status": VersionStatus.FINAL.value, "number": given, "precedence": precedence(given), "root": root,
                "summary": to_text(dict(summary or {})), "finalized_at": self._now,
            }  # fmt: skip
            if preview is not None:
                values["preview"] = preview
            if message is not None:
                values["message"] = clean(message)
            self._update(connection, version_id, turn, values)
            row = get_version(connection, version_id)
            told = {"parents": list(row.parents), "summary": dict(row.summary)}
            self._teller.tell_of(connection, DatasetEventKind.VERSION_FINALIZED, row, **told)
            return row

        return self._database.write(work)

    def discard(self, version_id: int, *, revision: int | None = None) -> None:
        """Gives a draft up: what it alone needed is removed by the next garbage collection. May be repeated.

        Args:
            revision: Only as it was then.

        Raises:
            DraftMoved: Somebody has changed it since.
            VersionRefused: It is no draft.
            VersionNotFound: There is none.
        """

        def work(connection: Connection) -> None:
            row = get_version(connection, version_id, lock=True)
            if row.status is VersionStatus.DELETED and row.finalized_at is None:
                return
            if row.status is not VersionStatus.DRAFT:
                fix = f"Only drafts are discarded. Delete it: meristem data delete {row.shown}."
                raise VersionRefused(row.shown, row.status.value, "discarded", fix)
            if revision is not None and row.revision != revision:
                raise DraftMoved(row.shown, revision, row.revision)
            # Its wish for a number ends with it.
            values = {"status": VersionStatus.DELETED.value, "number": None, "updated_at": self._now}
            connection.execute(update(dataset_versions).where(_V.id == version_id).values(values))
            self._teller.tell_of(connection, DatasetEventKind.DRAFT_DISCARDED, get_version(connection, version_id))

        self._database.write(work)

    def propose(self, dataset_id: int) -> str:
        """The number that the next version may have: one patch above the highest that was ever given."""
        return self._database.read(lambda connection: self._next(connection, dataset_id))

    def _write(
        self,
        version_id: int,
        revision: int,
        epoch: int,
        packs: Sequence[str],
        values: Mapping[str, Any],
        *,
        parents: Sequence[int] | None = None,
    ) -> int:
        write_id = secrets.token_hex(8)
        tried = False

        def work(connection: Connection) -> int:
            nonlocal tried
            if tried and (found := find_version(connection, version_id)) and found[1] == write_id:
                return found[0].revision
            tried = True
            turn = take_turn(connection, epoch=epoch, packs=packs)
            row = self._draft(connection, version_id, revision)
            told: dict[str, Any] = {"revision": revision + 1, "packs": len(packs)}
            if parents is not None:
                for parent in set(parents) - set(row.parents):  # those that it has may be deleted by now
                    self._parent(connection, parent)
                told["parents"] = list(dict.fromkeys(parents))
                connection.execute(delete(dataset_parents).where(dataset_parents.c.version_id == version_id))
                self._set_parents(connection, version_id, parents)
            self._update(connection, version_id, turn, {**values, "revision": revision + 1, "write_id": write_id})
            self._teller.tell_of(connection, DatasetEventKind.DRAFT_CHECKPOINTED, row, **told)
            return revision + 1

        return self._database.write(work)

    def _begun(self, connection: Connection, dataset: int, write_id: str) -> VersionRow | None:
        query = select(_V.id).where(_V.dataset_id == dataset, IS_DRAFT, _V.write_id == write_id)
        version = connection.execute(query).scalar()
        return None if version is None else get_version(connection, version)

    def _draft(self, connection: Connection, version: int, revision: int) -> VersionRow:
        """The draft, held until the transaction ends, as its writer knows it."""
        row = get_version(connection, version, lock=True)
        if row.status is not VersionStatus.DRAFT:
            fix = "Begin a new draft from it." if row.status in VERSION_READABLE else "Begin a new draft."
            raise VersionRefused(row.shown, row.status.value, "written", fix)
        if row.revision != revision:
            raise DraftMoved(row.shown, revision, row.revision)
        return row

    def _update(self, connection: Connection, version: int, turn: Turn, values: Mapping[str, Any]) -> None:
        changed = {"changed": turn.changes, "updated_at": self._now, **values}
        connection.execute(update(dataset_versions).where(_V.id == version).values(changed))

    def _parent(self, connection: Connection, parent: int) -> VersionRow:
        row = get_version(connection, parent)
        if row.status in VERSION_READABLE:
            return row
        why = {
            VersionStatus.DRAFT: "A draft may still change, or be given up.",
            VersionStatus.DELETED: "What it held is gone, or will be.",
        }
        fix = "Finish it first (finalize, meristem data commit), or use another version."
        raise VersionRefused(row.shown, row.status.value, "a parent", fix, why=why[row.status])

    def _set_parents(self, connection: Connection, version: int, parents: Sequence[int]) -> None:
        ordered = enumerate(dict.fromkeys(parents))
        rows = [{"version_id": version, "parent_id": parent, "position": place} for place, parent in ordered]
        if rows:
            connection.execute(insert(dataset_parents), rows)

    def _require_dataset(self, connection: Connection, dataset: int) -> None:
        if connection.execute(select(datasets.c.id).where(datasets.c.id == dataset)).scalar() is None:
            raise DatasetNotFound(str(dataset), self._database.shown_url, ())

    @staticmethod
    def _next(connection: Connection, dataset: int) -> str:
        numbered = (_V.dataset_id == dataset, _V.precedence.is_not(None))
        query = select(_V.number).where(*numbered).order_by(_V.precedence.desc()).limit(1)
        return following(connection.execute(query).scalar())

    @staticmethod
    def _is_taken(connection: Connection, dataset: int, number: str) -> bool:
        query = select(_V.id).where(_V.dataset_id == dataset, _V.precedence == precedence(number))
        return connection.execute(query).scalar() is not None

    @staticmethod
    def _refuse_number(number: str) -> NoReturn:
        fix = "Choose another, or none: the next one is then proposed."
        why = "A number means one content for ever, also of a version that was deleted."
        raise VersionRefused(f"Number {number}", "taken", "given again", fix, why=why)


def _is_done(row: VersionRow, root: str, number: str | None) -> bool:
    """Whether the draft was made this version before."""
    return row.status in VERSION_READABLE and row.root == root and number in (None, row.number)


def check_tags(tags: Sequence[str]) -> None:
    if problems := naming_problems(tags=tags):
        raise InputError("A version cannot be tagged so", problems)
