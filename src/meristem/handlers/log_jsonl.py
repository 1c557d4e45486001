"""Writes what happens as JSON lines, for programs that follow a study from outside."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import IO, Any

from meristem.handlers.handler import Handler
from meristem.study import happenings as told
from meristem.study.run import StudyRun
from meristem.trial import Trial


class LogJsonl(Handler):
    """Appends one JSON object a line for each event, flushed at once.

    Args:
        path: The file; by default `events.jsonl` in the study's folder.
    """

    def __init__(self, path: str | None = None) -> None:
        self.path = None if path is None else Path(path)
        self._file: IO[str] | None = None

    def handle(self, event: told.Happening, run: StudyRun) -> None:
        if self._file is None:
            path = self.path or run.folder / "events.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115  held open for the run
        line = {"at": time.time(), "study": run.name, "event": type(event).__name__, **_facts(event)}
        self._file.write(json.dumps(_plain(line), ensure_ascii=False, default=str) + "\n")
        self._file.flush()

    def shutdown(self, run: StudyRun) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _facts(event: told.Happening) -> dict[str, Any]:
    match event:
        case told.StudyStarted(run=run):
            return {"run": run}
        case told.SpaceAvailable(space=space):
            return {"space": space.to_json()}
        case told.RecommendationsAvailable(trials=trials):
            return {"trials": [trial.number for trial in trials]}
        case told.TrialStarted(trial=trial):
            return {"trial": trial.number, "attempt": trial.attempt, "parameters": dict(trial.parameters)}
        case told.MeasurementReported(trial=trial, measurement=m):
            return {"trial": trial.number, "metric": m.metric, "step": m.step, "value": m.value}
        case told.TrialEnded(trial=trial, again=again):
            return {**_result(trial), "again": again}
        case told.StudyEnded(status=status, message=message):
            return {"status": status.value, "message": message}


def _result(trial: Trial) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "status": trial.status.value,
        "value": trial.value,
        "values": dict(trial.values),
        "metrics": dict(trial.metrics),
        "error": trial.error,
    }


def _plain(value: Any) -> Any:
    # JSON has no NaN and no infinity.
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
