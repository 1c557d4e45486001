"""Runs the swarm of `swarm.py` in a few processes on a server of its own, and says how long claims took in it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from statistics import mean

from benchmarks.queue.measure import Spent, quantiles
from benchmarks.queue.meristem_peer import fill, settle
from benchmarks.queue.postgres import server
from meristem.store.store import Store

_PROCESSES = 4
_CONNECTIONS_EACH = 3  # statements of claims and ends, all else, and its ear


def measure(workers: int, seconds: float) -> dict[str, float]:
    """p50 and p99 of a claim among `workers` that work for `seconds`, in milliseconds."""
    settings = {"max_connections": str(workers * _CONNECTIONS_EACH + 100)}
    with server(settings) as running:
        url = running.new_database("swarm")
        store = Store(url)
        fill(store, int(workers * (1 + seconds / 2)))
        settle(store)
        line = [sys.executable, "-m", "benchmarks.queue.swarm", url, str(workers // _PROCESSES), str(seconds)]
        processes = [
            subprocess.Popen([*line, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for number in range(_PROCESSES)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        with Spent(running.pid) as spent:
            memory: list[int] = []
            watcher = threading.Thread(target=lambda: (time.sleep(seconds / 2), memory.append(running.memory_bytes())))
            watcher.start()
            answers = _answers(processes)
        watcher.join()
        ended = store.tasks.counts().get("completed", 0)
        store.close()
    claims = [second for answer in answers for second in answer["claims"]]
    renewals = [second for answer in answers for second in answer["renewals"]]
    return {
        **quantiles(claims),
        "claims": len(claims),
        "ended": ended,
        "renewal_p99_ms": quantiles(renewals)["p99_ms"] if renewals else 0.0,
        "mean_ms": 1e3 * mean(claims),
        "server_cores": spent.served / spent.wall,
        "server_memory_gb": memory[0] / 1e9,
    }


def _answers(processes: list[subprocess.Popen[str]]) -> list[dict[str, list[float]]]:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
