"""The process beside each script of a task: starts it, reads its console, ends it with all that it started.

Started by `meristem.workers.script_run` as a session of its own. What it shall do comes as one JSON line on its
standard input; words come after it, a line each: `{"stop": seconds}`, `{"kill": true}`, `{"shipped": bytes}`. When
the worker dies, however it dies, that pipe closes, and all is ended at once. What came of it is one JSON object on its
standard output: a pipe takes it also where the disk is full.
Only the standard library is imported, and little of it: a task waits for this to start.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from meristem.workers.console import Console
from meristem.workers.process_tree import adopt_orphans, die_with_parent, end_descendants

PREPARED_FILE, NOT_PREPARED_FILE = "prepared.json", "not_prepared.json"
STOP_FILE, CONSOLE_FILE = "stop", "console.log"  # as `meristem.spool` and `meristem.tasks.spool_folder` call them
# From the stop file to SIGTERM: a training that looks for the file ends by itself; on SIGTERM, `tasks.live` runs the
# callbacks for checkpoints, and ends after them.
UNHEARD_SECONDS = 0.7
_READ_BYTES = 1 << 18
_F_SETPIPE_SZ = 1031  # of Linux; the fcntl module has it only since Python 3.10 on some systems
_TICK_MS = 200


class Attendant:
    """Runs the steps of one attempt, one after the other.

    Args:
        given: `folder` (the spool), `run_folder` (for what is ours), `environment`, `secrets`, `prepare` (a command
            that leaves `prepared.json`), or `run` (what would stand in it, where nothing need be prepared).
        words: What came of the worker's words already.
    """

    def __init__(self, given: Mapping[str, Any], words: bytes = b"") -> None:
        self._given = given
        self._spool, self._folder = Path(given["folder"]), Path(given["run_folder"])
        limit = {"limit": given["console_bytes"]} if given.get("console_bytes") else {}
        self._console = Console(self._spool / CONSOLE_FILE, given.get("secrets", ()), **limit)
        self._words = words
        self._pid: int | None = None
        self._code: int | None = None
        self._preparing = False
        self._stopped = self._killed = self._terminated = False
        self._stop_at = self._kill_at = 0.0

    def run(self) -> None:
        """All steps; at the end nothing of the task is left, and its end is told."""
        self._understand(b"")
        oom_before = oom_kills()
        phase, cleanup = "prepare", []
        if self._given.get("prepare"):
            self._preparing = True
            self._attend(self._given["prepare"], self._given["environment"], str(self._folder))
            self._preparing = False
        prepared = self._prepared()
        if prepared is not None and not self._stopped and not self._given.get("only_prepare"):
            phase, cleanup = "run", prepared.get("cleanup", [])
            environment = {**self._given["environment"], **prepared.get("environment", {})}
            for name in prepared.get("without", ()):
                environment.pop(name, None)
            if prepared.get("lock"):
                hold(prepared["lock"])
            self._attend(prepared["command"], environment, prepared["cwd"])
        for command in cleanup:
            self._attend_briefly(command)
        self._console.finish()
        oom = None if oom_before is None else (oom_kills() or 0) > oom_before
        self._tell(phase, oom=oom)

    def _prepared(self) -> dict[str, Any] | None:
        if self._given.get("run"):
            return dict(self._given["run"])
        if self._code != 0 or not (self._folder / PREPARED_FILE).exists():
            return None
        found: dict[str, Any] = json.loads((self._folder / PREPARED_FILE).read_bytes())
        return found

    def _tell(self, phase: str, *, oom: bool | None) -> None:
        told = {
            "phase": phase,
            "code": self._code,
            "stopped": self._stopped,
            "killed": self._killed,
            "oom": oom,
            "fault": self._console.fault,
            "tail": self._console.tail.decode("utf-8", "replace"),
        }
        data = json.dumps(told).encode()  # at most 50 KB, so that the pipe takes it whole though nobody reads it yet
        while data:
            data = data[os.write(1, data) :]

    # One step

    def _attend(self, command: Sequence[str], environment: Mapping[str, str], cwd: str) -> None:
        """Runs `command` until it has ended, by itself or not, with all that it started."""
        self._code, output = None, self._start(command, environment, cwd)
        watch = select.poll()
        watch.register(0, select.POLLIN)
        watch.register(output, select.POLLIN)
        ended = _pidfd(self._pid)
        if ended is not None:
            watch.register(ended, select.POLLIN)
        while not self._has_ended():
            self._force()
            for descriptor, _ in watch.poll(_TICK_MS if ended is not None else 20):
                if descriptor == 0:
                    self._hear()
                elif descriptor == output and not self._read(output):
                    watch.unregister(output)  # closed; what the task does now is silent
        assert self._pid is not None
        end_descendants([self._pid])
        while self._read(output):  # all who could write are gone: this comes to an end
            pass
        os.close(output)
        if ended is not None:
            os.close(ended)

    def _start(self, command: Sequence[str], environment: Mapping[str, str], cwd: str) -> int:
        """Forks and executes; returns the end of the pipe from which its console is read."""
        output, theirs = os.pipe()
        with suppress(OSError):  # not Linux, or the user may have no more pipes of that size
            fcntl.fcntl(theirs, _F_SETPIPE_SZ, 1 << 20)
        pid = os.fork()
        if pid == 0:
            _become(command, environment, cwd, theirs)
        os.close(theirs)
        self._pid = pid
        os.set_blocking(output, False)
        return output

    def _has_ended(self) -> bool:
        assert self._pid is not None
        if self._code is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code is not None

    def _read(self, output: int) -> bool:
        """Takes what was printed; False where there is no more."""
        try:
            data = os.read(output, _READ_BYTES)
        except BlockingIOError:
            return self._code is None
        self._console.feed(data)
        return bool(data)

    # Words of the worker

    def _hear(self) -> None:
        data = os.read(0, 1 << 16)
        if not data:
            self._abandoned()
        self._understand(data)

    def _understand(self, data: bytes) -> None:
        *lines, self._words = (self._words + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _obey(self, word: Mapping[str, Any]) -> None:
        if "shipped" in word:
            self._console.shipped(int(word["shipped"]))
        if "stop" in word and not self._stopped:
            self._stopped, self._stop_at = True, time.monotonic()
            self._kill_at = self._stop_at + float(word["stop"])
            with suppress(OSError):  # a full disk or a removed folder: the signal does it
                (self._spool / STOP_FILE).touch()
        if word.get("kill"):
            self._stopped, self._kill_at = True, 0.0
            self._terminated = True

    def _force(self) -> None:
        """Does what is due to end a task that was asked to stop."""
        if not self._stopped or self._pid is None:
            return
        now = time.monotonic()
        if self._preparing:  # nothing to save
            self._kill_at, self._terminated = 0.0, True
        if not self._terminated:
            if now >= min(self._stop_at + UNHEARD_SECONDS, self._kill_at):
                self._terminated = True
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._pid, signal.SIGTERM)
        elif now >= self._kill_at and not self._killed:
            self._killed = True
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)

    def _abandoned(self) -> None:
        """The worker is gone, and with it the claim: another will run the task, so nothing of it may go on here."""
        end_descendants([self._pid] if self._pid else [])
        os._exit(1)

    def _attend_briefly(self, command: Sequence[str]) -> None:
        with suppress(OSError):
            pid = os.fork()
            if pid == 0:
                _become(command, dict(os.environ), "/", os.open(os.devnull, os.O_WRONLY))
            end = time.monotonic() + 20
            while not os.waitpid(pid, os.WNOHANG)[0] and time.monotonic() < end:
                time.sleep(0.02)


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file so that whoever sees it sees all of it."""
    draft = path.with_name(path.name + ".draft")
    draft.write_bytes(data)
    os.replace(draft, path)


