"""The worker: claims tasks that fit from its queues, has them run, and tells the store how they ended.

One thread does all that concerns claims and leases, and never waits for a task: each attempt has a thread of its own
(see `attempt`). A lease is renewed by this machine's monotonic clock and counted by the database's: what time it is
here does not matter. While the store is away, what runs goes on and nothing new is claimed.
"""

from __future__ import annotations

import fcntl
import logging
import os
import random
import select
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

import meristem
from meristem.errors import QueueNotFound, StoreUnavailable, WorkerLost, one_line
from meristem.needs import Needs
from meristem.statuses import Cause, TaskStatus
from meristem.store.lease import LEASE
from meristem.store.store import Store
from meristem.store.task_rows import Claim, Ending, Held, NewWorker, WorkerPulse
from meristem.store.wakeups import Listener
from meristem.tasks.spool_folder import new_task_id
from meristem.workers.attempt import Attempt, Over, broken, handed_back, needs_text
from meristem.workers.offer import usage
from meristem.workers.plan import Capacity, Order, order_of_queues, slot_for, what_to_claim
from meristem.workers.room import longer, trouble
from meristem.workers.settings import Settings
from meristem.workers.slot import Slot

log = logging.getLogger("meristem.worker")
T = TypeVar("T")

_SWEEP_SECONDS = 1.2
_SWEEPS_A_SECOND = 50.0  # of all workers together: a thousand need not each look every moment
_LOOK_SECONDS = 5.0  # where wake-ups come by themselves: a lost one only delays
_SHORT_LOOK_SECONDS = 0.05  # where they do not
_SHORT_PULSE_SECONDS = 0.7  # there, an abort is heard of only by asking
_LONGEST_AWAY_SECONDS = 5.0
_WARM_SLOTS = 8  # each costs 20 MB: more are started when they are needed
_LAST_SECONDS = 15.0  # for attempts that were ended by force


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a worker goes about it.

    Attributes:
        fair: Queues take turns; else the first that has something comes first.
        lease: How long its tasks are its own without a word from it.
        drain_timeout: How long tasks may go on once the worker was told to end; None: as long as they need.
    """

    name: str = ""
    fair: bool = False
    lease: timedelta = LEASE
    drain_timeout: timedelta | None = None


class Worker:
    """Runs tasks of some queues, until it is told to end.

    Args:
        store: With a patience of a second or two: this thread must not wait for it for long.
        queues: In order of preference.
    """

    def __init__(self, store: Store, queues: Sequence[str], settings: Settings, manner: Manner | None = None) -> None:
        self._store, self._queues, self._settings = store, list(dict.fromkeys(queues)), settings
        self._manner = manner or Manner()
        self._name = self._manner.name or f"{socket.gethostname()}-{os.getpid()}"
        self._lease = self._manner.lease.total_seconds()
        self._session = ""
        self._slots: list[Slot] = []
        self._running: dict[int, Attempt] = {}  # by slot
        self._held: dict[Held, Claim] = {}  # also those whose end the store has not heard of yet
        self._ends: list[Over] = []
        self._over: SimpleQueue[Over] = SimpleQueue()
        self._bell, self._ring = os.pipe()
        self._listener: Listener | None = None
        self._last_queue: str | None = None
        self._begun = 0
        self._kinds: Sequence[Needs] = (Needs(),)  # of what waited when it last asked
        self._draining = self._forced = False
        self._signals = 0
        self._drain_at: float | None = None
        self._end_by: float | None = None
        self._renew_at = self._sweep_at = self._look_at = 0.0
        self._talked_at = time.monotonic()
        self._away_until, self._away_pause = 0.0, 0.0
        self._room_at, self._room_pause = 0.0, 0.0

    @property
    def session(self) -> str:
        """Its id in the store; another one after its lease was lost."""
        return self._session

    def run(self) -> None:
        """Works until it has drained.

        Raises:
            QueueNotFound: One of its queues does not exist.
            StoreError: The store cannot be reached at the start.
        """
        with self._home() as home, self._signals_heard():
            self._register()
            self._slots = [Slot(n, gpus, self._settings) for n, gpus in enumerate(self._settings.slots)]
            try:
                for slot in self._slots[:_WARM_SLOTS] if len(self._slots) <= _WARM_SLOTS else ():
                    slot.warm_up()
                while not self._done():
                    self._turn(home)
            finally:
                self._close()

    def drain(self) -> None:
        """Tells it to end, from any thread or a signal: once, what runs may finish; twice, all goes back at once."""
        self._signals += 1
        with suppress(OSError):
            os.write(self._ring, b"s")

    # One turn of the loop

    def _turn(self, home: Path) -> None:
        self._heed_signals()
        self._collect()
        if self._reachable():
            with self._while_there():
                self._talk(home)
        self._rest()

    def _talk(self, home: Path) -> None:
        """All that is due with the store, the most urgent first."""
        if self._listener is not None and self._listener.mend():
            self._look_at = self._renew_at = 0.0
        now = time.monotonic()
        if self._ends:
            self._tell_ends()
            self._look_at = 0.0
        if now >= self._renew_at:
            self._renew()
        if now >= self._look_at:
            self._claim(home)
        if now >= self._sweep_at:
            # Where it could not talk for a lease, others perhaps could not either: they get the time to be back first.
            silent = time.monotonic() - self._talked_at > self._lease
            pause = self._lease if silent else self._sweep()
            self._sweep_at = now + pause * random.uniform(1.0, 1.3)
        self._talked_at = time.monotonic()

    def _rest(self) -> None:
        """Waits until something is due, ends, or comes."""
        if self._ends and self._reachable():
            return
        due = [self._renew_at, self._sweep_at]
        if not self._draining and len(self._running) < len(self._slots):
            due.append(self._look_at)
        now = time.monotonic()
        if self._away_until > now:
            due = [self._away_until]
        due += [moment for moment in (self._drain_at, self._end_by) if moment is not None]
        ears = [self._bell]
        knocking = self._listener.fileno() if self._listener is not None else None
        if knocking is not None:
            ears.append(knocking)
        ready, _, _ = select.select(ears, [], [], max(0.0, min(due) - now))
        if self._bell in ready:
            os.read(self._bell, 4096)
        if knocking in ready and self._listener is not None:
            self._listener.wait(0)
            self._look_at = 0.0
            if self._running:
                self._renew_at = 0.0  # it may be word of an abort

    # With the store

    def _register(self) -> None:
        """Begins a session."""
        known = {queue.name: queue.id for queue in self._store.queues.list()}
        queues = [name for name in self._queues if name in known]
        if missing := [name for name in self._queues if name not in known]:
            if not self._session:  # at the start it is a typo, later somebody has deleted it
                raise QueueNotFound(missing[0], sorted(known))
            log.warning("no longer there: %s; it goes on with: %s", ", ".join(missing), ", ".join(queues) or "none")
        self._session = new_task_id()
        facts = {"host": socket.gethostname(), "pid": os.getpid(), "version": meristem.__version__}
        facts["slots"] = str(len(self._settings.slots))
        new = NewWorker(id=self._session, name=self._name, queues=queues, offer=self._settings.offer, facts=facts)
        self._store.workers.register(new, lease=self._manner.lease)
        if self._listener is not None:
            self._listener.close()
        self._listener = self._store.wakeups.listen([known[name] for name in queues], self._session)
        self._renew_at = time.monotonic() + self._lease / 3
        self._look_at = 0.0
        log.info("worker %s (%s) waits for tasks of %s", self._name, self._session, ", ".join(self._queues))

    def _renew(self) -> None:
        try:
            pulse = self._store.workers.renew(self._session, list(self._held), usage=usage(), lease=self._manner.lease)
        except WorkerLost:
            self._lose_all()
            self._register()
            return
        pause = self._lease / 3
        if self._running and (self._listener is None or self._listener.fileno() is None):
            pause = min(pause, _SHORT_PULSE_SECONDS)
        self._renew_at = time.monotonic() + pause
        self._heed(pulse)

    def _heed(self, pulse: WorkerPulse) -> None:
        if pulse.draining and not self._draining:
            log.info("asked to drain: what runs finishes, nothing new is claimed")
            self._start_draining()
        for attempt in self._running.values():
            claim = attempt.claim
            if claim.number in pulse.aborts:
                attempt.abort(pulse.aborts[claim.number])
            if Held(number=claim.number, fence=claim.fence) in pulse.lost:
                log.warning("task %d: this attempt no longer counts, it is ended", claim.number)
                attempt.lose()
        for held in pulse.lost:
            self._held.pop(held, None)
        if pulse.unknown:
            self._store.claims.hand_back(self._session, pulse.unknown, message="its claim did not arrive")

    def _lose_all(self) -> None:
        log.warning("not heard of in time: its tasks are others' by now; it begins anew")
        for attempt in self._running.values():
            attempt.lose()
        self._held.clear()
        self._ends.clear()

    def _claim(self, home: Path) -> None:
        """Claims what fits, and again as long as something comes."""
        told = self._listener is not None and self._listener.fileno() is not None
        self._look_at = time.monotonic() + (_LOOK_SECONDS * random.uniform(0.8, 1.2) if told else _SHORT_LOOK_SECONDS)
        if not self._has_room():
            return
        if not told:
            self._kinds = self._store.claims.waiting_needs(self._queues)  # a read: it locks nobody out
        asked = not told
        while not self._draining:
            order = what_to_claim(self._capacity(), self._kinds)
            claims = self._claim_once(order, home) if order is not None else 0
            if order is not None and claims == order.count:
                continue
            if asked or not self._capacity().free_slots:
                return
            # Kinds of needs that were known are tried first, which saves a question; now for others.
            self._kinds, asked = self._store.claims.waiting_needs(self._queues), True

    def _claim_once(self, order: Order, home: Path) -> int:
        fair = self._manner.fair and len(self._queues) > 1
        queues = order_of_queues(self._queues, self._last_queue, fair=fair)
        claims = self._store.claims.claim(self._session, queues, order.needs, 1 if fair else order.count)
        for claim in claims:
            self._begin(claim, home)
        return order.count if claims and fair else len(claims)

    def _begin(self, claim: Claim, home: Path) -> None:
        self._last_queue = claim.queue
        held = Held(number=claim.number, fence=claim.fence)
        if held in self._held:  # a crash of the database undid its claim, and it was made again: it runs already
            return
        self._held[held] = claim
        number = slot_for(self._capacity(), claim.needs)
        if number is None:  # several came that fit one by one, and not together
            self._store.claims.hand_back(self._session, [held], message="did not fit beside another task")
            self._held.pop(held, None)
            return
        log.info("task %d (%s/%s) claimed from %s", claim.number, claim.project, claim.name, claim.queue)
        log.debug("task %d needs %s", claim.number, needs_text(claim.needs))
        self._begun += 1  # in the name: an attempt that was lost may still be ending when it is claimed anew
        folder = home / f"{claim.number}-{claim.fence}-{self._begun}"
        attempt = Attempt(
            claim, self._slots[number], self._store, self._settings,
            session=self._session, folder=folder, tell=self._hear_end,
        )  # fmt: skip
        self._running[number] = attempt
        try:
            attempt.start()
        except RuntimeError as error:  # the system gives no more threads
            self._take_end(Over(claim=claim, verdict=handed_back(str(error)), seconds=0.0, fault=str(error)))

    def _has_room(self) -> bool:
        """Whether it can run tasks at all. Once that was in doubt, it claims after a pause, and looks before."""
        if not self._room_pause:
            return True
        if time.monotonic() >= self._room_at:
            found = trouble(self._settings.folder)
            if found is None:
                return True
            self._wait_for_room(found)
        self._look_at = self._room_at
        return False

    def _wait_for_room(self, why: str) -> None:
        if time.monotonic() < self._room_at:  # one of several that met the same
            return
        self._room_pause = longer(self._room_pause)
        self._room_at = time.monotonic() + self._room_pause
        log.warning("this worker can run nothing, it claims no task for %.0f s: %s", self._room_pause, why)

    def _tell_ends(self) -> None:
        """Ends and hand-backs, in one call each."""
        worth = [over for over in self._ends if over.verdict is not None and self._holds(over)]
        ends = [over for over in worth if over.verdict is not None and over.verdict.status is not None]
        back = [over for over in worth if over.verdict is not None and over.verdict.status is None]
        if ends:
            stand = self._finish([_ending(over) for over in ends])
            for over in ends:
                _log_end(over, stand.get(over.claim.number))
                self._held.pop(_held(over), None)
        for over in back:
            assert over.verdict is not None
            self._store.claims.hand_back(self._session, [_held(over)], message=over.verdict.message)
            log.info("task %d handed back: %s", over.claim.number, over.verdict.message)
            self._held.pop(_held(over), None)
        for over in self._ends:
            if self._holds(over):
                self._held.pop(_held(over))
        self._ends.clear()

    def _holds(self, over: Over) -> bool:
        """Whether this is the end of what it holds: the same number and fence may be claimed again after a crash."""
        return self._held.get(_held(over)) is over.claim

    def _finish(self, endings: Sequence[Ending]) -> dict[int, TaskStatus]:
        try:
            return self._store.claims.finish(self._session, endings)
        except StoreUnavailable:
            raise
        except Exception as error:  # a result that the store does not take is its task's fault, not the others'
            log.exception("ends of tasks %s", [ending.number for ending in endings])
            if len(endings) > 1:
                return {number: s for ending in endings for number, s in self._finish([ending]).items()}
            why = f"its end could not be stored: {one_line(error)}"
            plain = replace(endings[0], status=TaskStatus.FAILED, cause=Cause.CODE_FAILED, message=why, result=None)
            return self._store.claims.finish(self._session, [plain])

    def _sweep(self) -> float:
        """Gives back what lost workers held; returns after how many seconds it should look again."""
        swept = self._store.workers.sweep()
        if swept.workers:
            log.info("lost: %s; back in their queues: %s", ", ".join(swept.workers), list(swept.requeued) or "none")
        if swept.due:
            self._look_at = 0.0
        return max(_SWEEP_SECONDS, swept.living / _SWEEPS_A_SECOND)

    # While it is away

    @contextmanager
    def _while_there(self) -> Iterator[None]:
        try:
            yield
        except StoreUnavailable as error:
            if not self._away_pause:
                log.warning("%s What runs goes on; nothing new is claimed meanwhile.", error.what)
            self._away_pause = min(_LONGEST_AWAY_SECONDS, 2 * self._away_pause or 0.25)
            self._away_until = time.monotonic() + self._away_pause * random.uniform(0.7, 1.0)
            self._renew_at = 0.0
            return
        if self._away_pause:
            log.info("the store is back")
        self._away_pause = self._away_until = 0.0

    def _reachable(self) -> bool:
        return time.monotonic() >= self._away_until

    # Attempts and the end

    def _hear_end(self, over: Over) -> None:
        """Called in an attempt's thread."""
        self._over.put(over)
        with suppress(OSError):
            os.write(self._ring, b"o")

    def _collect(self) -> None:
        died = [attempt for attempt in self._running.values() if not attempt.alive]  # before: it may just have told
        while True:
            try:
                self._take_end(self._over.get_nowait())
            except Empty:
                break
        for attempt in died:
            if attempt in self._running.values():
                log.error("task %d: its thread ended without a word", attempt.claim.number)
                self._take_end(Over(claim=attempt.claim, verdict=broken("its thread ended"), seconds=0.0))

    def _take_end(self, over: Over) -> None:
        self._running = {n: a for n, a in self._running.items() if a.claim is not over.claim}
        self._ends.append(over)
        if over.fault is not None:
            self._wait_for_room(over.fault)
        elif over.verdict is not None and self._room_pause:
            log.info("this worker can run tasks again")
            self._room_pause = 0.0

    def _capacity(self) -> Capacity:
        return Capacity(
            offer=self._settings.offer,
            slots=self._settings.slots,
            running={number: attempt.claim.needs for number, attempt in self._running.items()},
        )

    def _heed_signals(self) -> None:
        now = time.monotonic()
        if self._signals and not self._draining:
            log.info("told to end: what runs finishes; told again, it goes back to its queue at once")
            self._start_draining()
            with suppress(StoreUnavailable, WorkerLost):
                self._store.workers.drain(self._session)
        if self._signals > 1 and not self._forced:
            self._force("its worker was told to end at once", 0.0)
        if self._drain_at is not None and now >= self._drain_at and not self._forced:
            self._force("its worker was told to end", self._settings.grace_seconds)

    def _start_draining(self) -> None:
        self._draining = True
        if self._manner.drain_timeout is not None:
            self._drain_at = time.monotonic() + self._manner.drain_timeout.total_seconds()

    def _force(self, why: str, grace_seconds: float) -> None:
        self._forced, self._drain_at = True, None
        self._end_by = time.monotonic() + grace_seconds + _LAST_SECONDS
        for attempt in self._running.values():
            attempt.hand_back(why, grace_seconds)

    def _done(self) -> bool:
        if self._end_by is not None and time.monotonic() >= self._end_by:
            return True
        return self._draining and not self._running and not self._ends and self._over.empty()

    def _close(self) -> None:
        for attempt in self._running.values():
            attempt.lose()
        for attempt in list(self._running.values()):
            attempt.join(_LAST_SECONDS)
        for slot in self._slots:
            slot.close()
        if self._listener is not None:
            self._listener.close()
        with suppress(StoreUnavailable):
            self._store.workers.end(self._session)
        log.info("worker %s has ended", self._name)

    @contextmanager
    def _home(self) -> Iterator[Path]:
        """A folder for this process's attempts. Those of processes that have died are removed."""
        place = self._settings.folder / "attempts"
        place.mkdir(parents=True, exist_ok=True)
        for lock in place.glob("*.lock"):
            _remove_dead(lock)
        home = place / new_task_id()
        with open(f"{home}.lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            home.mkdir()
            try:
                yield home
            finally:
                shutil.rmtree(home, ignore_errors=True)
                Path(file.name).unlink(missing_ok=True)

    @contextmanager
    def _signals_heard(self) -> Iterator[None]:
        """SIGTERM and Ctrl-C drain, where this is the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handler: Callable[..., None] = lambda *_: self.drain()  # noqa: E731
        before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, old in before.items():
                signal.signal(number, old)


def _held(over: Over) -> Held:
    return Held(number=over.claim.number, fence=over.claim.fence)


def _ending(over: Over) -> Ending:
    found = over.verdict
    assert found is not None
    assert found.status is not None
    return Ending(
        number=over.claim.number,
        fence=over.claim.fence,
        status=found.status,
        cause=found.cause,
        message=found.message,
        result=found.result,
    )


def _log_end(over: Over, stands: str | None) -> None:
    if stands is None:
        log.warning("task %d: its end was refused, this attempt no longer counts", over.claim.number)
        return
    assert over.verdict is not None
    why = f": {over.verdict.message}" if over.verdict.message else ""
    log.info("task %d is %s after %.3g s%s", over.claim.number, stands, over.seconds, why)


def _remove_dead(lock: Path) -> None:
    with suppress(OSError), open(lock, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a living worker holds it
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        lock.unlink(missing_ok=True)
