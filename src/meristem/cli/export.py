"""Writes all trials of a study as CSV or JSON, page by page so that any number fits in memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO

from meristem.cli.output import clean, iso
from meristem.cli.views import goals_of, seconds_of, status_view, trial_view, values_of

if TYPE_CHECKING:
    from meristem.store.rows import StudyRow, TrialRow
    from meristem.store.store import Store

_PAGE = 5000


class Format(StrEnum):
    """What trials are exported as."""

    CSV = "csv"
    JSON = "json"


def export_to(file: TextIO, store: Store, study: StudyRow, form: Format) -> int:
    """Writes the trials of `study` to `file`; gives how many."""
    return _write_json(file, store, study) if form == Format.JSON else _write_csv(file, store, study)


def _pages(store: Store, study: StudyRow) -> Iterator[TrialRow]:
    offset = 0
    while page := store.trials.list_page(study.id, limit=_PAGE, offset=offset):
        yield from page
        offset += len(page)


def _write_json(file: TextIO, store: Store, study: StudyRow) -> int:
    head = {"name": study.name, **status_view(study), "definition": study.definition}
    text = json.dumps(clean(head), indent=2)
    count, goals = 0, goals_of(study)
    file.write(text.removesuffix("\n}") + ',\n  "trials": [')
    for trial in _pages(store, study):
        file.write(("," if count else "") + "\n    " + json.dumps(clean(trial_view(trial, goals))))
        count += 1
    file.write("\n  ]\n}\n")
    return count


def _write_csv(file: TextIO, store: Store, study: StudyRow) -> int:
    parameters = list(study.definition["space"]["parameters"])
    metrics = sorted({metric for trial in _pages(store, study) for metric in trial.metrics})
    goals = goals_of(study)
    names = ["value"] if goals.single else [f"values.{o.metric}" for o in goals.objectives]
    head = ["number", "status", *names, "attempt", "started_at", "ended_at", "seconds", "error"]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head + [f"parameters.{n}" for n in parameters] + [f"metrics.{n}" for n in metrics])
    count = 0
    for trial in _pages(store, study):
        times = [iso(trial.started_at), iso(trial.ended_at), seconds_of(trial)]
        values = values_of(trial, goals)
        row = [trial.number, trial.status, *(values.get(o.metric) for o in goals.objectives), trial.attempt]
        row += [*times, trial.error]
        row += [_cell(trial.parameters[name]) if name in trial.parameters else None for name in parameters]
        writer.writerow(row + [trial.metrics.get(name) for name in metrics])
        count += 1
    return count


def _cell(value: Any) -> Any:
    # What is null is told from what is inactive, which is empty.
    return value if isinstance(value, (int, float, str)) else json.dumps(value)
