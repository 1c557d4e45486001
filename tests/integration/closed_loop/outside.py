"""A system outside, as files: each launch leaves one file, which says when it is done; and who kills whom.

Run as a program it is one run of the study; MERISTEM_KILL says at which step of which trial it kills itself.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import meristem
from meristem.events import EventKind
from meristem.executors.runner import RunnerExecutor
from meristem.store.commits import Commits
from meristem.store.rows import Change

SECONDS = float(os.environ.get("OUTSIDE_SECONDS", "0.1"))
ANSWER_SECONDS = float(os.environ.get("OUTSIDE_ANSWER_SECONDS", "0"))  # from a launch to its answer
AWAY_SECONDS = float(os.environ.get("OUTSIDE_AWAY_SECONDS", "0"))  # from the start of a run
STARTED = time.monotonic()
STEPS = ("intent", "launched", "unrecorded", "recorded", "poll", "fetch", "unended", "ended")


def die_at(step: str, trial: int | None) -> None:
    wanted, _, number = os.environ.get("MERISTEM_KILL", "").partition(":")
    if step == wanted and trial == int(number):
        os.kill(os.getpid(), signal.SIGKILL)


class FileRunner:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run_trial(self, number: int, parameters: Mapping[str, Any], key: str = "") -> dict[str, Any]:
        die_at("intent", number)
        place = self.folder / f"{key}.{time.time_ns()}"
        place.with_suffix(".part").write_text(f"{parameters['x']}")
        place.with_suffix(".part").rename(place)
        time.sleep(ANSWER_SECONDS)
        die_at("launched", number)
        return {"file": place.name}

    def poll_trial(self, number: int, metadata: Mapping[str, Any]) -> str:
        die_at("poll", number)
        return "completed" if time.time() - (self.folder / metadata["file"]).stat().st_mtime > SECONDS else "running"


class FindingRunner(FileRunner):
    def find_trial(self, key: str) -> dict[str, Any] | None:
        if time.monotonic() < STARTED + AWAY_SECONDS:
            raise ConnectionError("away")
        found = sorted(place for place in self.folder.glob(f"{key}.*") if place.suffix != ".part")
        return {"file": found[0].name} if found else None


class FileMetric:
    name = "y"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fetch(self, number: int, metadata: Mapping[str, Any]) -> tuple[int, float]:
        die_at("fetch", number)
        return 0, (float((self.folder / metadata["file"]).read_text()) - 0.3) ** 2


def kill_around_commits() -> None:
    apply = Commits.apply

    def watched(self: Commits, change: Change) -> Any:
        for event in change.events:
            if event.kind in (EventKind.TRIAL_DEPLOYED, EventKind.TRIAL_ENDED):
                die_at("unrecorded" if event.kind == EventKind.TRIAL_DEPLOYED else "unended", event.trial)
        done = apply(self, change)
        for event in change.events:
            if event.kind in (EventKind.TRIAL_DEPLOYED, EventKind.TRIAL_ENDED):
                die_at("recorded" if event.kind == EventKind.TRIAL_DEPLOYED else "ended", event.trial)
        return done

    Commits.apply = watched  # type: ignore[method-assign]


def main(folder: Path, finds: bool, trials: int) -> None:
    kill_around_commits()
    jobs = folder / "jobs"
    jobs.mkdir(exist_ok=True)
    study = meristem.Study(
        "loop", space={"x": {"float": [0, 1]}}, objective="-y", store=str(folder / "loop.db"), controller="random",
        seed=1,
    )  # fmt: skip
    runner = (FindingRunner if finds else FileRunner)(jobs)
    study.run(executor=RunnerExecutor(runner, [FileMetric(jobs)]), trials=trials, parallel=3, handlers=[])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] == "finds", int(sys.argv[3]))
