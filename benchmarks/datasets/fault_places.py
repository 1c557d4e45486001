"""Where the packs of a fault run lie: a folder, or S3 of moto behind a proxy that fails at random."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_BUCKET = "faults"
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobPlace:
    """A URL for the store's blobs (None: the usual folder), and what the environment must say for it."""

    url: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def place_of(kind: str, home: Path, seed: int) -> Iterator[BlobPlace]:
    """A place for blobs: `folder`, `s3`, or `flaky-s3`, which answers some requests with errors or half a body."""
    if kind == "folder":
        yield BlobPlace()
        return
    with moto(home / "moto.log") as port, contextlib.ExitStack() as stack:
        if kind == "flaky-s3":
            from flaky_s3 import FlakyS3  # in tests/: only this place needs it

            port = stack.enter_context(FlakyS3(f"http://127.0.0.1:{port}", seed=seed)).port
        env = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip
        yield BlobPlace(url=f"s3://{_BUCKET}/blobs", env=env)


@contextlib.contextmanager
def moto(log: Path) -> Iterator[int]:
    """A server of moto with a bucket; gives its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as told:
        server = subprocess.Popen(command, stdout=told, stderr=told, env={**os.environ, "AWS_REGION": "us-east-1"})
    try:
        _make_bucket(f"http://127.0.0.1:{port}/{_BUCKET}")
        yield port
    finally:
        server.kill()
        server.wait()


def _make_bucket(url: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
