"""A study and its trials as they are shown: as JSON, as names and values, as rows of a table.

Works on rows of the store: the classes of `study` would need numpy, which takes longer than the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from meristem.cli.output import iso, shown, shown_counts, shown_parameters
from meristem.cli.versions_read import shown_versions, versions_read
from meristem.objective import Goals
from meristem.store.dataset_rows import ReaderKind

if TYPE_CHECKING:
    from meristem.events import Event
    from meristem.store.rows import StudyRow, TrialRow
    from meristem.store.store import Store


def goals_of(study: StudyRow) -> Goals:
    """What the study is after."""
    stored = study.definition
    return Goals.parse(stored["objective"], stored.get("outcome_constraints", ()), stored.get("thresholds"))


def values_of(trial: TrialRow, goals: Goals) -> dict[str, float]:
    """The objectives in the user's sense, by name; empty where nothing usable was measured."""
    return {} if trial.loss is None else goals.values(trial.metrics)


def over_limits(trial: TrialRow, goals: Goals) -> list[str]:
    """The limits that a trial breaks, as far as they do not depend on a baseline."""
    excesses = zip(goals.constraints, goals.excesses(trial.metrics), strict=True)
    return [str(limit) for limit, excess in excesses if excess is not None and excess > 0]


def value_view(trial: TrialRow, goals: Goals) -> dict[str, Any]:
    """`value`, and where there are several objectives `values`."""
    values = values_of(trial, goals)
    if goals.single:
        return {"value": next(iter(values.values()), None)}
    return {"value": None, "values": values}


def folder_of(store: Store, study: StudyRow) -> str:
    """Where the trials of the study have their folders."""
    from meristem.study.folders import study_folder  # needs the store, which is slow to import

    return str(study_folder(store, study))


def leaders_of(store: Store, study: StudyRow) -> list[TrialRow]:
    """The best trial, or the non-dominated ones."""
    from meristem.study.leaders import leaders_of  # needs the store, which is slow to import

    return leaders_of(store, study.id, goals_of(study))


def best_view(store: Store, study: StudyRow) -> dict[str, Any]:
    """`best`, or where there are several objectives `pareto`."""
    goals = goals_of(study)
    leaders = [
        {"number": t.number, **value_view(t, goals), "parameters": t.parameters, "metrics": t.metrics}
        for t in leaders_of(store, study)
    ]
    if goals.single:
        return {"best": leaders[0] if leaders else None}
    return {"best": None, "pareto": leaders}


def status_view(study: StudyRow) -> dict[str, Any]:
    """The study's status and why; that of a study whose engine died is `interrupted`."""
    if study.engine_died:
        return {"status": "interrupted", "message": "the engine that ran it died"}
    return {"status": study.status, "message": study.message}


def show_view(store: Store, study: StudyRow) -> dict[str, Any]:
    return {
        "name": study.name,
        **status_view(study),
        "objective": study.definition["objective"],
        "outcome_constraints": study.definition.get("outcome_constraints", []),
        "thresholds": study.definition.get("thresholds", {}),
        "warm_start": study.definition.get("warm_start", []),
        "datasets": versions_read(store, ReaderKind.STUDY, study.name),
        "counts": store.trials.counts(study.id),
        **best_view(store, study),
        "suspended_slots": sorted(study.suspended_slots),
        "runs": study.run,
        "budget": study.setup.get("plan", {}),
        "controller": study.definition["controller"],
        "executor": study.setup.get("executor"),
        "seed": study.definition["seed"],
        "space": study.definition["space"],
        "created_at": iso(study.created_at),
        "updated_at": iso(study.updated_at),
        "folder": folder_of(store, study),
        "store": store.shown_url,
    }


def show_pairs(view: Mapping[str, Any]) -> list[tuple[str, Any]]:
    best, front = view["best"], view.get("pareto")
    return [
        ("study", view["name"]),
        ("status", f"{view['status']}: {view['message']}" if view["message"] else view["status"]),
        ("objective", view["objective"]),
        ("limits", ", ".join(view["outcome_constraints"]) or None),
        ("thresholds", shown_parameters(view["thresholds"]) or None),
        ("learns from", ", ".join(view["warm_start"]) or None),
        ("datasets read", shown_versions(view["datasets"])),
        ("trials", shown_counts(view["counts"])),
        ("suspended slots", ", ".join(map(str, view["suspended_slots"])) or None),
        ("best value", best and best["value"]),
        ("best parameters", best and shown_parameters(best["parameters"])),
        ("Pareto front", None if front is None else f"{len(front)} trials: meristem study best {view['name']}"),
        ("controller", _label(view["controller"])),
        ("seed", view["seed"]),
        ("runs", view["runs"]),
        ("created", view["created_at"]),
        ("changed", view["updated_at"]),
        ("folder", view["folder"]),
        ("store", view["store"]),
    ]


def list_view(study: StudyRow, counts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "name": study.name,
        **status_view(study),
        "objective": study.definition["objective"],
        "counts": dict(counts),
        "runs": study.run,
        "created_at": iso(study.created_at),
        "updated_at": iso(study.updated_at),
    }


def trial_view(trial: TrialRow, goals: Goals) -> dict[str, Any]:
    return {
        "number": trial.number,
        "status": trial.status,
        **({"over_limits": over_limits(trial, goals)} if goals.constraints else {}),
        **value_view(trial, goals),
        "parameters": trial.parameters,
        "metrics": trial.metrics,
        **({"sems": trial.sems} if trial.sems else {}),
        "score": trial.score,
        "attempt": trial.attempt,
        "origin": trial.origin,
        "error": trial.error,
        "traceback": trial.traceback,
        "started_at": iso(trial.started_at),
        "ended_at": iso(trial.ended_at),
        "seconds": seconds_of(trial),
    }


def trial_pairs(trial: TrialRow, goals: Goals) -> list[tuple[str, Any]]:
    values = values_of(trial, goals)
    others = {name: value for name, value in trial.metrics.items() if name not in values}
    return [
        ("trial", trial.number),
        *values.items(),
        *((name, shown(value)) for name, value in trial.parameters.items()),
        ("other metrics", shown_parameters(others) if others else None),
    ]


def trial_row(trial: TrialRow, goals: Goals) -> list[Any]:
    values = values_of(trial, goals)
    seconds = seconds_of(trial)
    took = None if seconds is None else f"{seconds:.1f}"
    over = ", ".join(over_limits(trial, goals)) if trial.status == "completed" else ""
    return [
        trial.number,
        f"{trial.status}, breaks {over}" if over else trial.status,
        *(values.get(objective.metric) for objective in goals.objectives),
        took,
        shown_parameters(trial.parameters),
        trial.error,
    ]


def event_view(event: Event) -> dict[str, Any]:
    return {
        "number": event.number,
        "at": iso(event.at),
        "kind": event.kind.value,
        "trial": event.trial,
        "payload": event.payload,
    }


def seconds_of(trial: TrialRow) -> float | None:
    return None if trial.started_at is None or trial.ended_at is None else trial.ended_at - trial.started_at


def _label(component: Mapping[str, Any]) -> str:
    return str(component.get("name") or component.get("path") or component.get("object"))
