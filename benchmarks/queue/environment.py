"""The peers' environment, apart from Meristem's: made once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HOME = Path(__file__).parents[1] / ".peers-queue"
PYTHON = HOME / "bin" / "python"
LOCKED = Path(__file__).with_name("peers.txt")
_STAMP = HOME / ".installed"


def ensure_peers(say: Callable[[str], None]) -> list[str]:
    """Makes the environment, or brings it up to date; returns the packages that could not be installed."""
    wanted = LOCKED.read_text().split()
    if _STAMP.exists() and _STAMP.read_text() == LOCKED.read_text():
        return []
    say(f"installing the peers into {HOME} (about 400 MB, once) …")
    if not _succeeds(sys.executable, "-m", "venv", str(HOME)):
        return wanted
    install = (str(PYTHON), "-m", "pip", "install", "-qqq", "--disable-pip-version-check")
    failed = [package for package in wanted if not _succeeds(*install, package)]
    if not failed:
        _STAMP.write_text(LOCKED.read_text())
    return failed


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
