"""Notes what was freed: a line for each folder that a handler removes, which another one counts in the end.

The note is written before the folder goes, so that none is lost when its process is killed in between; a folder that is
still there does not count as freed.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

FREED_FILE = ".freed.jsonl"  # beside the folders
_BLOCK_BYTES = 512  # of st_blocks, on every system


def note_freed(folder: Path) -> None:
    """Notes that `folder` is about to be removed, with how much it takes. It never raises: a note is no necessity."""
    line = json.dumps({"folder": str(folder), "size_bytes": disk_size(folder)})
    with suppress(OSError), open(folder.parent / FREED_FILE, "a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")  # on a line of its own, also behind one that a crash cut short


def freed_sizes(parent: Path) -> dict[Path, int]:
    """Folders in `parent` that were removed, with how many bytes each had taken."""
    found: dict[Path, int] = {}
    with suppress(OSError), open(parent / FREED_FILE, encoding="utf-8", errors="replace") as file:
        for line in file:
            with suppress(ValueError, KeyError, TypeError):  # no whole line
                noted = json.loads(line)
                found[Path(noted["folder"])] = int(noted["size_bytes"])
    return {folder: size for folder, size in found.items() if not folder.exists()}


def disk_size(folder: Path) -> int:
    """Bytes that the files in `folder` take on disk; what links lead to does not count, nor what cannot be read."""
    total = 0
    for at, _folders, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(at, name)).st_blocks * _BLOCK_BYTES
    return total
