"""Very many workers on one PostgreSQL, each with connections of its own as a real one: claims, ends, leases, sweeps.

`swarm.py URL WORKERS SECONDS SEED` runs some of them as threads and prints one line of JSON: how long its claims took,
in seconds, and how many of what it did. The tasks do nothing, so that only the database is busy.
"""

from __future__ import annotations

import json
import random
import secrets
import sys
import threading
import time
from datetime import timedelta

from meristem.needs import Needs, Offer
from meristem.statuses import TaskStatus
from meristem.store.store import Store
from meristem.store.task_rows import Ending, NewWorker

_LEASE = timedelta(seconds=30)
_START = timedelta(minutes=10)  # until all are there
_TASK_SECONDS = 3.0  # how long a task takes, on average
_SWEEP_SECONDS = 1.5


class Simulated:
    """One worker with one slot."""

    def __init__(self, url: str, seed: int) -> None:
        self._random = random.Random(seed)
        self._store = Store(url)
        self._session = f"d{secrets.token_hex(8)[1:]}"
        self._store.workers.register(
            NewWorker(id=self._session, name=f"s{seed}", queues=["q"], offer=Offer()), lease=_START
        )
        queue = self._store.queues.get("q").id
        self._listener = self._store.wakeups.listen([queue], self._session)
        self.claims: list[float] = []
        self.renewals: list[float] = []

    def warm_up(self) -> None:
        """Does each thing once: connections are made, statements prepared."""
        self._claim()
        self._store.workers.renew(self._session, [], lease=_START)
        self._store.workers.sweep()
        self.claims.clear()

    def run(self, until: float) -> None:
        """Claims and ends a task now and then, renews its lease, sweeps; until that moment."""
        now = time.monotonic()
        renew_at = now + self._random.uniform(0, _LEASE.total_seconds() / 3)
        sweep_at, claim_at = now + self._random.uniform(0, 20), now + self._random.uniform(0, 3)
        while (now := time.monotonic()) < until:
            if now >= claim_at:
                self._claim()
                claim_at = time.monotonic() + self._random.expovariate(1 / _TASK_SECONDS)
            if now >= renew_at:
                self._store.workers.renew(self._session, [], lease=_LEASE)
                self.renewals.append(time.monotonic() - now)
                renew_at = now + _LEASE.total_seconds() / 3
            if now >= sweep_at:
                living = self._store.workers.sweep().living
                sweep_at = now + max(_SWEEP_SECONDS, living / 50) * self._random.uniform(0.7, 1.3)
            time.sleep(max(0.0, min(claim_at, renew_at, sweep_at, until) - time.monotonic()))

    def _claim(self) -> None:
        began = time.monotonic()
        claims = self._store.claims.claim(self._session, ["q"], [Needs()], 1)
        self.claims.append(time.monotonic() - began)
        ends = [Ending(number=one.number, fence=one.fence, status=TaskStatus.COMPLETED) for one in claims]
        if ends:
            self._store.claims.finish(self._session, ends)


def main() -> None:
    url, workers, seconds, seed = sys.argv[1:]
    team = [Simulated(url, int(seed) * 10_000 + number) for number in range(int(workers))]
    for one in team:
        one.warm_up()
    print("ready", flush=True)
    sys.stdin.readline()
    until = time.monotonic() + float(seconds)
    threads = [threading.Thread(target=one.run, args=(until,)) for one in team]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {
        "claims": [s for one in team for s in one.claims],
        "renewals": [s for one in team for s in one.renewals],
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
