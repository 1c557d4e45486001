"""The jobs of a run of an MMAR: how their folders are called, whose they are, and which of them may go."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path

from meristem.errors import InputError
from meristem.executors.mmar_copy import PART, TRACES_FOLDER

_NAME = re.compile(r"W(\d+)_(\d+)_J(\d+)")
_MADE_FILE = ".jobs"  # names of all jobs that were ever made: those of removed ones are not used again
_KEY_FILE = "key"


def make_run_folder(folder: Path) -> None:
    """Makes the folder of a run. Raises InputError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The run's folder {folder} cannot be made: {error.strerror or error}.",
            fix="Put runs elsewhere: meristem mmar tune … --set workdir=FOLDER",
        ) from error


class Jobs:
    """Folders `W<worker>_<job of that worker>_J<trial>` in the folder of a run.

    Each holds the key of its attempt, from before it is whole on. A run's folder may hold jobs of other studies.
    """

    def __init__(self, run_folder: Path) -> None:
        self._run = run_folder
        self._names: dict[tuple[int, int], str] = {}

    def folder(self, number: int, attempt: int, slot: int) -> Path:
        """The folder of an attempt; which name is the next of its worker is decided when it is first asked for."""
        if (number, attempt) not in self._names:
            made: list[str] = []
            with suppress(FileNotFoundError):
                made = (self._run / _MADE_FILE).read_text(encoding="utf-8").split()
            before = [int(m[2]) for name in made if (m := _NAME.fullmatch(name)) and int(m[1]) == slot + 1]
            self._names[number, attempt] = f"W{slot + 1}_{max(before, default=0) + 1}_J{number}"
        return self._run / self._names[number, attempt]

    def claim(self, folder: Path) -> None:
        """Takes the name of a folder for good."""
        with open(self._run / _MADE_FILE, "a", encoding="utf-8") as file:
            file.write(f"{folder.name}\n")

    def mark(self, folder: Path, key: str) -> None:
        """Says in a new folder whose it is."""
        (folder / TRACES_FOLDER).mkdir()
        (folder / TRACES_FOLDER / _KEY_FILE).write_text(key, encoding="utf-8")

    def find(self, number: int, key: str) -> Path | None:
        """The whole folder of the attempt with this key."""
        return next((folder for folder in self._of(number) if self._key(folder) == key), None)

    def discard(self, number: int, key: str) -> None:
        """Removes what earlier attempts of the same trial of the same study left, whole or not."""
        trial = key.rpartition("-")[0]
        for folder in (*self._of(number), *self._of(number, PART)):
            if (found := self._key(folder)) is not None and found.rpartition("-")[0] == trial:
                shutil.rmtree(folder, ignore_errors=True)

    def _of(self, number: int, suffix: str = "") -> list[Path]:
        return sorted(self._run.glob(f"W*_*_J{number}{suffix}"))

    @staticmethod
    def _key(folder: Path) -> str | None:
        try:
            return (folder / TRACES_FOLDER / _KEY_FILE).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
