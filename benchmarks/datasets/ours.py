"""Meristem in this benchmark, twice: its commands as typed, and its Python face inside a process that has loaded it.

All that depends on how datasets are used stands in this file and in `face.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import meristem
from benchmarks.datasets.aside import TRASH, set_aside
from benchmarks.datasets.spending import Spent, bytes_below, run, run_inner
from benchmarks.measuring import MERISTEM

DATASET = "bench/data"
_COPIES = ("copied", "linked")


class Commands:
    """`meristem data …`: each step is one command, its start-up included."""

    name = "Meristem, commands"

    def __init__(self, home: Path) -> None:
        self._home = home
        self.data = home / "data"
        self._env = environment(home)

    def begin(self) -> None:
        """Makes the dataset; not counted."""
        self._home.mkdir(parents=True, exist_ok=True)
        compile_sources(self._home, self._env)
        self._run("data", "create", DATASET)

    def stored(self) -> int:
        """Bytes that all versions take."""
        return bytes_below(self._home / "store-blobs")

    def out(self, step: str) -> Path | None:
        """Where a step wrote a copy of the data."""
        return self._home / step if step in _COPIES else None

    def measure(self, step: str) -> Spent | None:
        """What a step takes; None where it has no such step."""
        if step in _COPIES:
            set_aside(self._home / step, self._home.parent / TRASH)
        spent = [self._run(*words) for words in self._lines(step)]
        return sum(spent, Spent()) if spent else None

    def _lines(self, step: str) -> Sequence[Sequence[str]]:
        commit = [("data", "sync", DATASET, str(self.data), "--commit", "-m", step)]
        lines: Mapping[str, Sequence[Sequence[str]]] = {
            "start": [("--version",)],
            "first": commit,
            "status": [("data", "status", DATASET, str(self.data))],
            "sync": [("data", "sync", DATASET, str(self.data))],
            "changed": commit,
            "inserted": commit,
            "copied": [("data", "get", DATASET, "--to", str(self._home / "copied"))],
            "cached": [("data", "get", DATASET)],
            "linked": [("data", "get", DATASET, "--to", str(self._home / "linked"), "--link")],
        }
        return lines.get(step, ())

    def _run(self, *words: str) -> Spent:
        return run([MERISTEM, *words], cwd=self._home, env=self._env)[0]


class Face:
    """`meristem.Dataset`: each step in a fresh process, from the first call on; loading it is not counted."""

    name = "Meristem, Python"

    def __init__(self, home: Path) -> None:
        self._home = home
        self.data = home / "data"
        self._env = environment(home)

    def begin(self) -> None:
        """Nothing but to be installed: the first step makes the dataset, and that is counted."""
        self._home.mkdir(parents=True, exist_ok=True)
        compile_sources(self._home, self._env)

    def stored(self) -> int:
        """Bytes that all versions take."""
        return bytes_below(self._home / "store-blobs")

    def out(self, step: str) -> Path | None:
        """Where a step wrote a copy of the data."""
        return self._home / step if step in _COPIES else None

    def measure(self, step: str) -> Spent | None:
        """What a step takes; None where it has no such step."""
        if step == "start":
            return None
        if step in _COPIES:
            set_aside(self._home / step, self._home.parent / TRASH)
        words = [step, os.fspath(self.data), os.fspath(self._home / step)]
        return run_inner("benchmarks.datasets.face", words, cwd=Path(__file__).parents[2], env=self._env)


def environment(home: Path) -> dict[str, str]:
    """The environment in which Meristem keeps everything below `home`."""
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "MERISTEM_STORE": f"sqlite:///{home}/store.db",
        "MERISTEM_CACHE": os.fspath(home / "cache"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def compile_sources(home: Path, env: Mapping[str, str]) -> None:
    """Compiles Meristem's sources, as an installation does; otherwise every command of a fresh clone would."""
    sources = Path(meristem.__file__).parent
    run([sys.executable, "-m", "compileall", "-q", os.fspath(sources)], cwd=home, env=env)
