"""Who holds a study: owners, and leases with an expiry and a fencing number.

The expiry is told by the database's clock. A new holder gets a higher number, and every write of a
holder names its number, so one that was thought dead can do no harm. A holder on this machine whose
process has gone is known to be dead at once, without waiting for the expiry.
"""

from __future__ import annotations

import os
import platform
import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil
from sqlalchemy import ColumnElement, Connection, literal_column, or_, select, update

from meristem.errors import LeaseLost, StudyBusy
from meristem.store.database import Database
from meristem.store.tables import studies

LEASE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What a holder hears when it renews its lease."""

    stop_message: str | None
    last_event: int


def new_owner() -> str:
    """A name for who takes a lease now, never used before: pid, machine, start of the process, a nonce."""
    pid = os.getpid()
    return f"pid {pid} on {platform.node()} [{_machine()} {pid} {_started(pid)} {secrets.token_hex(4)}]"


def is_dead(owner: str) -> bool:
    """Whether `owner` is a process of this machine that has ended."""
    facts = owner.rpartition("[")[2].rstrip("]").split(" ")
    if len(facts) != 4 or facts[0] != _machine() or not facts[1].isdigit():
        return False
    pid = int(facts[1])
    try:
        return _started(pid) != facts[2] or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def is_held(owner: str | None, seconds: float | None) -> bool:
    """Whether a lease of `owner` that expires in `seconds` is that of somebody who lives."""
    return owner is not None and (seconds or 0.0) > 0 and not is_dead(owner)


def _started(pid: int) -> str:
    """When a process started, on a clock that nobody sets; tells it from a later one with its pid."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return "t" + stat.rpartition(")")[2].split()[19]  # in ticks since boot
    except (OSError, IndexError):
        return f"{psutil.Process(pid).create_time():.2f}"


def _machine() -> str:
    # The boot and the process namespace: a pid means the same process only within both.
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return f"{platform.node()}/{psutil.boot_time():.0f}"


SQLITE_NOW = "((julianday('now') - 2440587.5) * 86400.0)"
POSTGRES_NOW = "extract(epoch from clock_timestamp())::double precision"


def database_now(database: Database) -> ColumnElement[float]:
    """Seconds since the epoch on the database's clock, as an SQL expression."""
    return literal_column(SQLITE_NOW if database.is_sqlite else POSTGRES_NOW)


def now_of(connection: Connection) -> ColumnElement[float]:
    """As `database_now`."""
    return literal_column(SQLITE_NOW if connection.dialect.name == "sqlite" else POSTGRES_NOW)


class Leases:
    """Takes, renews and gives back the lease of a study."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._now = database_now(database)

    def acquire(self, study_id: int, owner: str, *, duration: timedelta = LEASE) -> int:
        """Takes the study's lease and returns its fencing number.

        Raises:
            StudyBusy: A living holder has it.
        """
        return self._database.write(lambda c: self._acquire(c, study_id, owner, duration))

    def _acquire(self, connection: Connection, study_id: int, owner: str, duration: timedelta) -> int:
        holder = connection.execute(
            select(studies.c.name, studies.c.lease_owner, studies.c.lease_expires_at - self._now).where(
                studies.c.id == study_id
            )
        ).one()
        # Its own name there: the answer to this very request was lost, and it is asked again.
        dead = holder[1] if holder[1] and (holder[1] == owner or is_dead(holder[1])) else None
        taken = connection.execute(
            update(studies)
            .where(
                studies.c.id == study_id,
                or_(
                    studies.c.lease_owner.is_(None),
                    studies.c.lease_expires_at < self._now,
                    studies.c.lease_owner == dead,
                ),
            )
            .values(
                lease_owner=owner,
                lease_token=studies.c.lease_token + 1,
                lease_expires_at=self._now + duration.total_seconds(),
                stop_message=None,  # what was said to an earlier holder
            )
            .returning(studies.c.lease_token)
        ).scalar()
        if taken is None:
            raise StudyBusy(holder[0], holder[1].partition(" [")[0], holder[2] or 0.0)
        return int(taken)

    def renew(self, study_id: int, token: int, *, duration: timedelta = LEASE) -> Pulse:
        """Keeps the lease for another `duration`, and tells what others did to the study.

        Raises:
            LeaseLost: Another holder has it by now.
        """

        def work(connection: Connection) -> Pulse:
            row = connection.execute(
                update(studies)
                .where(studies.c.id == study_id, studies.c.lease_token == token)
                .values(lease_expires_at=self._now + duration.total_seconds())
                .returning(studies.c.stop_message, studies.c.last_event)
            ).one_or_none()
            if row is None:
                raise LeaseLost(self._name(connection, study_id))
            return Pulse(stop_message=row[0], last_event=row[1])

        return self._database.write(work)

    def release(self, study_id: int, token: int) -> None:
        """Gives the lease back; does nothing where it was lost."""
        self._database.write(
            lambda connection: connection.execute(
                update(studies)
                .where(studies.c.id == study_id, studies.c.lease_token == token)
                .values(lease_owner=None, lease_expires_at=None)
            )
        )

    @staticmethod
    def _name(connection: Connection, study_id: int) -> str:
        return str(connection.execute(select(studies.c.name).where(studies.c.id == study_id)).scalar())
