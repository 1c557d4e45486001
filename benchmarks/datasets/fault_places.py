"""Where the packs of a fault run lie: a folder, or S3 (moto, in its memory) behind a proxy that may fail at random."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PLACES = ("folder", "s3", "flaky-s3")
_FAULTS = {
    "slow_down": 0.03, "error": 0.02, "reset": 0.01, "lost": 0.01, "failed_late": 0.01, "cut": 0.02,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobPlace:
    """A URL for the store's blobs (None: the usual folder), and what the environment must say for it."""

    url: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)  # how often the proxy did what; it grows


@contextmanager
def place_of(kind: str, seed: int) -> Iterator[BlobPlace]:
    """A place for blobs, one of PLACES; `flaky-s3` answers one request in ten with an error or half a body."""
    if kind == "folder":
        yield BlobPlace()
        return
    sys.path.append(str(Path(__file__).parents[2] / "tests"))
    from flaky_s3 import FlakyProxy  # tools of the tests, which only such runs need
    from s3_server import S3Server

    # Also without faults the proxy stands before moto, which looks and then writes: it lets one PUT pass at a time.
    faults = _FAULTS if kind == "flaky-s3" else {}
    with S3Server() as server, FlakyProxy(server.url, seed=seed, faults=faults) as proxy:
        url = f"s3://{server.make_bucket()}/blobs"
        yield BlobPlace(url=url, env=server.environment(proxy.url), failed=proxy.done)
