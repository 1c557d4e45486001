"""The turn that writers of datasets take, by which garbage collection cannot remove what somebody just referred to.

Whoever changes which objects are needed (the root of a draft or version, its preview, its logs), or where objects lie
(packs that become live or are condemned), writes the one row of `dataset_epoch` first, in the same transaction. From
that it follows:

- They take turns: the row is held until the transaction has ended. Their changes are numbered in the order in which
  they become visible, in every database; so `changed > cursor` finds all that has come since.
- The epoch, which rises whenever packs are condemned, is compared in the same turn. A writer that looked objects up
  at an older epoch is refused, and looks again.

Condemning compares the number of the last change as well: no root can have come that was not marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select, update

from meristem.store.dataset_rows import EpochMoved, PacksGone, PackState
from meristem.store.dataset_tables import dataset_epoch, dataset_packs

_E, _P = dataset_epoch.c, dataset_packs.c
_TURN = (
    update(dataset_epoch)
    .where(_E.id == 1)
    .values(changes=_E.changes + bindparam("by"))
    .returning(_E.epoch, _E.changes, _E.write_id)
)
_SEEN = select(_E.epoch, _E.changes, _E.write_id).where(_E.id == 1)
_LIVE = (
    update(dataset_packs)
    .where(_P.name == bindparam("pack"), _P.state == PackState.INCOMING.value)
    .values(state=PackState.LIVE.value, serial=bindparam("given"))
)
_BULK = 500


class Turn(NamedTuple):
    """The row as it stands: `changes` is the number of the change that this turn makes."""

    epoch: int
    changes: int
    write_id: str


def take_turn(connection: Connection, *, epoch: int | None, packs: Sequence[str] = ()) -> Turn:
    """Waits for the others, compares the epoch, and makes `packs` live. The first thing that a change does.

    Args:
        epoch: At which the writer looked objects up; None: it refers only to what another version needs already.

    Raises:
        EpochMoved: Packs were condemned since.
        PacksGone: Some of `packs` are not there, or condemned.
    """
    turn = _take(connection, 1 + len(packs))
    if epoch is not None and turn.epoch != epoch:
        raise EpochMoved(turn.epoch)
    if packs:
        _make_live(connection, list(dict.fromkeys(packs)), turn.changes - len(packs))
    return turn


def look(connection: Connection) -> Turn:
    """The row as it stands, without taking a turn."""
    row = connection.execute(_SEEN).one_or_none()
    return Turn(0, 0, "") if row is None else Turn(*row)


def _take(connection: Connection, by: int) -> Turn:
    row = connection.execute(_TURN, {"by": by}).one_or_none()
    if row is None:  # the first one in this store
        mark = "?" if connection.dialect.name == "sqlite" else "%s"
        connection.exec_driver_sql(
            f"INSERT INTO dataset_epoch (id, epoch, changes, write_id) VALUES (1, 0, 0, {mark}) ON CONFLICT DO NOTHING",
            ("",),
        )
        row = connection.execute(_TURN, {"by": by}).one()
    return Turn(*row)


def _make_live(connection: Connection, names: list[str], before: int) -> None:
    there: dict[str, str] = {}
    for start in range(0, len(names), _BULK):
        part = names[start : start + _BULK]
        query = select(_P.name, _P.state).where(_P.name.in_(part))
        there |= {row.name: row.state for row in connection.execute(query)}
    usable = (PackState.INCOMING, PackState.LIVE)
    if gone := [name for name in names if there.get(name) not in usable]:
        raise PacksGone(gone)
    new = [name for name in names if there[name] == PackState.INCOMING]
    if new:
        connection.execute(_LIVE, [{"pack": name, "given": before + i} for i, name in enumerate(new, start=1)])
