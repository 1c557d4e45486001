"""An S3 server of the tests: moto in a process of its own, on a free port of this machine.

    with S3Server() as server:
        bucket = server.make_bucket()
        environment |= server.environment()

Its objects lie in memory. Nothing outside this machine is reached, and no keys are needed: these are made up.
"""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from types import TracebackType

REGION = "us-east-1"
_numbers = itertools.count()


class S3Server:
    """Runs while the context is open.

    Attributes:
        url: The endpoint, such as http://127.0.0.1:40001.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> S3Server:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        quiet = subprocess.DEVNULL
        # In a session of its own: Ctrl-C and tests that end their group must not end it.
        self._process = subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def make_bucket(self) -> str:
        """Makes an empty bucket and returns its name."""
        name = f"bucket-{os.getpid()}-{next(_numbers)}"
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/{name}", method="PUT")):
            return name

    def environment(self, endpoint: str | None = None) -> dict[str, str]:
        """What a process needs to reach it, perhaps by way of another endpoint (see `flaky_s3`)."""
        return {
            "AWS_ENDPOINT_URL": endpoint or self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": REGION,
        }

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, "the S3 server of the tests (moto) ended at once"
            try:
                with urllib.request.urlopen(f"{self.url}/moto-api/", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise TimeoutError("the S3 server of the tests (moto) did not start")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
