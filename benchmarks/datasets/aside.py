"""Folders that are in the way are moved aside, and deleted when nothing is measured any more.

Ext4 without a journal (as virtual machines often have it) does not give the inode of a deleted file to another for one
to five minutes, and looks at each of those again for every file that is made. Measured: `cp -r` of 10,000 files took
0.4 s, and 2.5 to 7 s right after such folders had been deleted. A benchmark that cleans up on its way measures that.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

TRASH = "trash"  # the folder beside those of contestants
_PROBES = 2000  # files that are made to see how long one takes
_USUAL_SECONDS = 120e-6  # 15 to 60 us are usual, 200 to 700 where many were deleted
_PATIENCE_SECONDS = 360.0
_numbers = itertools.count()


def set_aside(folder: Path, trash: Path) -> None:
    """Moves a folder into `trash`, on the same disk; nothing where there is none."""
    if folder.exists():
        trash.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o755)  # a read-only folder cannot be moved: its entry `..` changes
        folder.rename(trash / str(next(_numbers)))


def await_calm(folder: Path, say: Callable[[str], None]) -> float:
    """Waits until files are made at the usual speed below `folder`, for six minutes at most.

    Returns:
        CPU seconds for each file, as it is then; above _USUAL_SECONDS what is measured is slower than it should be.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (seconds := _seconds_a_file(folder / TRASH / f"probe{next(_numbers)}")) > _USUAL_SECONDS:
        if time.monotonic() > deadline:
            say(f"still, a new file takes {1e6 * seconds:.0f} us: figures of many files are too high")
            break
        say(f"a new file takes {1e6 * seconds:.0f} us here, since many were deleted lately: waiting …")
        time.sleep(20)
    return seconds


def _seconds_a_file(folder: Path) -> float:
    began = time.process_time()
    for number in range(_PROBES):
        if number % 100 == 0:
            (folder / str(number)).mkdir(parents=True)
        (folder / str(number // 100 * 100) / str(number)).touch()
    return (time.process_time() - began) / _PROBES


def delete(folder: Path) -> None:
    """Deletes a folder, also where its folders are read-only; nothing where there is none."""
    for place, _, _ in os.walk(folder):
        os.chmod(place, 0o700)
    if folder.exists():
        shutil.rmtree(folder)
