"""What the jobs of an MMAR run came to, and what disk was freed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import meristem as ms
from fakes import ScriptedExecutor, failed
from meristem.errors import TooManyFailures
from meristem.handlers.freed import FREED_FILE, freed_sizes
from meristem.handlers.handler import Handler
from meristem.handlers.mmar import MmarHandler
from meristem.handlers.mmar_stats import MmarStats
from meristem.study.protocols import Attempt, Report

MMAR_BYTES = 100_000


class Jobs(ScriptedExecutor):
    """Gives each trial a job folder of its own, and fails the second one."""

    def __init__(self, folder: Path, script: Any = None) -> None:
        super().__init__(script or (lambda a: failed() if a.number == 2 else float(a.number)))
        self.folder = folder
        self.deployed: list[Report] = []

    def start(self, attempt: Attempt) -> None:
        super().start(attempt)
        job = self.folder / f"W1_{attempt.number}_J{attempt.number}"
        (job / "models").mkdir(parents=True)
        (job / "models" / "model").write_bytes(b"x" * MMAR_BYTES)
        self.deployed.append(Report(number=attempt.number, deployment={"folder": str(job)}))

    def poll(self, timeout: Any) -> Any:
        news, self.deployed = self.deployed, []
        return [*news, *super().poll(timeout)]


def quiet() -> Console:
    return Console(file=io.StringIO(), width=120)


def run(tmp_path: Path, *handlers: Any, trials: int = 6, script: Any = None, study: ms.Study | None = None) -> ms.Study:
    study = study or ms.Study("r", space={"x": ms.Float(0, 1)}, objective="dice", controller="random", seed=1)
    return study.run(executor=Jobs(tmp_path, script), handlers=list(handlers), trials=trials)


def test_jobs_are_counted_by_outcome_with_their_scores_and_disk(tmp_path: Path) -> None:
    stats = MmarStats(console=(console := quiet()))
    run(tmp_path, stats)
    found = stats.summary()
    assert found["jobs"] == {"completed": 5, "failed": 1}
    assert found["scores"] == {"best": 6.0, "median": 4.0, "worst": 1.0}
    assert found["seconds"]["shortest"] <= found["seconds"]["median"] <= found["seconds"]["longest"]
    assert found["mmars"] == 6
    assert 6 * MMAR_BYTES <= found["size_bytes"] < 6 * MMAR_BYTES + 6 * 8192
    assert found["freed_mmars"] == found["freed_bytes"] == 0
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "6: 5 completed, 1 failed" in text
    assert "best 6, median 4, worst 1" in text
    assert "freed         │ none" in text


def test_what_the_mmar_handler_removes_is_told_as_freed_wherever_it_stands(tmp_path: Path) -> None:
    for place, handlers in enumerate([[MmarHandler(2, console=quiet())], []]):
        stats = MmarStats(console=quiet())
        later = [] if handlers else [MmarHandler(2, console=quiet())]
        run(tmp_path / str(place), *handlers, stats, *later)
        found = stats.summary()
        assert (found["mmars"], found["freed_mmars"]) == (2, 4)
        assert 4 * MMAR_BYTES <= found["freed_bytes"] < 4 * MMAR_BYTES + 4 * 8192
        assert len(freed_sizes(tmp_path / str(place))) == 4


def test_jobs_and_disk_of_earlier_runs_count(tmp_path: Path) -> None:
    first = run(tmp_path, MmarHandler(1, console=quiet()), trials=3)
    with open(tmp_path / FREED_FILE, "a", encoding="utf-8") as file:
        file.write(json.dumps({"folder": str(tmp_path), "size_bytes": 7}))  # noted, but it was killed before it went
        file.write('\n{"folder": "cut sho')
    stats = MmarStats(show=False)
    run(tmp_path, MmarHandler(1, console=quiet()), stats, trials=5, study=first)
    found = stats.summary()
    assert found["jobs"] == {"completed": 4, "failed": 1}
    assert found["freed_mmars"] == 4


def test_a_job_that_has_not_ended_takes_disk_too(tmp_path: Path) -> None:
    class Stop(Handler):
        def trial_ended(self, event: Any, run: Any) -> None:
            if event.trial.number == 1:
                run.stop("enough")

    stats = MmarStats(show=False)
    study = ms.Study("r", space={"x": ms.Float(0, 1)}, objective="dice", controller="random", seed=1)
    jobs = Jobs(tmp_path, lambda a: 1.0 if a.number == 1 else None)
    study.run(executor=jobs, handlers=[stats, Stop()], trials=4, parallel=2)
    assert stats.summary()["jobs"] == {"completed": 1}
    assert stats.summary()["mmars"] == 2


def test_a_run_without_jobs_says_so(tmp_path: Path) -> None:
    stats = MmarStats(console=(console := quiet()))
    with pytest.raises(TooManyFailures):
        run(tmp_path, stats, trials=1, script=lambda a: failed())
    assert stats.summary()["scores"] == {}
    assert "no job has a score" in console.file.getvalue()  # type: ignore[attr-defined]
