"""The workers of the fault run: started, killed, frozen, cut off, and replaced."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.queue.cable import Cable

KINDS = {"stand-in": "benchmarks.queue.stand_in", "worker": "benchmarks.queue.real_worker"}
_CLOCKS = (3600.0, -3600.0)  # of the first workers; all others are right


@dataclass
class Place:
    """Where one worker runs after another, each with a name of its own."""

    number: int
    cable: Cable | None
    process: subprocess.Popen[bytes] | None = None
    born: int = 0
    busy: bool = False  # something is being done to it
    deaths: dict[str, list[float]] = field(default_factory=dict)  # when each was killed, frozen or cut off, by name

    @property
    def name(self) -> str:
        return f"w{self.number}.{self.born}"


class Crew:
    """Keeps a number of workers going.

    Args:
        url_at: The store's URL, for a port.
        kind: One of `KINDS`.
    """

    def __init__(
        self, url_at: Callable[[int | None], str], port: int, folder: Path, *, kind: str, count: int, lease: float
    ) -> None:
        self._url_at, self._folder, self._kind, self._lease = url_at, folder, kind, lease
        self.places = [Place(number, Cable(port) if port else None) for number in range(count)]

    def start(self, place: Place) -> None:
        """A new worker at this place."""
        place.born += 1
        clock = _CLOCKS[place.number] if place.number < len(_CLOCKS) else 0.0
        url = self._url_at(place.cable.port if place.cable else None)
        arguments = [url, place.name, self._lease, 4, self._folder / "tracked", clock]
        with (self._folder / f"{place.name}.log").open("wb") as log:
            place.process = subprocess.Popen(
                [sys.executable, "-m", KINDS[self._kind], *map(str, arguments)],
                stdout=log, stderr=log, start_new_session=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )  # fmt: skip

    def kill(self, place: Place) -> None:
        """kill -9."""
        if place.process is not None:
            place.deaths.setdefault(place.name, []).append(time.time())
            place.process.kill()
            place.process.wait()

    def freeze(self, place: Place) -> None:
        place.deaths.setdefault(place.name, []).append(time.time())
        self._signal(place, signal.SIGSTOP)

    def thaw(self, place: Place) -> None:
        self._signal(place, signal.SIGCONT)

    def cut(self, place: Place) -> None:
        assert place.cable is not None
        place.deaths.setdefault(place.name, []).append(time.time())
        place.cable.cut()

    def replace_ended(self) -> int:
        """Starts those anew that have ended by themselves, and returns how many had: there should be none."""
        ended = [p for p in self.places if not p.busy and p.process is not None and p.process.poll() is not None]
        for place in ended:
            self.start(place)
        return len(ended)

    def close(self) -> None:
        for place in self.places:
            if place.cable is not None:
                place.cable.mend()
            self.thaw(place)
            self.kill(place)
            if place.cable is not None:
                place.cable.close()

    @staticmethod
    def _signal(place: Place, number: int) -> None:
        if place.process is not None and place.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(place.process.pid, number)
