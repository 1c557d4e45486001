"""The fault run of datasets: kill -9 at random moments of sync, upload, finalize, gc and local copies, all at once.

    make fault-data         (or: python -m benchmarks.datasets.faults --kills 10)

Writers (two of them on one dataset), readers and collectors of garbage work on the same datasets, each in a process of
its own; each in turn is killed in the middle of something and begins anew. When all is over, each version that is
final is checked out and compared with the folder that its writer had written down before it was finalized. Prints a
table and writes JSON; ends with 1 where a version is missing something, or is another.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.datasets.fault_actors import PHASES
from benchmarks.datasets.fault_check import check
from benchmarks.datasets.fault_journal import Note, read_notes
from benchmarks.datasets.fault_judging import Judgement, judge
from benchmarks.datasets.fault_places import PLACES, BlobPlace, place_of
from meristem.store.store import Store

RESULTS = Path(__file__).parents[1] / "results" / "datasets_faults.json"
_REPOSITORY = Path(__file__).parents[2]
_WAIT_FOR_PHASE = 5.0  # seconds; then another phase is tried
_WAIT_FOR_END = 120.0
_BETWEEN = "between"
_LABELS = {
    "kills_between": "and between two of these",
    "missing": "with missing chunks", "kept": "final at the end", "unheard": "final, writer died before it heard",
    "resumed": "drafts resumed", "discarded": "drafts thrown away by choice", "requests": "requests to S3",
    "unavailable": "told to try again", "errors": "other errors", "wrong": "with other content",
    "unfounded": "final without being meant to", "reads": "local copies compared", "wrong_reads": "of those wrong",
    "drafts_left": "drafts left open",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is like. The last dataset has one writer alone where `writers` is odd."""

    kills: int = 100
    datasets: int = 2
    writers: int = 3
    readers: int = 2
    collectors: int = 1
    big_bytes: int = 40_000_000
    place: str = "folder"
    seed: int = 0

    @property
    def names(self) -> list[str]:
        return [f"set{number}" for number in range(self.datasets)]


