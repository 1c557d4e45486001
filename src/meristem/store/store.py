"""The store as one object: a database and its repositories, opened and checked."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text

from meristem.store import blob_place, schema
from meristem.store.blob_place import BlobStore
from meristem.store.database import Database, place_of
from meristem.store.dataset_tables import dataset_versions, datasets
from meristem.store.identity import store_id
from meristem.store.tables import events, studies, tasks, trials

if TYPE_CHECKING:
    from meristem.store.by_hand import ByHand
    from meristem.store.claims import Claims
    from meristem.store.commits import Commits
    from meristem.store.dataset_log import DatasetLog
    from meristem.store.dataset_packs import DatasetPacks
    from meristem.store.dataset_readers import DatasetReaders
    from meristem.store.datasets import Datasets
    from meristem.store.event_log import EventLog
    from meristem.store.lease import Leases
    from meristem.store.queues import Queues
    from meristem.store.studies import Studies
    from meristem.store.task_log import TaskLog
    from meristem.store.task_news import TaskNews
    from meristem.store.task_outputs import TaskOutputs
    from meristem.store.tasks import Tasks
    from meristem.store.trials import Trials
    from meristem.store.wakeups import Wakeups
    from meristem.store.workers import Workers

PATIENCE = timedelta(seconds=30)
_LONG_PATIENCE = timedelta(minutes=10)  # of a store that was there: trainings go on meanwhile


# Each is loaded when it is first used: a command needs two or three of them.
_REPOSITORIES = {
    "studies": "meristem.store.studies:Studies",
    "trials": "meristem.store.trials:Trials",
    "events": "meristem.store.event_log:EventLog",
    "leases": "meristem.store.lease:Leases",
    "commits": "meristem.store.commits:Commits",
    "tasks": "meristem.store.tasks:Tasks",
    "queues": "meristem.store.queues:Queues",
    "claims": "meristem.store.claims:Claims",
    "workers": "meristem.store.workers:Workers",
    "task_log": "meristem.store.task_log:TaskLog",
    "wakeups": "meristem.store.wakeups:Wakeups",
    "task_outputs": "meristem.store.task_outputs:TaskOutputs",
    "task_news": "meristem.store.task_news:TaskNews",
    "by_hand": "meristem.store.by_hand:ByHand",
    "datasets": "meristem.store.datasets:Datasets",
    "dataset_packs": "meristem.store.dataset_packs:DatasetPacks",
    "dataset_readers": "meristem.store.dataset_readers:DatasetReaders",
    "dataset_log": "meristem.store.dataset_log:DatasetLog",
}


class Store:
    """All state of Meristem in one database.

    Args:
        url: See `Database`; None for a database in this process's memory.
        patience: How long to wait for a database that is away or locked; by default half a minute when it is
            opened, ten minutes once it was there.
    """

    studies: Studies
    trials: Trials
    events: EventLog
    leases: Leases
    commits: Commits
    tasks: Tasks
    queues: Queues
    claims: Claims
    workers: Workers
    task_log: TaskLog
    wakeups: Wakeups
    task_outputs: TaskOutputs
    task_news: TaskNews
    by_hand: ByHand
    datasets: Datasets
    dataset_packs: DatasetPacks
    dataset_readers: DatasetReaders
    dataset_log: DatasetLog

    def __init__(self, url: str | None = None, *, patience: timedelta | None = None) -> None:
        self.database = Database(url or "sqlite://", patience=patience or PATIENCE)
        schema.ensure_schema(self.database)
        self.database.patience = patience or _LONG_PATIENCE

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name not in _REPOSITORIES:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            module, _, kind = _REPOSITORIES[name].partition(":")
            made = getattr(import_module(module), kind)(self.database)
            setattr(self, name, made)
            return made

    @property
    def patience(self) -> timedelta:
        """How long a piece of work waits for the database; a thread with other things to do sets it short."""
        return self.database.patience

    @patience.setter
    def patience(self, patience: timedelta) -> None:
        self.database.patience = patience

    @property
    def shown_url(self) -> str:
        """The URL without its password."""
        return self.database.shown_url

    @property
    def place(self) -> str:
        """As `shown_url`; a file by its whole path, the same from every folder."""
        return place_of(self.database.url)

    @property
    def file(self) -> Path | None:
        """The file of SQLite; None: it is no file."""
        database = self.database
        return Path(str(database.url.database)).absolute() if database.is_sqlite and not database.in_memory else None

    @cached_property
    def id(self) -> str:
        """What tells this store from every other one: 32 hex digits, drawn once."""
        return store_id(self.database)

    @cached_property
    def blobs(self) -> BlobStore:
        """Big bytes: beside the file of SQLite, in the database of PostgreSQL, or where `set_blobs_url` said."""
        return blob_place.open_blobs(self.database)

    @property
    def blobs_url(self) -> str:
        """Where `blobs` are: a folder, an fsspec URL, or `database:`."""
        return blob_place.blobs_url(self.database)

    @property
    def default_blobs_url(self) -> str:
        """Where `blobs` are while no place is chosen."""
        return blob_place.default_url(self.database)

    def set_blobs_url(self, url: str | None) -> None:
        """Chooses where blobs are stored from now on, by every user of this store; None: the default place.

        Raises:
            InputError: Nothing can be stored there.
        """
        blob_place.set_blobs_url(self.database, url)
        self.__dict__.pop("blobs", None)

    @property
    def in_memory(self) -> bool:
        return self.database.in_memory

    def info(self) -> dict[str, Any]:
        """Where it is, its schema version, and how much it holds."""

        def count(connection: Any) -> dict[str, int]:
            tables = {
                "studies": studies, "trials": trials, "events": events, "tasks": tasks, "datasets": datasets,
                "versions": dataset_versions,
            }  # fmt: skip
            return {n: connection.execute(select(func.count()).select_from(t)).scalar() for n, t in tables.items()}

        return {
            "url": self.database.shown_url,
            "schema": schema.current_version(self.database),
            **self.database.read(count),
        }

    def check(self) -> list[str]:
        """What is wrong with the store's contents, as sentences; empty when all is well."""
        problems: list[str] = []
        if self.database.is_sqlite:
            found = self.database.read(lambda c: c.execute(text("PRAGMA quick_check")).scalars().all())
            problems += [f"SQLite: {line}" for line in found if line != "ok"]
        problems += self.database.read(_gaps)
        return problems

    def close(self) -> None:
        self.database.close()


def _gaps(connection: Any) -> list[str]:
    counted = (
        select(events.c.study_id, func.count().label("n"), func.max(events.c.number).label("last"))
        .group_by(events.c.study_id)
        .subquery()
    )
    query = select(studies.c.name, studies.c.last_event, counted.c.n, counted.c.last).join(
        counted, counted.c.study_id == studies.c.id, isouter=True
    )
    return [
        f"Study {name!r}: its log should have {expected} events and has {n or 0} (the last is {last})."
        for name, expected, n, last in connection.execute(query)
        if not expected == n == last
    ]
