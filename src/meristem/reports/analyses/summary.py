"""The table of trials: the best first, then the others by number."""

from __future__ import annotations

from typing import Any

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Table
from meristem.reports.evidence import Evidence
from meristem.statuses import TrialStatus
from meristem.trial import Trial


@analysis(
    "Trials",
    Group.RESULTS,
    "One row a trial. Of one objective the best come first, those that break a limit after all that keep them; of "
    "several the Pareto front comes first. What has not completed comes last. An empty cell of a parameter means "
    "that it does not exist in this trial.",
)
def summary(evidence: Evidence, objective: Objective) -> Finding:
    if not evidence.trials:
        return Finding(note="There are no trials yet.")
    goals = evidence.goals
    names = [o.metric for o in goals.objectives]
    others = sorted({m for t in evidence.trials for m in t.metrics} - set(names))
    columns = ["trial", "status", *names, *(["breaks"] if goals.constraints else []), *evidence.space.names, *others]
    columns += ["seconds", "by", *(["error"] if any(t.error for t in evidence.trials) else [])]
    rows = [_row(evidence, trial, names, others)[: len(columns)] for trial in _in_order(evidence, objective)]
    counts = ", ".join(f"{n} {status}" for status, n in sorted(_counts(evidence).items()))
    return Finding(note=f"{len(rows)} trials: {counts}.", table=Table(columns=columns, rows=rows))


def _in_order(evidence: Evidence, objective: Objective) -> list[Trial]:
    leaders = {t.number for t in evidence.leaders}

    def place(trial: Trial) -> tuple[bool, bool, bool, float, int]:
        value = trial.values.get(objective.metric)
        unusable = value is None or trial.status != TrialStatus.COMPLETED
        loss = 0.0 if unusable or value is None else objective.loss(value)
        return unusable, not evidence.keeps_limits(trial), trial.number not in leaders, loss, trial.number

    return sorted(evidence.trials, key=place)


def _row(evidence: Evidence, trial: Trial, names: list[str], others: list[str]) -> list[Any]:
    goals = evidence.goals
    excesses = zip(goals.constraints, goals.excesses(trial.metrics, evidence.base_metrics), strict=True)
    broken = [str(limit) if excess is not None else f"{limit}: not known" for limit, excess in excesses
              if excess is None or excess > 0]  # fmt: skip
    broken = broken if trial.status == TrialStatus.COMPLETED else []
    return [
        trial.number,
        trial.status.value,
        *(trial.values.get(name, trial.metrics.get(name)) for name in names),
        *([", ".join(broken) or None] if goals.constraints else []),
        *(trial.parameters.get(name) for name in evidence.space.names),
        *(trial.metrics.get(name) for name in others),
        trial.seconds,
        trial.origin.get("by"),
        trial.error,
    ]


def _counts(evidence: Evidence) -> dict[str, int]:
    found: dict[str, int] = {}
    for trial in evidence.trials:
        found[trial.status.value] = found.get(trial.status.value, 0) + 1
    return found
