"""The peers' environment, apart from Meristem's: made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.environments import PeersEnvironment

_PEERS = PeersEnvironment(
    home=Path(__file__).parents[1] / ".peers-queue",
    locked=Path(__file__).with_name("peers.txt"),
    size_megabytes=400,
)
PYTHON = _PEERS.bin / "python"


def ensure_peers(say: Callable[[str], None]) -> list[str]:
    """Makes the environment, or brings it up to date; returns the packages that could not be installed."""
    return _PEERS.ensure(say)
