"""A worker in a thread: claims tasks through the store as real ones do, and runs a Python function for each."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from meristem.errors import AttemptLost
from meristem.needs import Needs, Offer
from meristem.statuses import Cause, TaskStatus
from meristem.store.output_rows import Curve, Positions, Shipment
from meristem.store.store import Store
from meristem.store.tables import NO_STEP
from meristem.store.task_rows import Claim, Ending, Held, NewWorker
from meristem.tasks.spool_folder import title_and_series

_numbers = itertools.count(1)


class Aborted(Exception):
    """Somebody asked for the end of the task."""


class Running:
    """What the function of a task gets: its claim, and ways to report."""

    def __init__(self, store: Store, worker: str, claim: Claim, ended: threading.Event) -> None:
        self._store, self._worker, self.claim, self._ended = store, worker, claim, ended
        self.parameters = {name.partition("/")[2]: value for name, value in claim.parameters.items()}
        self._at = Positions()

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def report(self, step: int | None = None, **metrics: Any) -> None:
        """Reports and, as trainings do in the end, heeds that somebody asks for the end."""
        self.report_all(step, {name: v[0] if isinstance(v, tuple) else v for name, v in metrics.items()})
        self.check()

    def report_all(self, step: int | None, metrics: Mapping[str, float]) -> None:
        curves = [
            Curve(
                title=title_and_series(name)[0], series=title_and_series(name)[1], count=1,
                steps=[NO_STEP if step is None else step], values=[value], at=[time.time()],
            )
            for name, value in metrics.items()
        ]  # fmt: skip
        self._ship(curves=curves)

    def print(self, text: str) -> None:
        self._ship(console=[text])

    def _ship(self, **what: Any) -> None:
        after = replace(self._at, report=self._at.report + 1)
        claim = self.claim
        self._store.task_outputs.ship(
            Shipment(number=claim.number, fence=claim.fence, worker=self._worker, before=self._at, after=after, **what)
        )
        self._at = after

    def check(self) -> None:
        """Raises Aborted once somebody asked for the end."""
        if self._ended.is_set():
            raise Aborted("the worker ends")
        pulse = self._store.workers.renew(self._worker, [self.held])
        if self.claim.number in pulse.aborts:
            raise Aborted(pulse.aborts[self.claim.number])

    @property
    def held(self) -> Held:
        return Held(number=self.claim.number, fence=self.claim.fence)


class FakeWorker:
    """Runs the tasks of queues one after the other until `stop`; `slots` threads at a time."""

    def __init__(
        self, store: Store, work: Callable[[Running], Any], queues: tuple[str, ...] = ("q",), slots: int = 1,
        name: str | None = None,
    ) -> None:  # fmt: skip
        self.id = f"fake-{next(_numbers)}"
        self._store, self._work, self._queues = store, work, queues
        self._stopped = threading.Event()
        store.workers.register(NewWorker(id=self.id, name=name or self.id, queues=queues, offer=Offer()))
        self._threads = [threading.Thread(target=self._live, daemon=True) for _ in range(slots)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _live(self) -> None:
        while not self._stopped.is_set():
            claims = self._store.claims.claim(self.id, self._queues, [Needs()], 1)
            for claim in claims:
                ending = self._run(claim)
                with suppress(AttemptLost):
                    self._store.claims.finish(self.id, [ending])
            if not claims:
                self._stopped.wait(0.02)

    def _run(self, claim: Claim) -> Ending:
        of: dict[str, Any] = {"number": claim.number, "fence": claim.fence}
        running = Running(self._store, self.id, claim, self._stopped)
        try:
            result = self._work(running)
        except Aborted as error:
            return Ending(**of, status=TaskStatus.ABORTED, cause=Cause.ABORTED, message=str(error))
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            running.print(f"Traceback (most recent call last):\n  …\n{message}\n")
            return Ending(**of, status=TaskStatus.FAILED, cause=Cause.CODE_FAILED, message=message)
        return Ending(**of, status=TaskStatus.COMPLETED, result=result)
