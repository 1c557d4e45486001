"""Analysis: a function from a study to a card, with what the card needs beside its findings.

    @analysis("Importance", Group.INSIGHTS, "The longer a bar …", each_objective=True)
    def importance(evidence, objective): return Finding(…)

`importance(study)` then gives a card; `card_of` never raises, as a report needs it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass

from meristem.errors import InputError
from meristem.objective import Objective
from meristem.reports.card import Card, Finding, Group, Level
from meristem.reports.evidence import Evidence, NothingToShow
from meristem.study.results import Results

Make = Callable[[Evidence, Objective], Finding]
Applies = Callable[[Evidence], bool]
_LONGEST = 400


def _always(evidence: Evidence) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """One analysis: called with a study it gives a card.

    Attributes:
        applies: Whether it says anything about such a study.
        each_objective: Whether it is about one objective at a time.
    """

    name: str
    title: str
    group: Group
    explanation: str
    make: Make
    applies: Applies = _always
    each_objective: bool = False

    def __call__(self, study: Results | Evidence, objective: str | None = None) -> Card:
        """The card of a study.

        Args:
            objective: Which of several objectives, by its metric; by default the first.

        Raises:
            InputError: The study has no such objective.
        """
        evidence = study if isinstance(study, Evidence) else Evidence(study)
        aim = _find(evidence, objective)
        several = self.each_objective and not evidence.goals.single
        return self._card(self._find_out(evidence, aim), aim if several else None)

    def card_of(self, evidence: Evidence, objective: Objective) -> Card:
        """As a call, but an analysis that raises becomes a card that says so."""
        several = self.each_objective and not evidence.goals.single
        try:
            finding = self._find_out(evidence, objective)
        except Exception as error:  # whatever is wrong with one analysis, the others are still worth reading
            what = f"{type(error).__name__}: {error}"[:_LONGEST]
            place = traceback.extract_tb(error.__traceback__)[-1]
            note = f"This analysis failed with {what} ({place.name}, line {place.lineno})."
            finding = Finding(level=Level.ERROR, note=f"{note} The rest of the report does not depend on it.")
        return self._card(finding, objective if several else None)

    def _find_out(self, evidence: Evidence, objective: Objective) -> Finding:
        try:
            return self.make(evidence, objective)
        except NothingToShow as reason:
            return Finding(note=str(reason))

    def _card(self, finding: Finding, objective: Objective | None) -> Card:
        return Card(
            name=self.name if objective is None else f"{self.name}.{objective.metric}",
            title=self.title if objective is None else f"{self.title}: {objective.metric}",
            group=self.group,
            explanation=self.explanation,
            note=finding.note,
            table=finding.table,
            figures=finding.figures,
            level=finding.level,
        )


def analysis(
    title: str, group: Group, explanation: str, *, applies: Applies = _always, each_objective: bool = False
) -> Callable[[Make], Analysis]:
    """Makes an Analysis of the function below it, named as the function."""

    def wrap(make: Make) -> Analysis:
        return Analysis(
            name=make.__name__, title=title, group=group, explanation=explanation, make=make, applies=applies,
            each_objective=each_objective,
        )  # fmt: skip

    return wrap


def _find(evidence: Evidence, name: str | None) -> Objective:
    objectives = evidence.goals.objectives
    if name is None:
        return objectives[0]
    for objective in objectives:
        if name in (objective.metric, objective.text):
            return objective
    known = ", ".join(o.metric for o in objectives)
    raise InputError(f"Study {evidence.name!r} has no objective {name!r}.", fix=f"Known: {known}.")
