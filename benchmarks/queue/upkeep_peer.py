"""What keeps the store in order: enqueuing, heartbeats, sweeps; and very many finished tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.queue.measure import Spent
from benchmarks.queue.meristem_peer import ANY, claimed, fill, new_task, plain_url, register, settle
from meristem.store.store import Store
from meristem.store.task_rows import Held


def enqueue(url: str, server: int, count: int, batch: int) -> dict[str, float]:
    """Makes and enqueues `count` tasks, `batch` in one call of each."""
    store = Store(url)
    store.queues.ensure("q")
    with Spent(server) as spent:
        for _ in range(0, count, batch):
            store.queues.enqueue(store.tasks.create_many([new_task() for _ in range(batch)]), "q")
    return spent.over(count)


def heartbeats(url: str, server: int, workers: int, tasks: int) -> dict[str, float]:
    """Renews the leases of `workers`, each of which runs `tasks`: what one costs."""
    store, held = _all_claimed(url, workers, tasks, lease=3600.0)
    with Spent(server) as spent:
        for worker, mine in held.items():
            store.workers.renew(worker, mine)
    return {**spent.over(workers), "ms": 1e3 * spent.wall / workers}


def sweeps(url: str, server: int, workers: int, tasks: int) -> dict[str, float]:
    """A sweep that finds nothing, and one that finds that all of `workers` were lost, with `tasks` each."""
    store, _ = _all_claimed(url, workers, tasks, lease=3600.0)
    with Spent(server) as idle:
        for _ in range(200):
            assert not store.workers.sweep().workers
    store.database.write(lambda connection: connection.exec_driver_sql("UPDATE workers SET lease_expires_at = 0"))
    settle(store)
    with Spent(server) as found:
        swept = store.workers.sweep()
    assert len(swept.requeued) == workers * tasks, len(swept.requeued)
    return {
        "idle_ms": 1e3 * idle.wall / 200,
        "lost_s": found.wall,
        "lost_cpu_us": found.over(workers * tasks)["cpu_us"],
    }


def kept(url: str, server: int, count: int, batch: int, ended: int) -> dict[str, float]:
    """Claims and ends `count` tasks while `ended` finished ones, with their events, are in the store."""
    store = Store(url)
    if ended:
        _insert_ended(store, ended)
    fill(store, count)
    return claimed(store, server, count, batch)


def _all_claimed(url: str, workers: int, tasks: int, *, lease: float) -> tuple[Store, dict[str, list[Held]]]:
    store = Store(url)
    fill(store, workers * tasks)
    held: dict[str, list[Held]] = {}
    for _ in range(workers):
        worker = register(store, lease)
        claims = store.claims.claim(worker, ["q"], ANY, tasks)
        held[worker] = [Held(number=claim.number, fence=claim.fence) for claim in claims]
    settle(store)
    return store, held


_ENDED = (
    """
    INSERT INTO tasks (number, status, queue, needs, position, attempt, fence, worker, enqueued_at, started_at,
        ended_at, result)
    SELECT i, 'completed', (SELECT id FROM queues), (SELECT id FROM needs LIMIT 1), i, 1, 1, 'w' || (i %% 1000),
        i, i, i, '{"loss": 0.5}'
    FROM generate_series(%(first)s, %(last)s) i
    """,
    """
    INSERT INTO task_definitions (number, id, project, name, kind, source, environment, parameters, created_at,
        updated_at)
    SELECT i, 'f' || lpad(to_hex(i), 15, '0'), 'bench', 'nothing', 'training',
        '{"entry":"function","entry_point":"benchmarks.queue.functions:nothing"}', '{}', '{"General/index":1}', i, i
    FROM generate_series(%(first)s, %(last)s) i
    """,
    """
    INSERT INTO task_events (xact, at, kind, task, payload)
    SELECT 1, i, kind, i, '{"status":"completed","attempt":1,"worker":"w"}'
    FROM generate_series(%(first)s, %(last)s) i, unnest(array['task_enqueued', 'task_started', 'task_ended']) kind
    """,
    "SELECT setval(pg_get_serial_sequence('tasks', 'number'), %(last)s)",
)


def _insert_ended(store: Store, count: int) -> None:
    import psycopg

    fill(store, 1)
    with psycopg.connect(plain_url(store), autocommit=True) as connection:
        for statement in _ENDED:
            connection.execute(statement, {"first": 2, "last": count + 1})
        connection.execute("DELETE FROM task_definitions WHERE number = 1")
        connection.execute("DELETE FROM task_events WHERE task = 1")
        connection.execute("DELETE FROM tasks WHERE number = 1")


WHAT: dict[str, Callable[..., Any]] = {"enqueue": enqueue, "heartbeats": heartbeats, "sweeps": sweeps, "kept": kept}
