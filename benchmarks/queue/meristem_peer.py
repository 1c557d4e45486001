"""Meristem's own measurements: claims and ends, enqueuing, sweeps and heartbeats, through the repositories."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from benchmarks.queue.measure import Spent, settle_disk
from meristem.needs import Needs, Offer
from meristem.statuses import TaskStatus
from meristem.store.store import Store
from meristem.store.task_rows import Ending, NewTask, NewWorker

ANY = [Needs()]
_numbers = itertools.count()


def claim(url: str, server: int, count: int, batch: int) -> dict[str, float]:
    """Claims and ends `count` tasks in batches."""
    store = Store(url)
    fill(store, count)
    return claimed(store, server, count, batch)


def claimed(store: Store, server: int, count: int, batch: int) -> dict[str, float]:
    """As `claim`, of tasks that wait."""
    settle(store)
    worker, done = register(store), 0
    with Spent(server) as spent:
        while found := store.claims.claim(worker, ["q"], ANY, batch):
            ends = [Ending(number=one.number, fence=one.fence, status=TaskStatus.COMPLETED) for one in found]
            done += len(store.claims.finish(worker, ends))
    assert done == count, (done, count)
    return spent.over(count)


def new_task(**fields: Any) -> NewTask:
    """A task that calls a function which does nothing."""
    given = {
        "id": f"a{next(_numbers):05x}{secrets.token_hex(5)}", "project": "bench", "name": "nothing",
        "source": {"entry": "function", "entry_point": "benchmarks.queue.functions:nothing"},
        "parameters": {"General/index": 1},
    }  # fmt: skip
    return NewTask(**{**given, **fields})


def fill(store: Store, count: int, queue: str = "q", **fields: Any) -> list[int]:
    """Enqueues `count` tasks and returns their numbers."""
    store.queues.ensure(queue)
    numbers = store.tasks.create_many([new_task(**fields) for _ in range(count)])
    store.queues.enqueue(numbers, queue)
    return numbers


def register(store: Store, lease: float = 3600.0) -> str:
    worker = f"b{secrets.token_hex(8)[1:]}"
    new = NewWorker(id=worker, name="bench", queues=["q"], offer=Offer())
    store.workers.register(new, lease=timedelta(seconds=lease))
    return worker


def settle(store: Store) -> None:
    """What the database would do in the background later, now: so that it does not fall into a measurement."""
    if store.database.is_sqlite:
        return
    import psycopg

    with psycopg.connect(plain_url(store), autocommit=True) as connection:
        for table in ("tasks", "task_definitions", "task_events", "workers"):
            connection.execute(f"VACUUM ANALYZE {table}")
        connection.execute("CHECKPOINT")
    settle_disk()


def plain_url(store: Store) -> str:
    return store.database.url.set(drivername="postgresql").render_as_string(hide_password=False)


WHAT: dict[str, Callable[..., Any]] = {"claim": claim}
