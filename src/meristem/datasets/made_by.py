"""What makes a version: who, on which machine, by which command, in which task. Found out, never asked."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from typing import Any

from meristem.present import here

_LONGEST_COMMAND = 2000  # characters


def made_by() -> dict[str, Any]:
    """User, host, process, command and folder; the task or trial that runs here."""
    found: dict[str, Any] = {
        "user": _user(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "command": " ".join(sys.orig_argv)[:_LONGEST_COMMAND],
        "folder": os.getcwd(),
    }
    if (running := here()) is not None:
        found[running.kind] = running.name
    return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's process may run as a number without a name
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
