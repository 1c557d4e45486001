"""A worker reduced to what claims, leases and ends ask of one: `stand_in.py URL NAME LEASE SLOTS FILE CLOCK`.

It runs tracked tasks as threads that sleep. The fault run uses it where very many workers are wanted, or where the
store alone is to be tried. `CLOCK` is by how many seconds its clock is off.
"""

from __future__ import annotations

import logging
import secrets
import sys
import threading
import time
from datetime import timedelta
from queue import Empty, SimpleQueue

from benchmarks.queue.functions import track
from meristem.errors import StoreUnavailable, WorkerLost
from meristem.needs import Needs, Offer
from meristem.statuses import TaskStatus
from meristem.store.store import Store
from meristem.store.task_rows import Claim, Ending, Held, NewWorker


class StandIn:
    """Claims, runs, renews and ends, in one thread but for the tasks themselves."""

    def __init__(self, store: Store, name: str, lease: timedelta, slots: int, file: str) -> None:
        self._store, self._name, self._lease, self._slots, self._file = store, name, lease, slots, file
        self._held: dict[Held, str] = {}  # and the session in which it was claimed
        self._over: SimpleQueue[Ending] = SimpleQueue()
        self._ends: list[Ending] = []
        self._session = ""

    def run(self) -> None:
        while True:
            try:
                self._turn()
            except StoreUnavailable:
                time.sleep(0.2)

    def _turn(self) -> None:
        if not self._session:
            session = f"c{secrets.token_hex(8)[1:]}"
            new = NewWorker(id=session, name=self._name, queues=["q"], offer=Offer())
            self._store.workers.register(new, lease=self._lease)
            self._session, self._renew_at = session, 0.0
        self._collect()
        if self._ends:
            self._store.claims.finish(self._session, self._ends)
            for end in self._ends:
                self._held.pop(Held(number=end.number, fence=end.fence), None)
            self._ends.clear()
        if time.monotonic() >= self._renew_at and not self._renew():
            return
        free = self._slots - len(self._held)
        for claim in self._store.claims.claim(self._session, ["q"], [Needs()], free) if free else ():
            self._begin(claim)
        self._store.workers.sweep()

    def _renew(self) -> bool:
        try:
            pulse = self._store.workers.renew(self._session, list(self._held), lease=self._lease)
        except WorkerLost:
            self._held.clear()
            self._ends.clear()
            self._session = ""
            return False
        self._renew_at = time.monotonic() + self._lease.total_seconds() / 3
        for held in pulse.lost:
            self._held.pop(held, None)
        if pulse.unknown:
            self._store.claims.hand_back(self._session, pulse.unknown, message="its claim did not arrive")
        return True

    def _begin(self, claim: Claim) -> None:
        held = Held(number=claim.number, fence=claim.fence)
        if held in self._held:  # its claim was undone by a crash of the database, and made again: it runs already
            return
        self._held[held] = self._session
        threading.Thread(target=self._track, args=(claim,), daemon=True).start()

    def _track(self, claim: Claim) -> None:
        seconds = float(claim.parameters["General/seconds"])
        result = track(self._file, seconds, claim.number, claim.attempt, claim.fence)
        self._over.put(Ending(number=claim.number, fence=claim.fence, status=TaskStatus.COMPLETED, result=result))

    def _collect(self) -> None:
        deadline = time.monotonic() + 0.05
        while (left := deadline - time.monotonic()) > 0:
            try:
                end = self._over.get(timeout=left)
            except Empty:
                return
            if Held(number=end.number, fence=end.fence) in self._held:
                self._ends.append(end)


def shift_clock(seconds: float) -> None:
    """Has this process believe that it is another time."""
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + seconds
    time.time_ns = lambda: now_ns() + int(seconds * 1e9)


def main() -> None:
    url, name, lease, slots, file, clock = sys.argv[1:]
    shift_clock(float(clock))
    logging.disable(logging.CRITICAL)
    store = Store(url)
    store.database.patience = timedelta(seconds=1)
    StandIn(store, name, timedelta(seconds=float(lease)), int(slots), file).run()


if __name__ == "__main__":
    main()
