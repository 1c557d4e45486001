"""The trial that a training function is given: its reports go to whoever started it.

The same class serves trials in worker processes and in threads; only where reports go differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meristem.errors import StopTrial
from meristem.trial import Trial


@dataclass(frozen=True, kw_only=True, repr=False)
class TrainingTrial(Trial):
    """One attempt of a trial, as the function that trains sees it."""

    write: Callable[[int | None, Mapping[str, Any]], None]
    asked: Callable[[], bool]

    @property
    def folder(self) -> Path:
        """This attempt's own folder for whatever it writes; made when first asked for."""
        assert self.place is not None
        self.place.mkdir(parents=True, exist_ok=True)
        return self.place

    def report(self, step: int | None = None, **metrics: Any) -> None:
        self.write(step, metrics)
        if self.asked():
            raise StopTrial("The study asked this trial to stop.")

    def stop_asked(self) -> bool:
        return self.asked()
