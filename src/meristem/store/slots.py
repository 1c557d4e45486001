"""The slots of a study: what each is doing, and word to the engine about them, from whatever process.

A suspended slot gets no new trials; what runs in it goes on. Suspensions are kept in the store until they are
taken back. An abort is word about one attempt of a trial: the engine, or the next one, gives the trial up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from meristem.errors import IllegalMove, InputError, StudyError
from meristem.events import Event, EventKind, abort_requested
from meristem.statuses import TrialStatus
from meristem.store.rows import Change, Conflict, StudyRow, TrialAbort, TrialRow
from meristem.store.stopping import require_running, why_not_running
from meristem.store.store import Store
from meristem.store.studies import suspended_text


class SlotState(StrEnum):
    """What a slot is doing."""

    IDLE = "idle"
    BUSY = "busy"
    SUSPENDED = "suspended"  # nothing runs in it, and nothing will
    UNATTENDED = "unattended"  # a trial was left in it, and no engine runs the study


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One of the places in which trials of a study run at the same time.

    Attributes:
        number: From 0.
        worker: What Clara calls it, from `W1`, where the trials are trainings of an MMAR.
        gpus: The ids of its GPUs; None where none were named.
        suspended: It gets no new trials; one may run in it all the same.
        trial, attempt: What runs in it.
        aborting: That trial was asked to end, and has not yet.
        since: When that trial started, or else the slot was suspended, in seconds since the epoch.
        ended: How many trials have ended in it, in all runs.
    """

    number: int
    state: SlotState
    worker: str | None = None
    gpus: tuple[str, ...] | None = None
    suspended: bool = False
    trial: int | None = None
    attempt: int | None = None
    aborting: bool = False
    since: float | None = None
    ended: int = 0


def list_slots(store: Store, name: str) -> list[Slot]:
    """The slots that the study has, or had in its last run.

    Raises:
        StudyNotFound: There is no such study.
        StudyError: It was never run.
    """
    return _slots(store, store.studies.get(name))


def suspend_slots(store: Store, name: str, numbers: Collection[int]) -> list[int]:
    """Has the engine start no more trials in these slots; gives those that were not suspended before.

    Raises:
        StudyNotFound, StudyError: There is no such study, or no engine runs it.
        InputError: No such slot.
    """
    study = store.studies.get(name)
    require_running(study)
    check_slots(study.name, _slots(store, study), numbers)
    now = time.time()
    return _change(store, name, EventKind.SLOT_SUSPENDED, lambda before: dict.fromkeys(numbers, now) | dict(before))


def resume_slots(store: Store, name: str, numbers: Collection[int] | None = None) -> list[int]:
    """Lets trials into these slots again (None: all); gives those that were suspended. No engine need run.

    Raises:
        StudyNotFound, StudyError: There is no such study, or it was never run.
        InputError: No such slot.
    """
    if numbers is not None:
        check_slots(name, list_slots(store, name), numbers)
    return _change(
        store, name, EventKind.SLOT_RESUMED,
        lambda before: {} if numbers is None else {n: at for n, at in before.items() if n not in numbers},
    )  # fmt: skip


def request_aborts(store: Store, name: str, numbers: Collection[int], message: str) -> list[int]:
    """Asks the engine to give up what runs in these slots now; gives the numbers of those trials. May be repeated.

    Raises:
        StudyNotFound, StudyError: There is no such study, no engine runs it, or nothing runs there.
        InputError: No such slot.
    """
    study = store.studies.get(name)
    require_running(study)
    slots = _slots(store, study)
    check_slots(study.name, slots, numbers)
    chosen = [slot for slot in slots if slot.number in numbers]
    if idle := [slot for slot in chosen if slot.trial is None]:
        shown = " and ".join(f"slot {slot.number} ({slot.state})" for slot in idle)
        raise StudyError(f"Nothing runs in {shown} of study {name!r}, so that there is nothing to abort.")
    if new := [slot for slot in chosen if not slot.aborting]:
        _request(store, study, new, message)
    return [slot.trial for slot in chosen if slot.trial is not None]


