"""Environments of peers, apart from Meristem's: made once, at the locked versions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PeersEnvironment:
    """An environment in the folder `home` with the packages that the file `locked` names."""

    home: Path
    locked: Path
    size_megabytes: int

    @property
    def bin(self) -> Path:
        return self.home / "bin"

    def ensure(self, say: Callable[[str], None]) -> list[str]:
        """Makes it, or brings it up to date; returns the packages that could not be installed, and raises nothing."""
        locked, stamp = self.locked.read_text(), self.home / ".installed"
        if stamp.exists() and stamp.read_text() == locked:
            return []
        say(f"installing the peers into {self.home} (about {self.size_megabytes} MB, once) …")
        if not _succeeds(sys.executable, "-m", "venv", str(self.home)):
            return locked.split()
        install = (str(self.bin / "python"), "-m", "pip", "install", "-qqq", "--disable-pip-version-check")
        failed = [package for package in locked.split() if not _succeeds(*install, package)]
        if not failed:
            stamp.write_text(locked)
        return failed


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
