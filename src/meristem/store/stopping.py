"""Asks the engine that runs a study to stop, from whatever process."""

from __future__ import annotations

from meristem.errors import StudyError
from meristem.events import Event, EventKind
from meristem.store.rows import Change, StudyRow
from meristem.store.store import Store


def request_stop(store: Store, name: str, message: str) -> None:
    """Leaves word for the engine, which hears it with its next heartbeat.

    Raises:
        StudyNotFound: There is no such study.
        StudyError: No engine runs it.
    """
    study = store.studies.get(name)
    require_running(study)
    event = Event(kind=EventKind.STOP_REQUESTED, payload={"message": message})
    store.commits.apply(Change(study_id=study.id, events=[event], study={"stop_message": message}))


def require_running(study: StudyRow) -> None:
    """Raises StudyError where no engine runs the study."""
    if why := why_not_running(study):
        raise StudyError(f"Study {study.name!r} is not running: {why}.")


def why_not_running(study: StudyRow) -> str | None:
    """None where an engine runs it."""
    if study.engine_died:
        return "the engine that ran it died"
    return None if study.status == "running" else f"it is {study.status}"
