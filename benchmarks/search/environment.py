"""The peers' environment, apart from Meristem's: made once, and which peers can run in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.search.adapters import PEERS, is_ours

HOME = Path(__file__).parents[1] / ".peers"
PYTHON = HOME / "bin" / "python"
LOCKED = Path(__file__).with_name("peers.txt")
STORAGE = Path(__file__).with_name("peers_storage.txt")  # apart: a kept search belongs to what `LOCKED` says
STAMP = HOME / ".installed"
_NEEDS = {"plain": ("scipy",), "optuna_peer": ("optuna",), "ax_peer": ("ax",)}
_MORE_NEEDS = {"optuna-gp": ("torch",), "optuna-cmaes": ("cmaes",)}


def ensure_peers(say: Callable[[str], None]) -> None:
    """Makes the environment or brings it up to date; says what could not be installed, and raises nothing."""
    locked = LOCKED.read_text() + STORAGE.read_text()
    if STAMP.exists() and STAMP.read_text() == locked:
        return
    say(f"installing the peers into {HOME} (about 1 GB, once) …")
    torch, *rest = LOCKED.read_text().split()
    optuna = [line for line in rest if not line.startswith(("ax-", "botorch", "gpytorch"))]
    steps = [
        [sys.executable, "-m", "venv", str(HOME)],
        # First and alone, so that what depends on torch takes this build and not another, larger one.
        [str(PYTHON), "-m", "pip", "install", "-qqq", "--disable-pip-version-check", torch],
        [str(PYTHON), "-m", "pip", "install", "-qqq", "--disable-pip-version-check", *optuna],
        [str(PYTHON), "-m", "pip", "install", "-qqq", "--disable-pip-version-check", *rest],
        [str(PYTHON), "-m", "pip", "install", "-qqq", "--disable-pip-version-check", "-r", str(STORAGE)],
    ]
    failed = [step[-1] for step in steps if not _succeeds(step)]
    if failed:
        say(f"could not install all peers (failed at {', '.join(failed)}); going on with those that are there")
    else:
        STAMP.write_text(locked)


def missing(peers: Sequence[str]) -> list[str]:
    """Those of `peers` that cannot run."""
    wanted = {p: (*_NEEDS[PEERS[p][0]], *_MORE_NEEDS.get(p, ())) for p in peers if not is_ours(p) and p not in _PLAIN}
    modules = sorted({module for needs in wanted.values() for module in needs})
    lacking = {module for module in modules if not _succeeds([str(PYTHON), "-c", f"import {module}"])}
    return [peer for peer, needs in wanted.items() if lacking & set(needs)]


def python_of(peer: str) -> str:
    """The interpreter in which a peer runs."""
    return sys.executable if is_ours(peer) or peer in _PLAIN else str(PYTHON)


_PLAIN = ("random", "sobol")


def _succeeds(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0
