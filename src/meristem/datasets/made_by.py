"""What makes a version: who, on which machine, by which command, of which code and task. Found out, never asked."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from meristem.present import reader

_LONGEST_COMMAND = 2000  # characters
_GIT_SECONDS = 2


def made_by() -> dict[str, Any]:
    """User, host, process, command and folder; the task or trial that runs here; the commit of the folder's code."""
    found: dict[str, Any] = {
        "user": _user(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "command": " ".join(sys.orig_argv)[:_LONGEST_COMMAND],
        "folder": os.getcwd(),
    }
    if (running := reader()) is not None:
        found[running.kind] = running.name
    if commit := _commit():
        found["commit"] = commit
    return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's process may run as a number without a name
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def _commit() -> str | None:
    if not any((folder / ".git").exists() for folder in (Path.cwd(), *Path.cwd().parents)):
        return None
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        done = subprocess.run(command, capture_output=True, timeout=_GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() or None if done.returncode == 0 else None
