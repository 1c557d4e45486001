"""The files of user modules that a process has imported, and whether one of them is other by now.

Used by the warm process: it must not go on with the code of an hour ago. Installed packages and the standard library
are not looked at: they change by an installation, after which workers are restarted. Only the standard library is
imported, and a look costs microseconds.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import time
from contextlib import suppress
from pathlib import Path

_INSTALLED = ("site-packages", "dist-packages")
_Signature = tuple[int, int]


class LoadedFiles:
    """What was imported so far, as the files stood then."""

    def __init__(self) -> None:
        self._seen = set(sys.modules)
        self._signatures: dict[str, _Signature | None] = {}
        own = str(Path(__file__).resolve().parent.parent)
        self._passed_over = (own, *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib")))

    def note(self, began: float) -> None:
        """Takes up what was imported since the last time.

        Args:
            began: Seconds since the epoch, before the first of these imports. A file that was written after it may
                have been written after its import, too, and counts as changed.
        """
        for name in sys.modules.keys() - self._seen:
            self._seen.add(name)
            path = getattr(sys.modules.get(name), "__file__", None)
            if isinstance(path, str) and self._is_of_user(path) and (found := _signature(path)):
                meanwhile = began < found[0] / 1e9 <= time.time()
                self._signatures[path] = None if meanwhile else found

    def changed(self) -> bool:
        """Whether a file is other than when it was imported, or gone."""
        return any(_signature(path) != old or old is None for path, old in self._signatures.items())

    def _is_of_user(self, path: str) -> bool:
        if any(part in _INSTALLED for part in Path(path).parts):
            return False
        return not any(path.startswith(folder + os.sep) for folder in self._passed_over if folder)


def _signature(path: str) -> _Signature | None:
    with suppress(OSError, ValueError):
        found = os.stat(path)
        return found.st_mtime_ns, found.st_size
    return None
