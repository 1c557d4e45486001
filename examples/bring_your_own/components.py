"""A controller and a handler that are not part of Meristem; `study.yaml` names them by path."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import meristem as ms
from meristem.study.happenings import StudyEnded, TrialEnded
from meristem.study.run import StudyRun


class Annealing:
    """Simulated annealing: steps from the point it stands on, ever smaller and ever choosier.

    A controller is a pure function of the snapshot: where it stands is worked out anew from the
    history, so a study that was killed goes on exactly as if it had not been.

    Args:
        warm_up: So many random points first.
        cooling: By what factor the temperature falls with each trial, between 0 and 1.
    """

    def __init__(self, warm_up: int = 5, cooling: float = 0.95) -> None:
        self.warm_up, self.cooling = warm_up, cooling

    def recommend(self, snapshot: ms.Snapshot, count: int) -> Sequence[ms.Recommendation]:
        found: list[ms.Recommendation] = []
        for index in range(count):
            rng = snapshot.rng(index)
            for _ in range(100):  # a space that is used up must end the study, not hang it
                point = self._candidate(snapshot, rng)
                if not snapshot.taken(point) and all(point != other.parameters for other in found):
                    found.append(ms.Recommendation(parameters=point, origin={"by": "annealing"}))
                    break
        return found

    def _candidate(self, snapshot: ms.Snapshot, rng: np.random.Generator) -> dict[str, Any]:
        measured = snapshot.history.measured()
        if len(measured) < self.warm_up:
            return snapshot.space.sample(rng)
        temperature = self.cooling ** len(measured)
        here = snapshot.space.encode(self._standing(snapshot, measured))
        step = rng.normal(scale=0.02 + 0.5 * temperature, size=here.shape)
        point = snapshot.space.decode(np.clip(here + step, 0.0, 1.0))
        return point if snapshot.space.is_feasible(point) else snapshot.space.sample(rng)

    def _standing(self, snapshot: ms.Snapshot, measured: Sequence[ms.Observation]) -> Mapping[str, Any]:
        """Where the walk stands: worse points are accepted too, more rarely as it cools down."""
        rng = np.random.default_rng(snapshot.seed)
        spread = float(np.std([o.loss for o in measured])) or 1.0
        here = measured[0]
        for number, there in enumerate(measured[1:], start=1):
            worse = (loss_of(there) - loss_of(here)) / (spread * self.cooling**number)
            if rng.random() < math.exp(min(0.0, -worse)):
                here = there
        return here.parameters


def loss_of(observation: ms.Observation) -> float:
    return math.inf if observation.loss is None else observation.loss


class Journal(ms.Handler):
    """Writes each improvement into a Markdown file, and a summary at the end.

    Args:
        file: Where to; a relative path lies in the study's folder.
    """

    def __init__(self, file: str = "journal.md") -> None:
        self.file = file
        self._best: int | None = None

    def trial_ended(self, event: TrialEnded, run: StudyRun) -> None:
        best = run.best
        if best is not None and best.number != self._best:
            self._best = best.number
            found = f"{run.goals.objectives[0].metric} {best.value:.5g}, {dict(best.parameters)}"
            self._write(run, f"- trial {best.number}: {found}")

    def study_ended(self, event: StudyEnded, run: StudyRun) -> None:
        self._write(run, f"\n{event.status} after {run.ended} trials: {event.message}\n")

    def _write(self, run: StudyRun, line: str) -> None:
        path = run.folder / self.file  # an absolute `file` stays as it is
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as journal:
            journal.write(line + "\n")
