"""Which analyses there are, in the order of a report, and which of them apply to a study."""

from __future__ import annotations

from collections.abc import Iterator

from meristem.objective import Objective
from meristem.reports.analyses.arm_effects import arm_effects
from meristem.reports.analyses.contours import contours
from meristem.reports.analyses.cross_validation import cross_validation
from meristem.reports.analyses.cumulative_time import cumulative_time
from meristem.reports.analyses.curves import curves
from meristem.reports.analyses.feasibility import feasibility
from meristem.reports.analyses.importance import importance
from meristem.reports.analyses.parallel_coordinates import parallel_coordinates
from meristem.reports.analyses.pareto import pareto
from meristem.reports.analyses.searched import searched
from meristem.reports.analyses.sensitivity import sensitivity
from meristem.reports.analyses.slices import slices
from meristem.reports.analyses.summary import summary
from meristem.reports.analyses.timeline import timeline
from meristem.reports.analyses.trace import trace
from meristem.reports.analysis import Analysis
from meristem.reports.evidence import Evidence
from meristem.reports.health.boundary import boundary
from meristem.reports.health.duplicates import duplicates
from meristem.reports.health.exhausted import exhausted
from meristem.reports.health.failing_region import failing_region
from meristem.reports.health.fit import fit
from meristem.reports.health.improvement import improvement
from meristem.reports.health.measuring import measuring
from meristem.reports.health.noise import noise

RESULTS = (trace, pareto, feasibility, arm_effects, parallel_coordinates, curves, summary)
INSIGHTS = (sensitivity, importance, slices, contours)
DIAGNOSTICS = (cross_validation, timeline, cumulative_time, searched)
HEALTH = (measuring, failing_region, boundary, improvement, fit, noise, duplicates, exhausted)
ALL: tuple[Analysis, ...] = (*RESULTS, *INSIGHTS, *DIAGNOSTICS, *HEALTH)


def chosen(evidence: Evidence) -> Iterator[tuple[Analysis, Objective]]:
    """The analyses that say something about a study, with the objective that each is about."""
    objectives = evidence.goals.objectives
    for found in ALL:
        if found.applies(evidence):
            for objective in objectives if found.each_objective else objectives[:1]:
                yield found, objective
