"""DVC, as its users run it: commands in a git repository, its cache on the same disk, files copied (`cache.type copy`).

`git commit` of the small file that DVC writes is not counted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.datasets.aside import TRASH, set_aside
from benchmarks.datasets.spending import Spent, bytes_below, run
from benchmarks.environments import PeersEnvironment

ENVIRONMENT = PeersEnvironment(
    home=Path(__file__).parents[1] / ".peers-data",
    locked=Path(__file__).with_name("peers.txt"),
    size_megabytes=200,
)


class Dvc:
    """A repository of DVC in the folder `home`."""

    name = "DVC"

    def __init__(self, home: Path) -> None:
        self._home = home
        self.data = home / "data"
        self._env = {
            **os.environ,
            "PATH": f"{ENVIRONMENT.bin}:{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "true",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "HOME": os.fspath(home),  # what it keeps for a user is removed with it
        }

    def begin(self) -> None:
        """Makes the repository; not counted."""
        self._home.mkdir(parents=True, exist_ok=True)
        self._git("init", "-q", ".")
        self._git("config", "user.email", "bench@example.com")
        self._git("config", "user.name", "bench")
        self._dvc("init", "-q")
        for setting in ("core.analytics=false", "core.check_update=false", "cache.type=copy"):
            self._dvc("config", *setting.split("="))
        self._commit(".dvc", ".dvcignore")

    def stored(self) -> int:
        """Bytes that all versions take."""
        return bytes_below(self._home / ".dvc" / "cache")

    def out(self, step: str) -> Path | None:
        """Where a step wrote a copy of the data."""
        return self.data if step in ("copied", "linked") else None

    def measure(self, step: str) -> Spent | None:
        """What a step takes; None where DVC has no such step."""
        does = self._STEPS.get(step)
        return None if does is None else does(self)

    def _add(self) -> Spent:
        spent = self._dvc("add", "data")
        self._commit("data.dvc", ".gitignore")
        return spent

    def _copied(self) -> Spent:
        set_aside(self.data, self._home.parent / TRASH)
        return self._dvc("checkout")

    def _linked(self) -> Spent:
        self._dvc("config", "cache.type", "hardlink")
        set_aside(self.data, self._home.parent / TRASH)
        return self._dvc("checkout")

    _STEPS: Mapping[str, Callable[[Dvc], Spent]] = {
        "start": lambda self: self._dvc("--version"),
        "first": _add,
        "status": lambda self: self._dvc("status"),
        "sync": lambda self: self._dvc("add", "data"),
        "changed": _add,
        "inserted": _add,
        "copied": _copied,
        "linked": _linked,
    }

    def _dvc(self, *words: str) -> Spent:
        return run([os.fspath(ENVIRONMENT.bin / "dvc"), *words], cwd=self._home, env=self._env)[0]

    def _git(self, *words: str) -> None:
        run(["git", *words], cwd=self._home, env=self._env)

    def _commit(self, *paths: str) -> None:
        self._git("add", *paths)
        self._git("commit", "--quiet", "--allow-empty", "--message", "next")