class Process:
    """One actor, over all its lives."""

    def __init__(self, kind: str, number: int, plan: Plan, home: Path, env: dict[str, str]) -> None:
        per_dataset = 2 if kind == "writer" else 1
        self.name, self._home, self._env = f"{kind}{number}", home, env
        dataset = plan.names[number // per_dataset % plan.datasets]
        words = [kind, self.name, dataset, str(home), str(plan.seed), str(plan.big_bytes)]
        self._words = [sys.executable, "-m", "benchmarks.datasets.fault_actors", *words]
        self.journal = home / "journals" / f"{self.name}.jsonl"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._home / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._words, cwd=_REPOSITORY, env=self._env, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """Kills it and what it has started."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def ended(self) -> int | None:
        """Its exit code; None: it runs."""
        assert self._process is not None
        return self._process.poll()

    def phase(self) -> tuple[str, float]:
        """What it is in the middle of by its journal (empty: nothing), and since when."""
        notes = [note for note in read_tail(self.journal) if note["what"] in ("phase", "born")]
        last = notes[-1] if notes else {}
        return last.get("name", ""), last.get("at", 0.0)


class FaultRun:
    """One run below the folder `home`."""

    def __init__(self, plan: Plan, home: Path, place: BlobPlace) -> None:
        self._plan, self._home, self._place = plan, home, place
        self._random = random.Random(plan.seed)
        self._env = {
            **os.environ, **place.env, "MERISTEM_STORE": f"sqlite:///{home}/store.db",
            "MERISTEM_CACHE": os.fspath(home / "cache"), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
        }  # fmt: skip
        os.environ.update({name: self._env[name] for name in (*place.env, "MERISTEM_STORE", "MERISTEM_CACHE")})
        for name in ("journals", "listings"):
            (home / name).mkdir(parents=True)
        self._store = Store(self._env["MERISTEM_STORE"])
        if place.url:
            self._store.set_blobs_url(place.url)
        self._counts = {"writer": plan.writers, "reader": plan.readers, "collector": plan.collectors}
        self._processes = [
            Process(kind, number, plan, home, self._env)
            for kind, count in self._counts.items()
            for number in range(count)
        ]
        self.kills: Counter[str] = Counter()
        self.ended_by_themselves: list[str] = []

    def run(self) -> tuple[Judgement, dict[str, Any]]:
        """Runs it to its end, and judges it; also says what was done."""
        for process in self._processes:
            process.start()
        try:
            while self._kills_inside() < self._plan.kills:
                self._replace_ended()
                self._kill_one()
            (self._home / "stop").touch()
            self._await_ends()
        finally:
            for process in self._processes:
                if process.ended() is None:
                    process.kill()
        checked, resumed_at_end, left = check(self._store, self._plan.names, self._home)
        self._store.close()
        notes = [note for process in self._processes for note in read_notes(process.journal)]
        done = {
            "kills": self._kills_inside(),
            "kills_between": self.kills[_BETWEEN],
            "killed_in": {phase: count for phase, count in self.kills.items() if phase != _BETWEEN},
            "drafts_resumable_at_end": resumed_at_end,
            "ended_by_themselves": self.ended_by_themselves,
            "differences": [f"{one.id}: {line}" for one in checked for line in one.differences][:20],
            "requests": dict(self._place.failed),
        }
        return judge(notes, checked, left), done

    def _kills_inside(self) -> int:
        """How many were killed in the middle of a phase: those that had just ended it do not count."""
        return sum(self.kills.values()) - self.kills[_BETWEEN]

    def _kill_one(self) -> None:
        """Kills a process in the middle of the phase in which fewest were killed so far, at a random moment of it."""
        phases = [phase for kind, count in self._counts.items() if count for phase in PHASES[kind]]
        fewest = sorted(phases, key=lambda phase: (self.kills[phase], self._random.random()))
        for wanted in fewest:
            victim = self._await_phase(wanted)
            if victim is None:
                continue
            time.sleep(self._random.uniform(0, self._usual_seconds(wanted)))
            victim.kill()
            self.kills[victim.phase()[0] or _BETWEEN] += 1
            time.sleep(self._random.uniform(0, 0.3))
            victim.start()
            return
        if self._replace_ended():
            time.sleep(0.5)

    def _await_phase(self, wanted: str) -> Process | None:
        """The first process that enters a phase."""
        began = time.monotonic()
        while time.monotonic() < began + _WAIT_FOR_PHASE:
            for process in self._processes:
                name, since = process.phase()
                if name == wanted and since >= began and process.ended() is None:
                    return process
            time.sleep(0.002)
        return None

    def _usual_seconds(self, phase: str) -> float:
        """How long a phase takes usually, of those that ended; kills are spread over that."""
        found = [
            seconds for process in self._processes for name, seconds in durations(read_notes(process.journal))
            if name == phase
        ]  # fmt: skip
        return median(found) if found else 0.2

    def _replace_ended(self) -> int:
        ended = [process for process in self._processes if process.ended() is not None]
        for process in ended:
            self.ended_by_themselves.append(f"{process.name}: {process.ended()}")
            if len(self.ended_by_themselves) > 20:
                raise SystemExit(f"processes end by themselves; see {self._home}: {self.ended_by_themselves}")
            process.start()
        return len(ended)

    def _await_ends(self) -> None:
        deadline = time.monotonic() + _WAIT_FOR_END
        while time.monotonic() < deadline and any(process.ended() is None for process in self._processes):
            time.sleep(0.1)
        self.ended_by_themselves += [
            f"{process.name}: {process.ended()} at the end" for process in self._processes if process.ended() != 0
        ]


def durations(notes: list[Note]) -> Iterator[tuple[str, float]]:
    """Seconds of each phase that came to its end."""
    phases = [note for note in notes if note["what"] in ("phase", "born")]
    for begin, end in pairwise(phases):
        if begin.get("name") and end["what"] == "phase" and not end["name"]:
            yield begin["name"], end["at"] - begin["at"]


def read_tail(path: Path) -> list[Note]:
    """The last notes of a file, read often while it grows."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            note = json.loads(line)
        except ValueError:  # the first one, cut; or the last one, torn
            continue
        if isinstance(note, dict):
            found.append(note)
    return found


def table_of(found: Judgement, done: dict[str, Any]) -> Table:
    """The result as a table."""
    table = Table("counted", "value", title="Fault run of datasets")
    for name, value in (done | found.to_json()).items():
        if name == "differences":  # lines of their own, below the table
            continue
        shown = ", ".join(f"{k} {v}" for k, v in sorted(value.items())) if isinstance(value, dict) else str(value)
        table.add_row(_LABELS.get(name, name.replace("_", " ")), shown if value not in ({}, []) else "none")
    return table


def main() -> None:
    plan = Plan()
    parser = argparse.ArgumentParser(description="Kill writers, readers and collectors of datasets, and verify.")
    for name in ("kills", "datasets", "writers", "readers", "collectors", "big_bytes"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(plan, name))
    parser.add_argument("--place", choices=PLACES, default=plan.place)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 16))
    parser.add_argument("--keep", type=Path, help="folder for journals, logs and the store, which is kept")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = vars(parser.parse_args())
    keep, out = given.pop("keep"), given.pop("out")
    plan, console, load = Plan(**given), Console(), os.getloadavg()[0]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # processes are killed and folders removed also then
    console.print(f"seed {plan.seed}; {plan.kills} kills …", style="dim")
    with ExitStack() as stack:
        if keep and keep.exists() and any(keep.iterdir()):
            parser.error(f"{keep} is not empty: each run needs a folder of its own")
        home = Path(keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="meristem-faults-data-"))).resolve()
        home.mkdir(parents=True, exist_ok=True)
        place = stack.enter_context(place_of(plan.place, plan.seed))
        found, done = FaultRun(plan, home, place).run()
    console.print(table_of(found, done))
    for line in done["differences"]:
        console.print(f"version {line}", style="red", highlight=False, soft_wrap=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    kept = {"load_before": load, "plan": asdict(plan), **done, **found.to_json()}
    out.write_text(json.dumps(kept, indent=1) + "\n")
    console.print(f"written to {out}")
    sys.exit(0 if found.good and not done["ended_by_themselves"] else 1)


if __name__ == "__main__":
    main()
