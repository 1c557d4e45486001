"""Works off runs, some at a time, each in a process of its own, until all are done or time is up; says how it goes."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from benchmarks.search.environment import python_of
from benchmarks.search.problems import PROBLEMS
from benchmarks.search.runs import ROOT, Run
from benchmarks.search.scores import score

_GUESS = {"ax": 0.8, "optuna-gp": 0.15}  # seconds a trial, until it is known
_START = 1.0  # seconds that a process takes to start


@dataclass(slots=True)
class _Started:
    run: Run
    process: subprocess.Popen[str]
    told: IO[str]  # files, as a pipe that nobody reads meanwhile would fill up and block the process
    errors: IO[str]
    since: float


@dataclass(slots=True)
class _Pace:
    """How long runs take: seconds a trial by peer."""

    seconds: dict[str, float] = field(default_factory=dict)
    trials: dict[str, int] = field(default_factory=dict)

    def learn(self, run: Run, seconds: float) -> None:
        self.seconds[run.peer] = self.seconds.get(run.peer, 0.0) + seconds
        self.trials[run.peer] = self.trials.get(run.peer, 0) + run.trials

    def expected(self, run: Run) -> float:
        if run.peer not in self.trials:
            return _START + _GUESS.get(run.peer, 0.02) * run.trials
        return self.seconds[run.peer] / self.trials[run.peer] * run.trials


def work_off(
    runs: Sequence[Run], keys: Mapping[tuple[str, str], str], *, out: Path, workers: int, deadline: float,
    known: Mapping[Run, Mapping[str, Any]], say: Callable[[str], None],
) -> dict[Run, dict[str, Any]]:  # fmt: skip
    """Does `runs` in their order and adds each to `out` as it ends; at `deadline` (monotonic) stops what still runs."""
    out.parent.mkdir(parents=True, exist_ok=True)
    pace, done = _Pace(), dict[Run, dict[str, Any]]()
    for run, record in known.items():
        if "took_s" in record:
            pace.learn(run, record["took_s"])
    waiting, running = list(runs), list[_Started]()
    try:
        while (waiting or running) and time.monotonic() < deadline:
            while waiting and len(running) < workers:
                running.append(_start(waiting.pop(0)))
            ended = [one for one in running if one.process.poll() is not None]
            running = [one for one in running if one not in ended]
            for one in ended:
                record = _record(one, keys[one.run.peer, one.run.problem])
                pace.learn(one.run, record["took_s"])
                done[one.run] = record
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
                left = sum(pace.expected(run) for run in [*waiting, *(o.run for o in running)]) / workers
                left = min(left, deadline - time.monotonic())
                say(f"[{len(done)}/{len(runs)}, {left / 60:.1f} min left] {_told(one.run, record)}")
            time.sleep(0.02)
    except KeyboardInterrupt:
        say("stopped")  # the tables of what there is are still wanted
    finally:
        for one in running:
            one.process.kill()
            one.process.wait()
    if waiting or running:
        say(f"{len(waiting) + len(running)} runs are not done; the same command goes on with them")
    return done


def _start(run: Run) -> _Started:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [python_of(run.peer), "-m", "benchmarks.search.worker", json.dumps(asdict(run))]
    told, errors = TemporaryFile("w+"), TemporaryFile("w+")  # noqa: SIM115 (closed by _read)
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=told, stderr=errors, text=True)
    return _Started(run, process, told, errors, time.monotonic())


def _record(one: _Started, key: str) -> dict[str, Any]:
    told, errors = _read(one.told), _read(one.errors)
    record: dict[str, Any] = {**asdict(one.run)}
    if one.process.returncode == 0:
        record = json.loads(told)
    else:
        record["error"] = (errors.strip().splitlines() or [f"exit code {one.process.returncode}"])[-1][:300]
    return {**record, "of": key, "took_s": round(time.monotonic() - one.since, 2)}


def _read(file: IO[str]) -> str:
    with file:
        file.seek(0)
        return file.read()


def _told(run: Run, record: Mapping[str, Any]) -> str:
    batch = f" in {run.parallel}s" if run.parallel > 1 else ""
    after = f" after {run.attached}" if run.attached else ""
    head = f"{run.peer} {run.problem} seed {run.seed} n={run.trials}{batch}{after}"
    if "error" in record:
        return f"{head}: FAILED {record['error']}"
    cpu = 1000 * sorted(record["cpu_s"])[len(record["cpu_s"]) // 2]
    return f"{head}: {score(PROBLEMS[run.problem], record, run.trials):.4g}, {cpu:.1f} ms CPU a suggestion"
