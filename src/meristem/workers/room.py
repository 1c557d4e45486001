"""Whether a worker's folder can be written: where it cannot, no task of the queue is at fault."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

FREE_BYTES = 16 << 20  # as much as the preparation of a task asks for
_PROBE_BYTES = 64 << 10
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0


def trouble(folder: Path) -> str | None:
    """Why nothing can be written below `folder` (a full disk, no right to write, a quota); None where all is well.

    It is found out by writing: quotas and lost rights are not seen in the number of free bytes.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())  # file systems may find out only then that there is no room
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"{folder}: {error.strerror or error}"
    return f"{folder}: only {free >> 20} MB are free" if free < FREE_BYTES else None


def longer(pause: float) -> float:
    """The next pause, in seconds, of a worker that still finds no room."""
    return min(2 * pause or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
