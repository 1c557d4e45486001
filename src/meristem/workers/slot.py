"""A slot: the place for one task at a time, with its GPUs and a process that is kept warm for functions."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from meristem.workers.environments.venv_cache import own_package
from meristem.workers.function_process import FunctionProcess
from meristem.workers.settings import Settings


class Slot:
    """One slot of a worker. Used by one attempt at a time."""

    def __init__(self, number: int, gpus: tuple[str, ...], settings: Settings) -> None:
        self.number, self.gpus = number, gpus
        self._settings = settings
        self._process: FunctionProcess | None = None
        self._key: object = None
        self._own = str(own_package(settings.cache))

    def own_process(self) -> FunctionProcess:
        """A process for functions that the worker's own Python can import. Raises OSError where none can be started."""
        variables = {**self._settings.variables, "PYTHONUNBUFFERED": "1", "MERISTEM_PYTHON": sys.executable}
        if self.gpus:
            variables["CUDA_VISIBLE_DEVICES"] = ",".join(self.gpus)
        return self.process_for(sys.executable, os.getcwd(), variables)

    def process_for(
        self, python: str, cwd: str, variables: Mapping[str, str], paths: Sequence[str] = ()
    ) -> FunctionProcess:
        """The warm process where it is such a one, else a new one in its place."""
        key = (python, cwd, tuple(paths))
        if self._process is not None and (self._key != key or not self._usable):
            self.close()
        if self._process is None:
            self._process = FunctionProcess(python, cwd, variables, own=self._own, paths=paths)
            self._key = key
        return self._process

    def warm_up(self) -> None:
        """Starts a process ahead of the first function. Raises OSError."""
        Path(self._own).mkdir(parents=True, exist_ok=True)
        self.own_process()

    def recover(self) -> None:
        """Starts a process anew where the one that was there has died or is spent. Raises OSError."""
        if self._process is not None and not self._usable:
            self.close()
            self.warm_up()

    @property
    def _usable(self) -> bool:
        return self._process is not None and self._process.alive and not self._process.spent

    def make_room(self) -> None:
        """Ends a process in which something ran: a script shall find the memory and the GPUs free."""
        if self._process is not None and self._process.used:
            self.close()

    def close(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None