def slots_of(study: StudyRow, running: Iterable[TrialRow], ended: Mapping[int, int]) -> list[Slot]:
    """What each slot of a study is doing. Pure.

    Args:
        running: Its trials that run.
        ended: How many trials have ended in each slot.

    Returns:
        In order of their numbers: those of the last run, and others that are suspended or in which a trial was left.
    """
    facts = _facts(study)
    trials = {row.slot: row for row in running if row.slot is not None and row.run_by == "engine"}
    attended = why_not_running(study) is None
    numbers = {*range(len(facts)), *trials, *study.suspended_slots}
    return [
        _slot(n, facts[n] if n < len(facts) else {}, study.suspended_slots.get(n), trials.get(n), attended, ended)
        for n in sorted(numbers)
    ]


def check_slots(name: str, slots: Sequence[Slot], numbers: Collection[object]) -> None:
    """Raises InputError where study `name` has not all of these slots."""
    known = [slot.number for slot in slots]
    if problems := [f"{number!r:.60}" for number in numbers if isinstance(number, bool) or number not in known]:
        raise InputError(f"Study {name!r} has no slot {', '.join(problems)}.", fix=f"Its slots: {_shown(slots)}.")


def _change(
    store: Store, name: str, kind: EventKind, decide: Callable[[Mapping[int, float]], dict[int, float]]
) -> list[int]:  # fmt: skip
    """Writes what is suspended, decided anew where another process was faster; gives the slots that changed."""
    while True:
        study = store.studies.get(name)
        before = study.suspended_slots
        after = decide(before)
        changed = sorted(set(before) ^ set(after))
        if not changed:
            return []
        events = [Event(kind=kind, payload={"slot": slot}) for slot in changed]
        new, old = ({"suspended_slots": suspended_text(slots)} for slots in (after, before))
        try:
            store.commits.apply(Change(study_id=study.id, events=events, study=new, expected=old))
        except Conflict:
            continue
        return changed


def _request(store: Store, study: StudyRow, slots: Sequence[Slot], message: str) -> None:
    aborts = [TrialAbort(trial=s.trial or 0, attempt=s.attempt or 0, message=message) for s in slots]
    events = [abort_requested(a.trial, a.attempt, s.number, message) for a, s in zip(aborts, slots, strict=True)]
    try:
        store.commits.apply(Change(study_id=study.id, events=events, aborts=aborts))
    except IllegalMove as error:
        raise StudyError(f"{error.noun} of study {study.name!r} has ended meanwhile: nothing was aborted.") from error


def _shown(slots: Sequence[Slot]) -> str:
    return ", ".join(f"{slot.number} ({slot.worker})" if slot.worker else str(slot.number) for slot in slots)


def _slots(store: Store, study: StudyRow) -> list[Slot]:
    if not study.run:
        raise StudyError(
            f"Study {study.name!r} was never run, so that it has no slots.",
            fix="Run its study file (meristem run study.yaml) or its Python script.",
        )
    running = store.trials.list_page(study.id, statuses=[TrialStatus.RUNNING])
    return slots_of(study, running, store.trials.ended_by_slot(study.id))


def _facts(study: StudyRow) -> Sequence[Mapping[str, Any]]:
    known: Sequence[Mapping[str, Any]] | None = study.setup.get("slots")
    return [{}] * study.setup.get("plan", {}).get("parallel", 1) if known is None else known


def _slot(
    number: int, facts: Mapping[str, Any], suspended: float | None, row: TrialRow | None, attended: bool,
    ended: Mapping[int, int],
) -> Slot:  # fmt: skip
    shown = Slot(
        number=number,
        state=SlotState.IDLE if suspended is None else SlotState.SUSPENDED,
        worker=facts.get("worker"),
        gpus=tuple(facts["gpus"]) if facts.get("gpus") else None,
        suspended=suspended is not None,
        since=suspended,
        ended=ended.get(number, 0),
    )
    if row is None:
        return shown
    return replace(
        shown,
        state=SlotState.BUSY if attended else SlotState.UNATTENDED,
        trial=row.number,
        attempt=row.attempt,
        aborting=row.abort_message is not None,
        since=row.started_at,
    )
