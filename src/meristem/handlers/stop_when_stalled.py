"""Stops the study when trials no longer improve it."""

from __future__ import annotations

from meristem.errors import InputError
from meristem.handlers.handler import Handler
from meristem.study.happenings import TrialEnded
from meristem.study.run import StudyRun


class StopWhenStalled(Handler):
    """Asks to stop after `trials` trials in a row without a better one.

    Args:
        trials: How many without improvement.
        at_least: Not before this many trials have ended in all.
    """

    def __init__(self, trials: int = 20, at_least: int = 0) -> None:
        for name, value, low in (("trials", trials, 1), ("at_least", at_least, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise InputError(f"stop_when_stalled got {name}={value!r}.", fix=f"Give a whole number from {low}.")
        self.trials, self.at_least = trials, at_least

    def trial_ended(self, event: TrialEnded, run: StudyRun) -> None:
        if run.since_best >= self.trials and run.ended >= self.at_least:
            run.stop(f"no improvement in {run.since_best} trials")
