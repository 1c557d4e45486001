"""Which Python runs a task: one of the version with which it was recorded."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable

from meristem.workers.environments.tools import NotPrepared, asks, say

Finder = Callable[[str], str | None]


def find_python(wanted: str | None, *, uv: str | None, strict: bool = False, finder: Finder | None = None) -> str:
    """The path of an interpreter of the wanted version, to its second number.

    Where there is none, the worker's own serves, with a word on the console; with `strict` that is refused.

    Raises:
        NotPrepared: It is refused, or `wanted` is no version.
    """
    own = getattr(sys, "_base_executable", None) or sys.executable  # a venv's own would drag its packages along
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if not wanted:
        return own
    found = re.match(r"(\d+\.\d+)(\.|$)", wanted)
    if found is None:
        raise NotPrepared(f"{wanted!r:.40} is no version of Python; write 3.11 or 3.11.7.")
    minor = found[1]
    if minor == version:
        return own
    if other := (finder or _finder(uv))(minor):
        return other
    if strict:
        raise NotPrepared(
            f"The task was recorded with Python {wanted}, which this worker does not have (it has {version}). Install "
            f"it (uv python install {minor}), or start the worker without --strict-python."
        )
    say(f"there is no Python {minor} here: {version} takes its place")
    return own


def _finder(uv: str | None) -> Finder:
    def find(minor: str) -> str | None:
        if path := shutil.which(f"python{minor}"):
            return path
        if uv is None:
            return None
        return asks([uv, "python", "find", "--no-project", "--system", "--no-python-downloads", minor])

    return find
