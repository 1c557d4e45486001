"""A warm process of a slot, and one attempt of a function task in it, as the worker sees them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from meristem.processes.group_leader import POLL_SECONDS, GroupLeader, in_words
from meristem.spool import STOP_FILE
from meristem.workers.attendant import UNHEARD_SECONDS
from meristem.workers.ending import Ended

_LAST_WORDS_SECONDS = 0.5  # from a closed connection to the end of the process behind it


class FunctionProcess:
    """A process that calls functions for one slot.

    Args:
        python: The interpreter.
        cwd: Where the functions run.
        environment: All variables of the process.
        paths: Folders where their modules are found, before all others.
        own: A folder with our own package and nothing else; it comes last, so that it shadows nothing of a task's.

    Attributes:
        used: Something has run in it; it may hold memory, and GPUs.
        spent: Something that ran in it has left what cannot be put right: nothing else may run in it.
    """

    def __init__(
        self, python: str, cwd: str, environment: Mapping[str, str], *, own: str, paths: Sequence[str] = ()
    ) -> None:
        self.used = self.spent = False
        ours, theirs = socket.socketpair()
        life_read, self._lifeline = os.pipe()
        numbers = (theirs.fileno(), life_read)
        code = (
            f"import sys; sys.path[:0] = {list(paths)!r}; sys.path.append({own!r}); "
            "from meristem.workers.warm_process import main; main(*sys.argv[1:])"
        )
        try:
            child = subprocess.Popen(
                [python, "-c", code, *map(str, numbers)],
                pass_fds=numbers,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=cwd,
                env=dict(environment),
            )
        except BaseException:
            ours.close()
            os.close(self._lifeline)
            raise
        finally:
            theirs.close()
            os.close(life_read)
        self.leader = GroupLeader(child.pid, child=child)
        self.connection = Connection(ours.detach())

    @property
    def alive(self) -> bool:
        return not self.leader.ended()

    def end(self) -> int | None:
        """Kills it with all that it started; its exit code."""
        code = self.leader.kill()
        with suppress(OSError):
            self.connection.close()
            os.close(self._lifeline)
            self._lifeline = -1
        return code


class FunctionCall:
    """One attempt in a warm process.

    Args:
        call: `function`, `parameters`, `folder` (the spool), `secrets`, `project`, `name`.
    """

    def __init__(self, process: FunctionProcess, call: Mapping[str, Any]) -> None:
        self._process, self._folder = process, Path(call["folder"])
        self._stopped = self._killed = self._terminated = False
        self._stop_at = self._kill_at = 0.0
        self._answer: dict[str, Any] | None = None
        process.used = True
        self._say(call)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, after at most `seconds`."""
        self._force()
        ears: list[Any] = [self._process.connection]
        if self._process.leader.descriptor is not None:
            ears.append(self._process.leader.descriptor)
        else:
            seconds = min(seconds, POLL_SECONDS)
        if self._stopped:
            seconds = min(seconds, 0.1)
        ready = wait(ears, seconds)
        if self._process.connection in ready:
            with suppress(EOFError, OSError, ValueError):
                self._answer = json.loads(self._process.connection.recv_bytes())
            return True
        return bool(ready) or self._process.leader.ended()

    def stop(self, grace_seconds: float) -> None:
        if not self._stopped:
            self._stop_at = time.monotonic()
            self._kill_at = self._stop_at + grace_seconds
            self._stopped = True
            with suppress(OSError):  # a full disk or a removed folder: the signal does it
                (self._folder / STOP_FILE).touch()

    def kill(self) -> None:
        self._kill_at, self._stopped, self._terminated = 0.0, True, True

    def shipped(self, position: int) -> None:
        self._say({"shipped": position})

    def collect(self) -> Ended:
        """What came of it; to be called once it has ended. Where it was killed, so was its process."""
        if self._answer is not None:
            answer = self._answer
            self._process.spent = bool(answer.get("spent"))
            return Ended(
                code=0 if answer.get("message") is None else 1,
                stopped=self._stopped,
                message=answer.get("message"),
                result=answer.get("result"),
                fault=answer.get("fault"),
            )
        natural = self._process.leader.ended(within_seconds=_LAST_WORDS_SECONDS)
        code = self._process.end()
        why = None if natural else "it closed the connection to its worker"
        if natural and code is not None and code >= 0:
            why = f"it ended the process in which it ran ({in_words(code)})"
        return Ended(code=code, stopped=self._stopped, killed=self._killed, message=why)

    def _force(self) -> None:
        if not self._stopped:
            return
        now = time.monotonic()
        if not self._terminated and now >= min(self._stop_at + UNHEARD_SECONDS, self._kill_at):
            self._terminated = True
            self._process.leader.signal_group(signal.SIGTERM)
        elif self._terminated and now >= self._kill_at and not self._killed:
            self._killed = True
            self._process.leader.signal_group(signal.SIGKILL)

    def _say(self, word: Mapping[str, Any]) -> None:
        with suppress(OSError):  # it has just died: `wait` tells
            self._process.connection.send_bytes(json.dumps(word).encode())
