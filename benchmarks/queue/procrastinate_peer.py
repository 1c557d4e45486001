"""Procrastinate doing the same: deferring, running and waking, with its own worker in this process."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks.queue.measure import Spent, quantiles


def run(url: str, server: int, count: int, concurrency: int) -> dict[str, float]:
    """Runs `count` jobs that do nothing."""
    return _opened(url, lambda app, job: _run(app, job, Spent(server), count, concurrency))


def enqueue(url: str, server: int, count: int, batch: int) -> dict[str, float]:
    """Defers `count` jobs, `batch` in one call."""
    return _opened(url, lambda app, job: _enqueue(job, Spent(server), count, batch))


def latency(url: str, server: int, count: int) -> dict[str, float]:
    """From before a job is deferred until it is seen as done (polled), with an idle worker: milliseconds."""
    return _opened(url, lambda app, job: _latency(app, job, count))


def _opened(url: str, work: Callable[[Any, Any], Coroutine[Any, Any, dict[str, float]]]) -> dict[str, float]:
    import procrastinate

    logging.disable(logging.CRITICAL)
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, min_size=1, max_size=8))

    @app.task(queue="q")  # type: ignore[untyped-decorator]
    async def nothing(index: int) -> None:
        return None

    async def opened() -> dict[str, float]:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            return await work(app, nothing)

    return asyncio.run(opened())


async def _run(app: Any, job: Any, spent: Spent, count: int, concurrency: int) -> dict[str, float]:
    import psycopg

    await job.batch_defer_async(*({"index": index} for index in range(count)))
    with psycopg.connect(app.connector._pool_args["conninfo"], autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE procrastinate_jobs")
        connection.execute("CHECKPOINT")
        with spent:
            await _worker(app, wait=False, concurrency=concurrency)
        counted = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
        done = connection.execute(counted).fetchone()
    assert done is not None
    assert done[0] == count, done
    return spent.over(count)


async def _enqueue(job: Any, spent: Spent, count: int, batch: int) -> dict[str, float]:
    with spent:
        for start in range(0, count, batch):
            if batch == 1:
                await job.defer_async(index=start)
            else:
                await job.batch_defer_async(*({"index": index} for index in range(start, start + batch)))
    return spent.over(count)


async def _latency(app: Any, job: Any, count: int) -> dict[str, float]:
    worker = asyncio.create_task(_worker(app, wait=True, concurrency=1))
    await asyncio.sleep(1)
    seconds = []
    query = "SELECT status FROM procrastinate_jobs WHERE id = %(id)s"
    for _ in range(count):
        began = time.perf_counter()
        number = await job.defer_async(index=0)
        while (await app.connector.execute_query_one_async(query, id=number))["status"] != "succeeded":
            await asyncio.sleep(0.0005)
        seconds.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)  # idle again
    worker.cancel()
    return quantiles(seconds)


def _worker(app: Any, *, wait: bool, concurrency: int) -> Coroutine[Any, Any, None]:
    made: Coroutine[Any, Any, None] = app.run_worker_async(
        queues=["q"], wait=wait, concurrency=concurrency, install_signal_handlers=False
    )
    return made


WHAT: dict[str, Callable[..., Any]] = {"run": run, "enqueue": enqueue, "latency": latency}
