"""Stops the study once its best value is good enough."""

from __future__ import annotations

import math

from meristem.errors import InputError
from meristem.handlers.handler import Handler
from meristem.study.happenings import StudyStarted, TrialEnded
from meristem.study.run import StudyRun


class StopAt(Handler):
    """Asks to stop when the objective meets or passes `threshold`, in the objective's own sense.

    Args:
        threshold: At least this for `accuracy`, at most this for `-loss`.
    """

    one_objective = True

    def __init__(self, threshold: float) -> None:
        if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or math.isnan(threshold):
            raise InputError(f"stop_at got threshold={threshold!r}.", fix="Give a number, such as 0.95.")
        self.threshold = float(threshold)

    def study_started(self, event: StudyStarted, run: StudyRun) -> None:
        self._stop_if_reached(run)

    def trial_ended(self, event: TrialEnded, run: StudyRun) -> None:
        self._stop_if_reached(run)

    def _stop_if_reached(self, run: StudyRun) -> None:
        if not run.goals.single:
            raise InputError(f"stop_at needs a single objective, and the study has {run.goals}.")
        objective, best = run.goals.objectives[0], run.best
        if best is None or best.value is None:
            return
        if objective.loss(best.value) <= objective.loss(self.threshold):
            run.stop(f"{objective.metric} {best.value:g} of trial {best.number} meets {self.threshold:g}")
