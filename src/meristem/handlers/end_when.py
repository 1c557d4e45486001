"""Ends a study when a rule over its losses says that it has enough."""

from __future__ import annotations

from typing import Any

from meristem.errors import InputError
from meristem.handlers.handler import Handler
from meristem.stopping.ending import EndingRule, build_ending
from meristem.study.happenings import StudyStarted, TrialEnded
from meristem.study.run import StudyRun


class EndWhen(Handler):
    """Asks to stop when `rule` says so, after each trial that ended.

    Args:
        rule: `no_improvement`, `target_reached`, `regret_bound`, as a name or `{"name": …, "args": {…}}`, or an object.
        doubt: Of `regret_bound`: the probability with which the bound may be wrong.
    """

    one_objective = True

    def __init__(self, rule: Any, doubt: float = 0.1) -> None:
        if isinstance(doubt, bool) or not isinstance(doubt, (int, float)) or not 0 < doubt < 1:
            raise InputError(f"end_when got doubt={doubt!r}.", fix="Give a probability, such as 0.1.")
        self._given, self._doubt = rule, doubt
        self._rule: EndingRule = build_ending(rule)
        self._asked_at = 0  # how many losses there were when the bound was asked for last

    def study_started(self, event: StudyStarted, run: StudyRun) -> None:
        if not run.goals.single:
            raise InputError(f"end_when needs a single objective, and the study has {run.goals}.")
        self._rule, self._asked_at = build_ending(self._given, maximize=run.goals.objectives[0].maximize), 0
        self._stop_if_enough(run)

    def trial_ended(self, event: TrialEnded, run: StudyRun) -> None:
        if not event.again:
            self._stop_if_enough(run)

    def _stop_if_enough(self, run: StudyRun) -> None:
        regret = run.regret_bound(doubt=self._doubt) if self._is_due(run) else None
        why = self._rule.why_end(run.standing(regret=regret))
        if why is not None:
            run.stop(why)

    def _is_due(self, run: StudyRun) -> bool:
        """Whether the bound is asked for: now and then only, and not again at a failure, since it costs a fit."""
        count = len(run.standing().measured)
        if not hasattr(self._rule, "within") or count == self._asked_at or count % max(1, count // 12):
            return False
        self._asked_at = count
        return True
