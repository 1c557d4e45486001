"""A study and its trials as they are shown: as JSON, as names and values, as rows of a table.

Works on rows of the store: the classes of `study` would need numpy, which takes longer than the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from meristem.cli.output import iso, shown_counts, shown_parameters

if TYPE_CHECKING:
    from meristem.events import Event
    from meristem.store.rows import StudyRow, TrialRow
    from meristem.store.store import Store


def value_of(trial: TrialRow, study: StudyRow) -> float | None:
    """The objective in the user's sense."""
    if trial.loss is None:
        return None
    return trial.loss if str(study.definition["objective"]).startswith("-") else -trial.loss


def folder_of(store: Store, study: StudyRow) -> str:
    """Where the trials of the study have their folders."""
    from meristem.study.folders import study_folder  # needs the store, which is slow to import

    return str(study.setup.get("folder") or study_folder(store, study.name, study.id))


def best_view(store: Store, study: StudyRow) -> dict[str, Any] | None:
    best = store.trials.best(study.id)
    if not best:
        return None
    trial = best[0]
    return {
        "number": trial.number,
        "value": value_of(trial, study),
        "parameters": trial.parameters,
        "metrics": trial.metrics,
    }


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
        "counts": store.trials.counts(study.id),
        "best": best_view(store, study),
        "runs": study.run,
        "budget": study.setup.get("plan", {}),
        "controller": study.definition["controller"],
        "executor": study.setup.get("executor"),
        "seed": study.definition["seed"],
        "space": study.definition["space"],
        "created_at": iso(study.created_at),
        "updated_at": iso(study.updated_at),
        "folder": folder_of(store, study),
        "store": store.database.shown_url,
    }


def show_pairs(view: Mapping[str, Any]) -> list[tuple[str, Any]]:
    best = view["best"]
    return [
        ("study", view["name"]),
        ("status", f"{view['status']}: {view['message']}" if view["message"] else view["status"]),
        ("objective", view["objective"]),
        ("trials", shown_counts(view["counts"])),
        ("best value", best and best["value"]),
        ("best parameters", best and shown_parameters(best["parameters"])),
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


def trial_view(trial: TrialRow, study: StudyRow) -> dict[str, Any]:
    return {
        "number": trial.number,
        "status": trial.status,
        "value": value_of(trial, study),
        "parameters": trial.parameters,
        "metrics": trial.metrics,
        "score": trial.score,
        "attempt": trial.attempt,
        "origin": trial.origin,
        "error": trial.error,
        "traceback": trial.traceback,
        "started_at": iso(trial.started_at),
        "ended_at": iso(trial.ended_at),
        "seconds": seconds_of(trial),
    }


def trial_pairs(trial: TrialRow, study: StudyRow) -> list[tuple[str, Any]]:
    metric = str(study.definition["objective"]).removeprefix("-")
    others = {name: value for name, value in trial.metrics.items() if name != metric}
    return [
        ("trial", trial.number),
        (metric, value_of(trial, study)),
        *trial.parameters.items(),
        ("other metrics", shown_parameters(others) if others else None),
    ]


def trial_row(trial: TrialRow, study: StudyRow) -> list[Any]:
    what = f"{trial.error}  " if trial.error else ""
    seconds = seconds_of(trial)
    took = None if seconds is None else f"{seconds:.1f}"
    return [
        trial.number,
        trial.status,
        value_of(trial, study),
        took,
        what + shown_parameters(trial.parameters),
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