def hold(lock: str) -> None:
    """Keeps an environment from being removed, until this process ends."""
    with suppress(OSError):
        fcntl.flock(os.open(lock, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644), fcntl.LOCK_SH | fcntl.LOCK_NB)


def oom_kills() -> int | None:
    """How often the kernel killed something for memory in our control group; None where that cannot be known."""
    with suppress(OSError, ValueError, IndexError):
        place = Path("/proc/self/cgroup").read_text().strip().splitlines()[-1].split(":", 2)[2]
        for folder in (f"/sys/fs/cgroup{place}", "/sys/fs/cgroup"):
            events = Path(folder) / "memory.events"
            if events.exists():
                return int(dict(line.split() for line in events.read_text().splitlines())["oom_kill"])
    return None


def _become(command: Sequence[str], environment: Mapping[str, str], cwd: str, output: int) -> None:
    """In the forked child: becomes `command`; what keeps it from that is told on its console. Never returns."""
    try:
        os.setsid()
        die_with_parent()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(cwd)
        os.execvpe(command[0], list(command), dict(environment))
    except BaseException as error:
        os.write(2, f"{command[0]} cannot be started: {error}\n".encode("utf-8", "replace"))
    finally:
        os._exit(127)


def _pidfd(pid: int | None) -> int | None:
    try:
        return os.pidfd_open(pid) if pid else None
    except (AttributeError, OSError):  # not Linux, or an old kernel
        return None


def main() -> None:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)  # only the worker decides; when it goes, its pipe closes
    adopt_orphans()
    line, words = _first_line()
    try:
        Attendant(json.loads(line), words).run()
    except BaseException:
        traceback.print_exc()
        end_descendants()
        sys.stderr.flush()
        os._exit(1)


def _first_line() -> tuple[bytes, bytes]:
    """What to do, and what of the words after it came with it."""
    data = b""
    while b"\n" not in data:
        more = os.read(0, 1 << 16)
        if not more:
            os._exit(1)
        data += more
    line, _, words = data.partition(b"\n")
    return line, words


if __name__ == "__main__":
    main()
