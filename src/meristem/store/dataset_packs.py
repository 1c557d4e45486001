"""The repository of packs: which there are, which are looked into, which are to be deleted.

A pack's row is written before its file, so that every file is known. Its way is incoming, live, condemned, forgotten;
an incoming one may be condemned as well. A row is never removed: the name of a pack that was condemned is never used
again, so that a deletion which comes late, of a process that slept, hits no file that somebody needs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from functools import partial
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, select, update

from meristem.events import DatasetEventKind
from meristem.store.database import Database
from meristem.store.dataset_epoch import look, take_turn
from meristem.store.dataset_log import DatasetTeller
from meristem.store.dataset_roots import roots
from meristem.store.dataset_rows import (
    LivePacks,
    PackCondemned,
    PackRow,
    PackState,
    RootRow,
    RootsMoved,
)
from meristem.store.dataset_tables import (
    IS_DRAFT,
    dataset_epoch,
    dataset_pack_drafts,
    dataset_packs,
    dataset_versions,
)
from meristem.store.lease import database_now

_BULK = 500
_TRIES = 20  # to condemn between two writes of others, before they have to wait
_P, _O = dataset_packs.c, dataset_pack_drafts.c
_THERE = (PackState.INCOMING.value, PackState.LIVE.value)


class DatasetPacks:
    """Knows all packs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._now = database_now(database)
        self._teller = DatasetTeller(database)
        dialect = import_module(f"sqlalchemy.dialects.{'sqlite' if database.is_sqlite else 'postgresql'}")
        made = dialect.insert(dataset_packs)
        # Nothing is updated; but so its row is held, and its state told, in one statement.
        self._intent = made.on_conflict_do_update(index_elements=["name"], set_={"name": made.excluded.name}).returning(
            _P.state
        )
        self._owner = dialect.insert(dataset_pack_drafts).on_conflict_do_nothing()

    def live(self, after: int = 0) -> LivePacks:
        """The packs that became live after serial `after`, in that order; and the epoch.

        Where the epoch is another than the reader's, packs are gone, which only the whole list (`after` 0) tells.
        """
        query = _packs().where(_P.state == PackState.LIVE.value, _P.serial > after).order_by(_P.serial)

        def work(connection: Connection) -> LivePacks:
            # The epoch first: packs that are condemned in between make it an old one, and the writer looks again.
            epoch = look(connection).epoch
            return LivePacks(epoch, [_row(row) for row in connection.execute(query)])

        return self._database.read(work)

    def intend(self, draft: int | None, name: str, size: int, objects: int) -> None:
        """Writes down that a pack of this name is about to be stored. May be repeated.

        Args:
            draft: Id of the version for which it is made. While that is a draft the pack is not condemned. None: of
                garbage collection.
            size: Of the file, in bytes.

        Raises:
            PackCondemned: A pack of this name was condemned once: give it another one.
        """

        def work(connection: Connection) -> None:
            values = {
                "name": name, "size": size, "objects": objects, "draft": draft, "state": PackState.INCOMING.value,
            }  # fmt: skip
            state = connection.execute(self._intent.values(made_at=self._now, **values)).scalar_one()
            if state not in _THERE:
                raise PackCondemned(name)
            if draft is not None:
                connection.execute(self._owner, {"draft": draft, "pack": name})

        self._database.write(work)

    def activate(self, names: Sequence[str], *, epoch: int) -> None:
        """Has readers look into packs that hold again what others hold damaged. May be repeated.

        Raises:
            EpochMoved, PacksGone: See `dataset_epoch`.
        """
        self._database.write(lambda connection: take_turn(connection, epoch=epoch, packs=names))

    def of_draft(self, draft: int) -> list[PackRow]:
        """The packs that were made for a draft and are not condemned, the oldest first: for one that is resumed."""
        query = _packs().join(dataset_pack_drafts, _O.pack == _P.name).where(_O.draft == draft, _P.state.in_(_THERE))
        return self._rows(query.order_by(_P.made_at, _P.name))

    def stored_for(self, version: int) -> int:
        """How many bytes of packs were made for a version."""
        query = select(func.coalesce(func.sum(_P.size), 0)).where(_P.draft == version)
        return self._database.read(lambda connection: int(connection.execute(query).scalar_one()))

    def names(self, *states: PackState) -> set[str]:
        """The names of the packs in these states."""
        query = select(_P.name).where(_P.state.in_([state.value for state in states]))
        return self._database.read(lambda connection: set(connection.execute(query).scalars()))

    def condemn(
        self,
        names: Collection[str],
        *,
        epoch: int,
        cursor: int,
        made: Sequence[str] = (),
        spare: Callable[[Sequence[RootRow]], Collection[str]] | None = None,
    ) -> set[str]:
        """Condemns packs that nobody needs, and raises the epoch; returns those that are condemned now.

        Packs of open drafts stay: they hold what no root shows yet.

        Args:
            names: Packs of which no object below the roots is needed, or lies in another pack as well.
            epoch: At which the roots were read (`Datasets.roots`).
            cursor: Up to which they were marked.
            made: Packs with copies of what is still needed of `names`; they become live with the same stroke.
            spare: Given roots that have come since `cursor`, says which packs must stay because of them. It is called
                before, again while others keep writing, and at last while all writers wait: then it may read the
                store, not write it. None: RootsMoved tells the caller to mark them first.

        Raises:
            EpochMoved: Somebody else condemned packs since the roots were read.
            RootsMoved: Roots have come since.
            PacksGone: Some of `made` were condemned.
        """
        if not names:
            return set()
        write_id = secrets.token_hex(8)
        staying: set[str] = set()
        tries = 0

        def work(connection: Connection) -> set[str]:
            if look(connection).write_id == write_id:  # it arrived, its answer was lost
                return self._condemned(connection, names)
            turn = take_turn(connection, epoch=epoch, packs=made)
            before = turn.changes - 1 - len(made)
            late: set[str] = set()
            if before != cursor:
                if spare is None or tries < _TRIES or self._database.in_memory:
                    raise RootsMoved(before)
                late.update(spare(roots(connection, cursor).rows))
            going = self._unowned(connection, sorted(set(names) - staying - late - set(made)))
            if not going:
                return set()
            self._condemn(connection, going, turn.epoch + 1, write_id)
            return set(going)

        while True:
            try:
                return self._database.write(work)
            except RootsMoved:
                if spare is None:
                    raise
            tries += 1
            came = self._database.read(partial(roots, after=cursor))
            staying.update(spare(came.rows))
            cursor = came.cursor

    def condemned(self, older_than: timedelta = timedelta(0)) -> list[PackRow]:
        """Packs that were condemned at least so long ago: their files are to be deleted."""
        late = self._now - older_than.total_seconds()
        condemned = (_P.state == PackState.CONDEMNED.value, _P.condemned_at <= late)
        return self._rows(_packs().where(*condemned).order_by(_P.name))

    def forget(self, names: Collection[str]) -> None:
        """Writes down that the files of condemned packs were deleted. May be repeated."""
        ordered = sorted(names)

        def work(connection: Connection) -> None:
            for part in _parts(ordered):
                gone = (_P.name.in_(part), _P.state == PackState.CONDEMNED.value)
                connection.execute(update(dataset_packs).where(*gone).values(state=PackState.FORGOTTEN.value))
                connection.execute(delete(dataset_pack_drafts).where(_O.pack.in_(part)))

        self._database.write(work)

    def _unowned(self, connection: Connection, names: Sequence[str]) -> Sequence[str]:
        """Those of `names` that are there and belong to no open draft."""
        found: list[str] = []
        for part in _parts(names):
            there = select(_P.name).where(_P.name.in_(part), _P.state.in_(_THERE)).order_by(_P.name)
            if not self._database.is_sqlite:  # who intends such a pack now comes wholly before this, or after it
                there = there.with_for_update()
            held = list(connection.execute(there).scalars())
            owned = select(_O.pack).join(dataset_versions, dataset_versions.c.id == _O.draft)
            owners = set(connection.execute(owned.where(_O.pack.in_(held), IS_DRAFT)).scalars())
            found += [name for name in held if name not in owners]
        return found

    def _condemn(self, connection: Connection, names: Sequence[str], epoch: int, write_id: str) -> None:
        size = 0
        for part in _parts(names):
            size += connection.execute(select(func.sum(_P.size)).where(_P.name.in_(part))).scalar() or 0
            values = {"state": PackState.CONDEMNED.value, "condemned_at": self._now}
            connection.execute(update(dataset_packs).where(_P.name.in_(part)).values(values))
        connection.execute(update(dataset_epoch).values(epoch=epoch, write_id=write_id))
        told = {"packs": len(names), "bytes": int(size), "epoch": epoch}
        self._teller.tell(connection, DatasetEventKind.PACKS_CONDEMNED, told)

    @staticmethod
    def _condemned(connection: Connection, names: Collection[str]) -> set[str]:
        found: set[str] = set()
        for part in _parts(sorted(names)):
            gone = select(_P.name).where(_P.name.in_(part), _P.state == PackState.CONDEMNED.value)
            found |= set(connection.execute(gone).scalars())
        return found

    def _rows(self, query: Select[Any]) -> list[PackRow]:
        return self._database.read(lambda connection: [_row(row) for row in connection.execute(query)])


def _packs() -> Select[Any]:
    return select(dataset_packs)


def _parts(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + _BULK] for start in range(0, len(names), _BULK)]


def _row(row: Row[Any]) -> PackRow:
    return PackRow(
        name=row.name,
        serial=row.serial,
        size=row.size,
        objects=row.objects,
        draft=row.draft,
        state=PackState(row.state),
    )
