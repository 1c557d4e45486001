"""Runs a script as a task in a process of its own, and reads what came into its spool folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meristem.tasks.endings import Ending
from meristem.tasks.process_mark import is_alive
from meristem.tasks.spool_folder import SpoolFolder, TaskFile

SOURCES = str(Path(__file__).parents[3] / "src")
INIT = """
import meristem
task = meristem.Task.init("demo", "live", offline=True, capture={"packages": False, "arguments": False})
"""
_CLEARED = ("MERISTEM_TASK", "MERISTEM_REPORT", "MERISTEM_TASKS", "MERISTEM_OFFLINE", "RANK", "MERISTEM_TASK_OF_PARENT")


@dataclass
class Ran:
    """A script that has ended."""

    folder: SpoolFolder
    status: int
    out: str
    err: str

    @property
    def task(self) -> TaskFile:
        return self.folder.read_task()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.folder.report.read_text().splitlines()]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record.get("meristem") == kind]

    def scalars(self, name: str) -> list[Any]:
        return [record[name] for record in self.records if "meristem" not in record and name in record]

    @property
    def console(self) -> bytes:
        return self.folder.console.read_bytes()

    @property
    def ended(self) -> Ending | None:
        """How it ended, as a shipper sees it afterwards."""
        assert is_alive(self.task.pid, self.task.process) is not True
        found = self.of("ended")
        assert len(found) <= 1
        return Ending.from_json(found[0]).corrected(self.folder.read_exit_status()) if found else None


class Running:
    """A script that runs."""

    def __init__(self, place: Path, code: str, *, init: str = INIT, arguments: tuple[str, ...] = (), **variables: str):
        place.mkdir(parents=True, exist_ok=True)
        (place / "train.py").write_text(init + textwrap.dedent(code))
        environment = {key: value for key, value in os.environ.items() if key not in _CLEARED}
        environment |= {"PYTHONPATH": SOURCES, "PYTHONWARNINGS": "error::ResourceWarning", **variables}
        self.place = place
        self.process = subprocess.Popen(
            [sys.executable, "train.py", *arguments], cwd=place, env=environment, text=True, errors="replace",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    @property
    def folder(self) -> SpoolFolder:
        (found,) = (self.place / "meristem-tasks").glob("*/")
        return SpoolFolder(found)

    def wait_for(self, word: str) -> None:
        """Waits for a line of its output."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if word in line:
                return
        raise AssertionError(f"it never said {word!r}: {self.process.communicate()[1]}")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, folder: SpoolFolder | None = None) -> Ran:
        try:
            out, err = self.process.communicate(timeout=60)
        finally:
            self.process.kill()
        return Ran(folder or self.folder, self.process.returncode, out, err)


def run(place: Path, code: str, **more: Any) -> Ran:
    return Running(place, code, **more).ended()


def eventually(true: Any, seconds: float = 10.0) -> None:
    """Waits until `true()` is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)
