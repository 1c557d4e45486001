"""The `clara` handler: what happens in a study is told to a component in the style of Clara AutoML.

Calls never overlap, also where Clara would call from several jobs' threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meristem.clara.context import Context, name_of
from meristem.clara.interfaces import is_claras
from meristem.clara.keys import ContextKey
from meristem.clara.run import ClaraRun, Job
from meristem.clara.scores import score_told
from meristem.components import build, make_automl_importable, spec_of
from meristem.errors import InputError
from meristem.statuses import TrialStatus
from meristem.study import happenings as told
from meristem.study.happenings import Happening
from meristem.study.run import StudyRun
from meristem.trial import Trial


class ClaraHandler:
    """Tells a component with any of `start_automl`, `search_space_available`, `recommendations_available`,
    `start_job`, `end_job`, `end_automl`, `handle_event`.

    Args:
        component: The object, or its specification.

    Attributes:
        label: The component's class.
        run: What it shares with Clara's other components.

    Raises:
        InputError: It is no such component.
    """

    def __init__(self, component: Any) -> None:
        if isinstance(component, (str, Mapping)):
            component = build("handler", spec_of("handler", component))
        if isinstance(component, type) or not is_claras("handler", component):
            raise InputError(
                f"{component!r:.80} is no handler in the style of Clara AutoML.",
                fix="Give an object with start_job(ctx), end_job(ctx) or another of Clara's events.",
            )
        make_automl_importable()  # it may import it only when it is called
        self._component = component
        self.label = name_of(component)
        self.run = ClaraRun()

    def share(self, run: ClaraRun) -> None:
        """Works in `run` from now on."""
        self.run = run

    def handle(self, event: Happening, run: StudyRun) -> None:
        main = self.run.context
        match event:
            case told.StudyStarted():
                self._call("startup", main)
                self._tell("start_automl", main)
            case told.SpaceAvailable():
                self._tell("search_space_available", main)
            case told.RecommendationsAvailable():
                given = [self.run.recommendation(t.number, t.parameters, t.origin) for t in event.trials]
                main.set_prop(ContextKey.RECOMMENDATIONS, given)
                self._tell("recommendations_available", main)
            case told.TrialStarted():
                self._tell("start_job", self._job(event.trial).context)
            case told.TrialEnded():
                job = self._job(event.trial)
                self.run.end_job(job, _status_of(event), self._score_of(event, run))
                self._tell("end_job", job.context)
            case told.StudyEnded():
                self._tell("end_automl", main)
            case _:
                pass  # Clara has no word for values that a job reports

    def shutdown(self, run: StudyRun) -> None:
        self._call("shutdown", self.run.context)

    def _tell(self, event: str, context: Context) -> None:
        if callable(dispatch := getattr(self._component, "handle_event", None)):
            dispatch(event, context)
        else:
            self._call(event, context)

    def _call(self, method: str, context: Context) -> None:
        if callable(found := getattr(self._component, method, None)):
            found(context)

    def _job(self, trial: Trial) -> Job:
        return self.run.start_job(
            trial.number, trial.attempt, slot=trial.slot or 0, parameters=trial.parameters, origin=trial.origin
        )

    def _score_of(self, event: told.TrialEnded, run: StudyRun) -> Any:
        trial, goals = event.trial, run.goals
        if event.again or trial.status not in (TrialStatus.COMPLETED, TrialStatus.STOPPED):
            return None
        losses = goals.losses(trial.metrics)
        score = trial.score if trial.score is not None else dict(trial.metrics) or None
        return score_told(
            score, losses[0] if losses else None, as_returned=self.run.returns_as_is, several=not goals.single
        )


def _status_of(event: told.TrialEnded) -> str:
    if event.again:
        return TrialStatus.FAILED if event.trial.error else TrialStatus.STOPPED
    return event.trial.status
