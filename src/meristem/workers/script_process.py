"""One attempt of a script or module, as its worker sees it: the attendant beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import meristem
from meristem.processes.group_leader import POLL_SECONDS, GroupLeader
from meristem.tasks.spool_folder import TASK_VARIABLE
from meristem.workers.attendant import NOT_PREPARED_FILE
from meristem.workers.ending import Ended, read_ended
from meristem.workers.process_tree import end_marked

_ROOT = str(Path(meristem.__file__).resolve().parent.parent)


def own_command(module: str, *arguments: str) -> list[str]:
    """A command line that runs `main(*arguments)` of a module of ours, with the standard library alone: `-S` and `-E`
    save half of the time that Python takes to start."""
    code = f"import sys; sys.path.insert(0, {_ROOT!r}); from {module} import main; main(*sys.argv[1:])"
    return [sys.executable, "-S", "-E", "-c", code, *arguments]


class ScriptProcess:
    """Starts an attendant, gives it word, and learns what came of it.

    Args:
        given: As `attendant.Attendant` takes it.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._folder = Path(given["run_folder"])
        self._mark = str(Path(given["folder"]) / "task.json")
        with open(self._folder / "attendant.log", "ab") as log:
            child = subprocess.Popen(
                own_command("meristem.workers.attendant"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath)},
            )
        assert child.stdin is not None
        assert child.stdout is not None
        self._words, self._told = child.stdin, child.stdout
        self._lock = threading.Lock()
        self._leader = GroupLeader(child.pid, child=child)
        self._say(given)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, after at most `seconds`."""
        if self._leader.descriptor is None:
            seconds = min(seconds, POLL_SECONDS)
        return self._leader.ended(within_seconds=seconds)

    def stop(self, grace_seconds: float) -> None:
        self._say({"stop": grace_seconds})

    def kill(self) -> None:
        self._say({"kill": True})

    def shipped(self, position: int) -> None:
        self._say({"shipped": position})

    def collect(self) -> Ended:
        """What came of it; to be called once it has ended."""
        self._leader.kill()
        with suppress(OSError):
            self._words.close()
        told = self._end()
        if told is None:  # the attendant itself was killed: what it watched over may live
            end_marked(TASK_VARIABLE, self._mark)
        refusal = _read_json(self._folder / NOT_PREPARED_FILE)
        return read_ended(told, None if refusal is None else str(refusal["message"]))

    def _end(self) -> dict[str, Any] | None:
        """What the attendant told at its end; None where it was killed before."""
        os.set_blocking(self._told.fileno(), False)  # whoever still holds the other end shall not hold us up
        with self._told:
            data = self._told.read() or b""
        return _read_object(data)

    def _say(self, word: Mapping[str, Any]) -> None:
        with self._lock, suppress(OSError, ValueError):  # it has just ended: `collect` tells
            self._words.write(json.dumps(word).encode() + b"\n")
            self._words.flush()


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        return _read_object(path.read_bytes())
    except OSError:
        return None


def _read_object(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
