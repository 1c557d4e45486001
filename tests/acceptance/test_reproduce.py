"""A script that was run by hand runs again on a worker: from its commit and diff, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMITTED = """
import sys
import numpy as np
from meristem import Task
task = Task.init("reproduce", "power")
settings = task.connect({"exponent": 2.0, "steps": 5})
for step in range(settings["steps"]):
    task.report(step=step, sum=float(np.arange(step + 1).sum()))
"""
UNCOMMITTED = COMMITTED.replace("np.arange(step + 1).sum()", "(np.arange(step + 1) ** settings['exponent']).sum()") + (
    "print('ran in', sys.prefix)\n"
)


def sh(folder: Path, *command: str) -> str:
    environment = {**os.environ, "MERISTEM_STORE": f"sqlite:///{folder.parent}/meristem.db"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=170, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def meristem(folder: Path, *arguments: str) -> str:
    return sh(folder, sys.executable, "-m", "meristem.cli.main", *arguments)


def values(folder: Path, number: int) -> list[Any]:
    found = json.loads(meristem(folder, "task", "scalars", str(number), "sum", "--json"))
    return [point["value"] for point in found["scalars"]["sum"]]


def test_a_clone_is_reproduced_from_commit_and_diff_in_a_fresh_environment(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    script = repository / "train.py"
    script.write_text(COMMITTED, encoding="utf-8")
    sh(repository, "git", "init", "--quiet")
    sh(repository, "git", "add", "train.py")
    sh(repository, "git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "first")
    script.write_text(UNCOMMITTED, encoding="utf-8")
    sh(repository, sys.executable, "train.py")
    meristem(repository, "task", "wait", "1", "--timeout", "60")
    assert values(repository, 1) == [0.0, 1.0, 5.0, 14.0, 30.0]

    sh(repository, "git", "checkout", "--quiet", "train.py")  # the change is nowhere but in the store now
    meristem(repository, "queue", "create", "default")
    meristem(repository, "task", "clone", "1", "--enqueue", "default")
    meristem(repository, "task", "clone", "1", "--set", "General/exponent=3", "--enqueue", "default")
    worker = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "meristem.cli.main",
            "worker",
            "--queue",
            "default",
            "--folder",
            str(tmp_path / "worker"),
        ],
        env={**os.environ, "MERISTEM_STORE": f"sqlite:///{tmp_path}/meristem.db"},
    )
    try:
        meristem(repository, "task", "wait", "2", "3", "--timeout", "150")
    finally:
        worker.terminate()
        worker.wait(30)

    assert values(repository, 2) == values(repository, 1)
    assert values(repository, 3) == [0.0, 1.0, 9.0, 36.0, 100.0]
    log = meristem(repository, "task", "log", "2")
    assert f"ran in {tmp_path}/worker" in log  # not where this test runs
    assert sys.prefix not in log
