"""Where local copies lie in the cache, and what their parts are called.

    copies/<key>/              a copy: files 0444, folders 0555
    copies/incoming/<key>/     one that is being made; its large files, until they are whole, in <key>.staging/
    copies/incoming/gone-…/    one that is being deleted
    copies/records/<key>       what each file of a copy looked like when it was written (see `record`)
    copies/locks/<key>.used    locked, shared by who uses the copy; its mtime is the last use
    copies/locks/<key>.made    locked by who makes or mends it
    copies/stray/              what was found in copies and does not belong there

A key is the root of the version's manifest, and for a part of it what tells the part.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class Layout:
    """The paths in a cache folder. Makes nothing but in `prepare`."""

    def __init__(self, cache: Path) -> None:
        self.copies = Path(os.path.abspath(cache)) / "copies"
        self.incoming = self.copies / "incoming"
        self.records = self.copies / "records"
        self.locks = self.copies / "locks"
        self.stray = self.copies / "stray"

    def prepare(self) -> None:
        for folder in (self.incoming, self.records, self.locks):
            folder.mkdir(parents=True, exist_ok=True)

    def copy(self, key: str) -> Path:
        return self.copies / key

    def being_made(self, key: str) -> Path:
        return self.incoming / key

    def staging(self, key: str) -> Path:
        return self.incoming / f"{key}.staging"

    def record(self, key: str) -> Path:
        return self.records / key

    def used(self, key: str) -> Path:
        return self.locks / f"{key}.used"

    def made(self, key: str) -> Path:
        return self.locks / f"{key}.made"

    def list_keys(self) -> list[str]:
        """The keys of all copies that are whole, or were so once."""
        found: set[str] = set()
        for folder in (self.records, self.copies):
            with suppress(FileNotFoundError):
                found.update(os.listdir(folder))
        others = {self.incoming.name, self.records.name, self.locks.name, self.stray.name}
        return sorted(key for key in found - others if not key.startswith("."))

    def last_use(self, key: str) -> float:
        """When a copy was asked for last, as seconds since the epoch; 0 where that is not known."""
        try:
            return self.used(key).stat().st_mtime
        except FileNotFoundError:
            return 0.0
