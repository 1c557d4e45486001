"""A whole study as one JSON document, and back: definition, trials, measurements.

The order in which trials ended is kept, so that the search goes on as it would have.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from meristem.errors import InputError, MeristemError, StudyExists, one_line
from meristem.events import trial_ended
from meristem.space import Space
from meristem.spool import LastValues, Measurement
from meristem.statuses import ENDED, StudyStatus, TrialStatus
from meristem.store.rows import Change, Conflict, TrialMeasurements, TrialRow
from meristem.store.store import Store
from meristem.study.definition import check_name
from meristem.study.ledger import first_event
from meristem.study.study import Study

_KIND, _VERSION = "meristem client", 1


def write(path: str | Path, study: Study, client: Mapping[str, Any]) -> None:
    """Writes `study`, and what the client knows beside it, to a file; replaces one that is there.

    Raises:
        InputError: The file cannot be written.
    """
    document = {"kind": _KIND, "version": _VERSION, "client": client, **_study_json(study)}
    target = Path(path)
    beside = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.part")  # others may save at the same time
    try:
        beside.write_text(json.dumps(_encoded(document), allow_nan=False, indent=1), encoding="utf-8")
        beside.replace(target)  # a crash leaves the file that was there
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            beside.unlink(missing_ok=True)
        raise InputError(f"{str(path)!r} cannot be written: {error}.", fix="Choose another filepath.") from error


def read(path: str | Path) -> dict[str, Any]:
    """The document that `write` wrote.

    Raises:
        InputError: There is none.
    """
    try:
        document = _decoded(json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{str(path)!r} is no JSON: {error}.", fix="Write it with client.save_to_json_file()."
        ) from error
    if not isinstance(document, dict) or document.get("kind") != _KIND:
        raise InputError(
            f"{str(path)!r} was not written by meristem's client.",
            fix="A snapshot of Ax cannot be read: add its trials with attach_trial and complete_trial.",
        )
    if document.get("version") != _VERSION:
        raise InputError(f"{str(path)!r} has format {document.get('version')}, and this version reads {_VERSION}.")
    if not isinstance(document.get("client"), dict):
        raise InputError(f"{str(path)!r} is damaged: it has no 'client'.", fix="Nothing was loaded from it.")
    return document


def restore(document: Mapping[str, Any], url: str | None) -> Study:
    """Puts the study of `document` into a store where there is none of its name.

    One of the same definition that is still empty is filled: a crash may have come between the two.

    Raises:
        StudyExists: There is one.
    """
    store = Store(url)
    name, definition, trials, measured = _checked(document)
    taken = StudyExists(name, ["the store has a study of that name: Client.load_from_database opens it"])
    row = store.studies.ensure(name, definition, StudyStatus.CREATED)
    if row.definition != definition or row.trials_created or row.run:
        raise taken
    if trials:
        over = sorted((t for t in trials if t.status in ENDED), key=lambda trial: trial.end_event or 0)
        events = [first_event(t) for t in trials] + [trial_ended(t.number, t.attempt, t.status) for t in over]
        # What runs outside was deployed under the keys of the study that was saved, and is looked for under them.
        key = document.get("folder_key") if len(over) < len(trials) else None
        change = Change(
            study_id=row.id, events=events, trials_created=0, new_trials=trials, measurements=measured,
            study={} if key is None else {"folder_key": key},
        )  # fmt: skip
        try:
            store.commits.apply(change)
        except Conflict:  # somebody else filled it, or began it, meanwhile
            raise taken from None
    return Study.open(name, store=store)


def _checked(document: Mapping[str, Any]) -> tuple[str, Any, list[TrialRow], list[TrialMeasurements]]:
    """Name, definition, trials and measurements of a document. Raises InputError where it is damaged."""
    try:
        name, definition = check_name(document["name"]), document["definition"]
        space = Space.from_json(definition["space"], ())
        trials = [TrialRow(**trial) for trial in document["trials"]]
        for place, trial in enumerate(trials, 1):
            if trial.number != place:
                raise ValueError(f"trial {trial.number} stands where trial {place} should")
            TrialStatus(trial.status)
            space.check(trial.parameters)
            LastValues(Measurement(metric=m, value=float(v)) for m, v in trial.metrics.items())
        measured = [
            TrialMeasurements(
                trial=of["trial"], attempt=of["attempt"], measurements=[Measurement(**m) for m in of["of"]]
            )
            for of in document["measurements"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError, MeristemError) as error:
        raise InputError(f"The file is damaged: {one_line(error)}", fix="Nothing was loaded from it.") from error
    return name, definition, trials, measured


def _study_json(study: Study) -> dict[str, Any]:
    row = study.store.studies.get(study.name)
    trials = study.store.trials.list_page(row.id)
    measured = study.store.trials.list_measurements(row.id)
    return {
        "name": study.name,
        "folder_key": row.folder_key,
        "definition": row.definition,
        "trials": [{f.name: getattr(t, f.name) for f in fields(t)} for t in trials],
        "measurements": [
            {"trial": t.number, "attempt": t.attempt, "of": [asdict(m) for m in measured[t.number]]}
            for t in trials
            if t.number in measured
        ],
    }


_FLOAT = "float"  # {"float": "nan"} stands for what JSON has no number for


def _encoded(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: repr(value)}
    if isinstance(value, Mapping):
        return {key: _encoded(item) for key, item in value.items()}
    return [_encoded(item) for item in value] if isinstance(value, (list, tuple)) else value


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {_FLOAT} and value[_FLOAT] in ("nan", "inf", "-inf"):
        return float(value[_FLOAT])
    return {key: _decoded(item) for key, item in value.items()}
