"""Asks the engine that runs a study to stop, from whatever process."""

from __future__ import annotations

from meristem.errors import StudyError
from meristem.events import Event, EventKind
from meristem.store.rows import Change
from meristem.store.store import Store


def request_stop(store: Store, name: str, message: str) -> None:
    """Leaves word for the engine, which hears it with its next heartbeat.

    Raises:
        StudyNotFound: There is no such study.
        StudyError: No engine runs it.
    """
    study = store.studies.get(name)
    if study.engine_died:
        raise StudyError(f"Study {name!r} is not running: the engine that ran it died.")
    if study.status != "running":
        raise StudyError(f"Study {name!r} is not running: it is {study.status}.")
    event = Event(kind=EventKind.STOP_REQUESTED, payload={"message": message})
    store.commits.apply(Change(study_id=study.id, events=[event], study={"stop_message": message}))
