"""The plain loop that everything is held against: one table, one claim and one end, no events, no definitions.

On PostgreSQL `FOR UPDATE SKIP LOCKED` with prepared statements, on SQLite one immediate transaction each.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

from benchmarks.queue.measure import Spent, quantiles, settle_disk

_POSTGRES_TABLE = """
DROP TABLE IF EXISTS job;
CREATE TABLE job(id bigserial PRIMARY KEY, queue text NOT NULL, priority int NOT NULL DEFAULT 0,
    status smallint NOT NULL DEFAULT 0, worker text, lease_until timestamptz, attempts int NOT NULL DEFAULT 0,
    payload jsonb NOT NULL, created timestamptz NOT NULL DEFAULT now());
CREATE INDEX job_ready ON job(queue, priority DESC, id) WHERE status = 0;
CREATE INDEX job_lease ON job(lease_until) WHERE status = 1;
"""
_POSTGRES_CLAIM = """
UPDATE job SET status = 1, worker = %s, attempts = attempts + 1, lease_until = now() + interval '30 s'
WHERE id IN (SELECT id FROM job WHERE queue = 'q' AND status = 0
             ORDER BY priority DESC, id LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING id, payload
"""
_POSTGRES_DONE = "UPDATE job SET status = 2, lease_until = NULL WHERE id = ANY(%s) AND worker = %s AND status = 1"
_SQLITE_TABLE = """
CREATE TABLE job(id integer PRIMARY KEY, queue text NOT NULL, priority int NOT NULL DEFAULT 0,
    status int NOT NULL DEFAULT 0, worker text, lease_until real, attempts int NOT NULL DEFAULT 0,
    payload text NOT NULL, created real);
CREATE INDEX job_ready ON job(queue, priority DESC, id) WHERE status = 0;
CREATE INDEX job_lease ON job(lease_until) WHERE status = 1;
"""
_SQLITE_CLAIM = """
UPDATE job SET status = 1, worker = ?, attempts = attempts + 1, lease_until = ? WHERE id IN
    (SELECT id FROM job WHERE queue = 'q' AND status = 0 ORDER BY priority DESC, id LIMIT ?) RETURNING id, payload
"""
_SQLITE_DONE = "UPDATE job SET status = 2, lease_until = NULL WHERE id = ? AND worker = ? AND status = 1"


def claim(url: str, server: int, count: int, batch: int, sync: str = "on") -> dict[str, float]:
    """Claims and ends `count` jobs. `sync`: whether a commit waits for the disk (PostgreSQL)."""
    return _claim_sqlite(url, count, batch) if url.startswith("sqlite") else _claim(url, server, count, batch, sync)


def kept(url: str, server: int, count: int, batch: int, ended: int) -> dict[str, float]:
    """As `claim`, with `ended` finished jobs kept in the table."""
    return _claim(url, server, count, batch, "on", ended)


def latency(url: str, server: int, count: int) -> dict[str, float]:
    """From before the insert until another thread, woken by a notice, has claimed and ended the job: milliseconds."""
    import psycopg

    seconds: list[float] = []
    ready, seen = threading.Event(), threading.Event()

    def work() -> None:
        with psycopg.connect(url, autocommit=True) as listening, psycopg.connect(url, autocommit=True) as working:
            listening.execute("LISTEN job")
            ready.set()
            for notice in listening.notifies():
                if notice.payload == "end":
                    return
                rows = working.execute(_POSTGRES_CLAIM, ("w", 1), prepare=True).fetchall()
                working.execute(_POSTGRES_DONE, ([row[0] for row in rows], "w"), prepare=True)
                seconds.append(time.perf_counter() - rows[0][1]["t"])
                seen.set()

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_POSTGRES_TABLE)
        thread = threading.Thread(target=work)
        thread.start()
        ready.wait()
        for _ in range(count):
            seen.clear()
            insert = "INSERT INTO job(queue, payload) VALUES ('q', jsonb_build_object('t', %s::float8))"
            with connection.transaction():
                connection.execute(insert, (time.perf_counter(),), prepare=True)
                connection.execute("SELECT pg_notify('job', '')", prepare=True)
            seen.wait(10)
        connection.execute("SELECT pg_notify('job', 'end')")
        thread.join()
    return quantiles(seconds)


def _claim(url: str, server: int, count: int, batch: int, sync: str, ended: int = 0) -> dict[str, float]:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_POSTGRES_TABLE)
        insert = "INSERT INTO job(queue, status, payload) SELECT 'q', %s, '{\"task\": 1}' FROM generate_series(1, %s)"
        for status, number in ((2, ended), (0, count)):
            connection.execute(insert, (status, number))
        connection.execute("VACUUM ANALYZE job")
        connection.execute("CHECKPOINT")
        settle_disk()
        connection.execute(f"SET synchronous_commit = {sync}")

        def once(worker: str) -> int:
            rows = connection.execute(_POSTGRES_CLAIM, (worker, batch), prepare=True).fetchall()
            if rows:
                connection.execute(_POSTGRES_DONE, ([row[0] for row in rows], worker), prepare=True)
            return len(rows)

        return _drained(once, count, Spent(server))


def _claim_sqlite(url: str, count: int, batch: int) -> dict[str, float]:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.executescript(_SQLITE_TABLE)
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO job(queue, payload) VALUES ('q', ?)", [('{"task": 1}',)] * count)
    connection.execute("COMMIT")

    def once(worker: str) -> int:
        connection.execute("BEGIN IMMEDIATE")
        rows = connection.execute(_SQLITE_CLAIM, (worker, time.time() + 30, batch)).fetchall()
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_SQLITE_DONE, [(row[0], worker) for row in rows])
        connection.execute("COMMIT")
        return len(rows)

    return _drained(once, count, Spent())


def _drained(once: Callable[[str], int], count: int, spent: Spent) -> dict[str, float]:
    worker, done = f"w{os.getpid()}", 0
    with spent:
        while found := once(worker):
            done += found
    assert done == count, (done, count)
    return spent.over(count)


WHAT: dict[str, Callable[..., Any]] = {"claim": claim, "kept": kept, "latency": latency}
