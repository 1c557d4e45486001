"""Workers as real processes on a store, repositories, and tasks for them."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import meristem
from meristem.needs import Needs
from meristem.statuses import TaskStatus
from meristem.store.store import Store
from meristem.store.task_rows import NewTask, TaskRow
from meristem.tasks.spool_folder import new_task_id

SOURCES = str(Path(meristem.__file__).parent.parent)
RUNS = (TaskStatus.QUEUED, TaskStatus.RUNNING)


class Team:
    """A store with the queue `default`, and the workers that a test starts on it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.store = Store(url, patience=timedelta(seconds=20))
        self.store.queues.ensure("default")
        self.workers: list[subprocess.Popen[bytes]] = []

    def worker(
        self,
        *options: str,
        env: Mapping[str, str] | None = None,
        name: str = "w",
        limit: str = "true",
        store: str | None = None,
    ) -> subprocess.Popen[bytes]:
        """Starts one. `limit`: what the shell does before; `store`: another way to the store."""
        line = [sys.executable, "-m", "meristem.cli.main", "worker", "--queue", "default", "--store", store or self.url]
        line += ["--folder", str(self.folder / "workers"), "--name", name, "--verbose", "--lease", "2"]
        line += [] if "--env" in options else ["--env", "current"]
        command = ["bash", "-c", f"{limit}; exec {shlex.join([*line, *options])}"]
        variables = {**os.environ, "PYTHONPATH": SOURCES, **(env or {})}
        with open(self.folder / f"{name}.log", "ab") as log:
            found = subprocess.Popen(command, cwd=self.folder, env=variables, stderr=log, stdout=log)
        self.workers.append(found)
        return found

    def log(self, name: str = "w") -> str:
        return (self.folder / f"{name}.log").read_text()

    def add(self, parameters: Mapping[str, Any] | None = None, **source: Any) -> int:
        new = NewTask(
            id=new_task_id(), project="demo", name="t", source=source, parameters=parameters or {}, needs=Needs()
        )
        number = self.store.tasks.create(new).number
        self.store.queues.enqueue([number], "default")
        return number

    def script(self, text: str, **more: Any) -> int:
        blob = {"blob": self.store.blobs.put(text.encode())}
        return self.add(entry="script", entry_point="train.py", script=blob, script_name="train.py", **more)

    def function(self, name: str, **parameters: Any) -> int:
        return self.add({f"General/{k}": v for k, v in parameters.items()}, entry="function", entry_point=name)

    def get(self, number: int) -> TaskRow:
        return self.store.tasks.get(number)

    def ended(self, number: int, seconds: float = 20.0) -> TaskRow:
        self.until(lambda: self.get(number).status not in RUNS, seconds)
        return self.get(number)

    def running(self, number: int, seconds: float = 20.0) -> None:
        self.until(lambda: self.get(number).status is TaskStatus.RUNNING, seconds)

    def until(self, holds: Callable[[], bool], seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "it did not come about in time"
            time.sleep(0.02)

    def console(self, number: int) -> str:
        return "".join(chunk.text for chunk in self.store.task_outputs.console(number, limit=100_000))

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
                worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            try:
                worker.wait(10)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self.store.close()


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    found = Team(f"sqlite:///{tmp_path}/m.db", tmp_path)
    yield found
    found.close()


@pytest.fixture
def postgres_team(postgres_url: str, tmp_path: Path) -> Iterator[Team]:
    found = Team(postgres_url, tmp_path)
    yield found
    found.close()


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=n", "-c", "user.email=e@x"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with `sub/train.py`, which prints what `lib/value.py` says."""
    place = tmp_path / "repository"
    (place / "sub").mkdir(parents=True)
    (place / "lib").mkdir()
    (place / "lib" / "value.py").write_text("VALUE = 'committed'\n")
    (place / "sub" / "train.py").write_text(
        "from value import VALUE\nimport sys\nprint('value:', VALUE, sys.argv[1:])\n"
    )
    git(place, "init", "-q", "-b", "main")
    git(place, "add", ".")
    git(place, "commit", "-q", "-m", "first")
    return place


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
