"""Kills a closed loop at one step, starts it again, and counts what became of its launches."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(__file__).with_name("outside.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What was found after the second run.

    Attributes:
        launches: Jobs outside.
        doubles: Trials that were launched more than once.
        orphans: Jobs outside that no trial knows of.
        in_doubt: Trials that were given up as in doubt.
    """

    killed: bool
    completed: int
    launches: int
    doubles: int
    orphans: int
    in_doubt: int


def kill_and_resume(folder: Path, kill: str, *, finds: bool, trials: int = 6) -> Count:
    """Runs the loop of `trials` twice; the first is killed at `kill`, such as "launched:2"."""
    given = [sys.executable, str(PROGRAM), str(folder), "finds" if finds else "", str(trials)]
    killed = subprocess.run(given, env=os.environ | {"MERISTEM_KILL": kill}, check=False, timeout=60)
    subprocess.run(given, check=True, timeout=60)
    with closing(sqlite3.connect(folder / "loop.db")) as database:
        rows = database.execute("SELECT status, error, deployment FROM trials").fetchall()
    jobs = [place.name for place in (folder / "jobs").iterdir() if place.suffix != ".part"]
    launched = Counter(name.rpartition(".")[0].rsplit("-", 1)[0] for name in jobs)
    known = {json.loads(deployment)["file"] for _, _, deployment in rows if deployment}
    return Count(
        killed=killed.returncode < 0,
        completed=sum(status == "completed" for status, _, _ in rows),
        launches=len(jobs),
        doubles=sum(count > 1 for count in launched.values()),
        orphans=len(set(jobs) - known),
        in_doubt=sum("in doubt" in (error or "") for _, error, _ in rows),
    )
