"""A real `meristem worker` beside this process: how soon, and how many, function tasks it runs."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.queue.measure import Spent, family_cpu_seconds, quantiles
from benchmarks.queue.meristem_peer import fill, new_task, settle
from benchmarks.queue.real_worker import command
from meristem.store.store import Store

_PATIENCE_SECONDS = 120.0


def latency(url: str, server: int, count: int) -> dict[str, float]:
    """From before a task is enqueued until it is seen as done (polled), with an idle worker: milliseconds."""
    store = Store(url)
    store.queues.ensure("q")
    seconds = []
    with _worker(url, slots=1):
        for number in store.tasks.create_many([new_task() for _ in range(count + 20)]):
            began = time.perf_counter()
            store.queues.enqueue([number], "q")
            _await_end(store, number)
            seconds.append(time.perf_counter() - began)
            time.sleep(0.01)  # idle again
    return quantiles(seconds[20:])


def run(url: str, server: int, count: int, slots: int) -> dict[str, float]:
    """Has `count` tasks that do nothing run by a worker with so many warm processes."""
    store = Store(url)
    with _worker(url, slots=slots) as worker:
        _await_end(store, fill(store, 1)[0])
        store.queues.pause("q")
        numbers = fill(store, count)
        settle(store)
        before = family_cpu_seconds(worker.pid)
        with Spent(server) as spent:
            store.queues.resume("q")
            while store.tasks.counts().get("completed", 0) <= count:
                time.sleep(0.05)
                assert worker.poll() is None
        used = family_cpu_seconds(worker.pid) - before
    assert len(numbers) == count
    found = spent.over(count)
    return {**found, "client_us": 1e6 * used / count, "cpu_us": found["server_us"] + 1e6 * used / count}


def second_start(url: str, server: int) -> dict[str, float]:
    """From its being enqueued to the first line of a script, in an environment that is new, and once more: seconds."""
    store = Store(url)
    store.queues.ensure("q")
    blob = {"blob": store.blobs.put(b"import time, packaging\nprint(time.time(), flush=True)\n")}
    source = {"entry": "script", "entry_point": "s.py", "script": blob, "script_name": "s.py"}
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    task = new_task(source=source, environment={"python": version, "packages": ["packaging==25.0"]}, parameters={})
    found = []
    with _worker(url, slots=1, environment="venv"):
        for number in store.tasks.create_many([task]) + [_clone(store, task.id, n) for n in range(2)]:
            began = time.time()
            store.queues.enqueue([number], "q")
            _await_end(store, number)
            row = store.tasks.get(number)
            assert row.status == "completed", row
            found.append(row.ended_at - began if row.ended_at else 0.0)
    return {"first_s": found[0], "second_s": min(found[1:])}


def _clone(store: Store, of: str, number: int) -> int:
    return store.tasks.clone(store.tasks.get(of).number, id=f"c{number:015x}").number


@contextlib.contextmanager
def _worker(url: str, *, slots: int, environment: str = "current") -> Iterator[subprocess.Popen[bytes]]:
    folder = Path(tempfile.mkdtemp(prefix="meristem-bench-"))
    arguments = command(url, "bench", "30", str(slots), str(folder))
    arguments[arguments.index("current")] = environment
    store = Store(url)
    store.queues.ensure("q")
    worker = subprocess.Popen([sys.executable, "-m", "meristem.cli.main", *arguments], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not store.workers.list() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.0)  # its processes warm up
        yield worker
    finally:
        worker.terminate()
        worker.wait(30)
        store.close()
        shutil.rmtree(folder, ignore_errors=True)


def _await_end(store: Store, number: int) -> None:
    query = f"SELECT status FROM tasks WHERE number = {int(number)}"
    deadline = time.monotonic() + _PATIENCE_SECONDS

    def status() -> str:
        if store.database.is_sqlite:
            return str(store.database.read(lambda connection: connection.exec_driver_sql(query).scalar()))
        return str(store.database.statement(query, {})[0][0])

    while status() not in ("completed", "failed", "aborted"):
        assert time.monotonic() < deadline, f"task {number} does not end"
        time.sleep(0.0005)


WHAT: dict[str, Callable[..., Any]] = {"latency": latency, "run": run, "second_start": second_start}
