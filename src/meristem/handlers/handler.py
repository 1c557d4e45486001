"""What a handler looks like: one method for each thing that happens, all optional."""

from __future__ import annotations

import re

from meristem.study import happenings as told
from meristem.study.happenings import Happening
from meristem.study.run import StudyRun


class Handler:
    """A base class that calls the method named after what happened; override those you need.

    Calls never overlap, so a handler needs no locks. `run` is the run of the study: read from it,
    or ask it to stop with `run.stop(message)`.
    """

    def handle(self, event: Happening, run: StudyRun) -> None:
        method = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
        getattr(self, method)(event, run)

    def study_started(self, event: told.StudyStarted, run: StudyRun) -> None:
        """The first event of a run, exactly once."""

    def space_available(self, event: told.SpaceAvailable, run: StudyRun) -> None:
        """The space is known; once in a run."""

    def recommendations_available(self, event: told.RecommendationsAvailable, run: StudyRun) -> None:
        """The controller recommended trials."""

    def trial_started(self, event: told.TrialStarted, run: StudyRun) -> None:
        """A trial is about to start; exactly one `trial_ended` follows."""

    def measurement_reported(self, event: told.MeasurementReported, run: StudyRun) -> None:
        """A running trial reported a value."""

    def trial_ended(self, event: told.TrialEnded, run: StudyRun) -> None:
        """A trial has ended."""

    def study_ended(self, event: told.StudyEnded, run: StudyRun) -> None:
        """The last event of a run, exactly once."""

    def shutdown(self, run: StudyRun) -> None:
        """After the study has ended; handlers in reverse order."""
