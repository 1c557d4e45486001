"""What a training function is given: its trial, seen from inside.

The same class serves trials in worker processes and in threads; only where reports go differs.
Only the standard library and the spool are imported, for this is loaded into every worker process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meristem.errors import StopTrial


@dataclass(slots=True, kw_only=True)
class TrainingTrial:
    """One attempt of a trial, as the function that trains sees it.

    Attributes:
        parameters: Inactive parameters are absent.
        slot: Which of the study's slots this runs in, from 0.
        gpus: Ids of the GPUs of this slot; empty where none were given.
    """

    study: str
    number: int
    attempt: int
    parameters: dict[str, Any]
    slot: int
    gpus: tuple[str, ...]
    _folder: Path
    _write: Callable[[int | None, Mapping[str, Any]], None]
    _stop_asked: Callable[[], bool]

    @property
    def folder(self) -> Path:
        """This attempt's own folder for whatever it writes; made when first asked for."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def report(self, step: int | None = None, **metrics: Any) -> None:
        """Reports metrics, at `step` or (without one) as final values.

        Raises:
            StopTrial: The trial was asked to stop; let it through.
            InputError: A metric is neither a number nor a pair (mean, standard error).
        """
        self._write(step, metrics)
        if self._stop_asked():
            raise StopTrial("The study asked this trial to stop.")

    def stop_asked(self) -> bool:
        """Whether the trial was asked to stop, for trainings that want to tidy up first."""
        return self._stop_asked()

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def __contains__(self, name: object) -> bool:
        return name in self.parameters

    def get(self, name: str, default: Any = None) -> Any:
        """The parameter's value, or `default` where it is inactive."""
        return self.parameters.get(name, default)
