"""`meristem study slots`: looks at the slots of a study while it runs, and controls them from another terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.output import iso, print_json, print_pairs, print_table, say, shown, shown_parameters
from meristem.cli.stopping import BY_HAND, ask_to_stop
from meristem.cli.store_option import JsonOption, StoreOption, open_store
from meristem.cli.views import goals_of, status_view, trial_view
from meristem.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from meristem.store.slots import Slot
    from meristem.store.store import Store

_ABORTED = "aborted by hand"
_Which = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SLOT]...", help="Slots, from 0; after stop: why.", show_default=False),
]


def slots(
    name: Annotated[str, typer.Argument(help="The study's name.")],
    action: Annotated[str, typer.Argument(help="list, show, suspend, resume, abort or stop.")] = "list",
    which: _Which = None,
    every: Annotated[bool, typer.Option("--all", help="All slots.")] = False,
    message: Annotated[str | None, typer.Option("--message", help="Why it is aborted or stopped; kept.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """The places in which trials of a running study run: look at them and control them, from any terminal.

    A suspended slot gets no new trials, until it is resumed; what runs in it goes on. An aborted trial is given up:
    nothing is learnt from it, and its slot gets another. Slots of an MMAR's run may be called W1, W2, ...

    \b
    meristem study slots digits
    meristem study slots digits show 1
    meristem study slots digits suspend 1
    meristem study slots digits abort 1 --message "GPU 3 is too hot"
    meristem study slots digits resume --all
    meristem study slots digits stop good enough
    """
    given = list(which or ())
    _check(action, given, every=every, message=message)
    opened = open_store(store)
    _ACTIONS[action](_Asked(store=opened, name=name, which=given, every=every, message=message, as_json=as_json))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What was asked for on the command line."""

    store: Store
    name: str
    which: Sequence[str]
    every: bool
    message: str | None
    as_json: bool


def _list(asked: _Asked) -> None:
    from meristem.store.slots import list_slots  # slow to import: not for --help
    from meristem.store.stopping import why_not_running

    study = asked.store.studies.get(asked.name)
    found = list_slots(asked.store, asked.name)
    if asked.as_json:
        print_json({"name": study.name, **status_view(study), "slots": [_view(slot) for slot in found]})
        return
    if why := why_not_running(study):
        say(f"Study {shown(study.name)} is not running: {why}. These are the slots of its last run.")
    has = {"worker": any(slot.worker for slot in found), "gpus": any(slot.gpus for slot in found)}
    columns = [c for c in ("slot", "worker", "gpus", "state", "trial", "since", "ended") if has.get(c, True)]
    rows = [[cells[column] for column in columns] for cells in map(_cells, found)]
    print_table(columns, rows, numbers=("slot", "trial", "ended"))


def _show(asked: _Asked) -> None:
    views = [_in_full(asked.store, asked.name, slot) for slot in _chosen(asked)]
    if asked.as_json:
        print_json({"name": asked.name, "slots": views})
        return
    for view in views:
        print_pairs(_pairs(view))


def _suspend(asked: _Asked) -> None:
    from meristem.store.slots import suspend_slots  # slow to import: not for --help

    changed = suspend_slots(asked.store, asked.name, [slot.number for slot in _chosen(asked)])
    if not _print_changed(asked, changed):
        for slot in _chosen(asked):
            done = "is suspended: it gets no new trials" if slot.number in changed else "was suspended already"
            goes_on = "" if slot.trial is None else f"; trial {slot.trial} goes on in it"
            typer.echo(f"Slot {_called(slot)} {done}{goes_on}.")


def _resume(asked: _Asked) -> None:
    from meristem.store.slots import resume_slots  # slow to import: not for --help

    chosen = _chosen(asked)
    changed = resume_slots(asked.store, asked.name, None if asked.every else [slot.number for slot in chosen])
    if not _print_changed(asked, changed):
        for slot in chosen:
            done = "gets trials again" if slot.number in changed else "was not suspended"
            typer.echo(f"Slot {_called(slot)} {done}.")


def _abort(asked: _Asked) -> None:
    from meristem.store.slots import request_aborts  # slow to import: not for --help

    chosen = _chosen(asked)
    busy = [slot for slot in chosen if slot.trial is not None]
    numbers = [slot.number for slot in (busy if asked.every and busy else chosen)]
    aborted = request_aborts(asked.store, asked.name, numbers, asked.message or _ABORTED)
    if asked.as_json:
        print_json({"name": asked.name, "aborted": aborted})
        return
    where = {slot.trial: slot for slot in chosen}
    for trial in aborted:
        found = f" in slot {_called(where[trial])}" if trial in where else ""
        typer.echo(f"Asked trial {trial}{found} to end.")


def _stop(asked: _Asked) -> None:
    ask_to_stop(asked.store, asked.name, asked.message or " ".join(asked.which) or BY_HAND)


_ACTIONS: dict[str, Callable[[_Asked], None]] = {
    "list": _list, "show": _show, "suspend": _suspend, "resume": _resume, "abort": _abort, "stop": _stop,
}  # fmt: skip
_OF_SLOTS = ("show", "suspend", "resume", "abort")


def _check(action: str, which: Sequence[str], *, every: bool, message: str | None) -> None:
    if action not in _ACTIONS:
        known = f"{did_you_mean(action, list(_ACTIONS))}Known: {', '.join(_ACTIONS)}."
        raise InputError(f"There is no action {shown(action)!r} on slots.", fix=known)
    problems = []
    if action in _OF_SLOTS and not which and not every:
        problems.append(f"{action} needs a slot, such as {action} 0; or --all")
    if action in _OF_SLOTS and which and every:
        problems.append("--all and single slots exclude each other")
    if action == "list" and which:
        problems.append("list shows all slots; a single one is shown by show")
    if action not in _OF_SLOTS and every:
        problems.append(f"{action} has no --all")
    if message is not None and (action not in ("abort", "stop") or (action == "stop" and which)):
        problems.append("--message goes with abort, or with stop where nothing else says why")
    if problems:
        raise InputError("The slots cannot be asked for like this", problems)


def _chosen(asked: _Asked) -> list[Slot]:
    """The slots that were named, as they are now.

    Raises:
        InputError: One of them does not exist.
    """
    from meristem.store.slots import check_slots, list_slots  # slow to import: not for --help

    found = list_slots(asked.store, asked.name)
    if asked.every:
        return found
    numbers = {str(slot.number): slot.number for slot in found}
    numbers |= {slot.worker.lower(): slot.number for slot in found if slot.worker}
    wanted = [numbers.get(text.lower(), text) for text in asked.which]
    check_slots(asked.name, found, wanted)
    return [slot for slot in found if slot.number in wanted]


def _print_changed(asked: _Asked, changed: Sequence[int]) -> bool:
    if asked.as_json:
        views = [_view(slot) for slot in _chosen(asked)]
        print_json({"name": asked.name, "changed": list(changed), "slots": views})
    return asked.as_json


def _view(slot: Slot) -> dict[str, Any]:
    return {
        "slot": slot.number,
        "worker": slot.worker,
        "gpus": None if slot.gpus is None else list(slot.gpus),
        "state": slot.state.value,
        "suspended": slot.suspended,
        "trial": slot.trial,
        "aborting": slot.aborting,
        "since": iso(slot.since),
        "ended": slot.ended,
    }


def _in_full(store: Store, name: str, slot: Slot) -> dict[str, Any]:
    """A slot with the trial that runs in it, and what that measured last."""
    view = _view(slot)
    if slot.trial is None:
        return view
    study = store.studies.get(name)
    row = store.trials.find(study.id, slot.trial)
    measured = store.trials.measurements(study.id, slot.trial)
    latest = {m.metric: {"step": m.step, "value": m.value} for m in measured}
    return view | {"running": None if row is None else trial_view(row, goals_of(study)), "latest": latest}


def _cells(slot: Slot) -> dict[str, Any]:
    state = [slot.state.value]
    state += ["no new trials"] if slot.suspended and slot.trial is not None else []
    state += ["aborting"] if slot.aborting else []
    gpus = None if slot.gpus is None else ",".join(slot.gpus)
    return _view(slot) | {"state": ", ".join(state), "gpus": gpus}


def _pairs(view: dict[str, Any]) -> list[tuple[str, Any]]:
    running, latest = view.get("running"), view.get("latest") or {}
    return [
        ("slot", view["slot"]),
        ("worker", view["worker"]),
        ("gpus", view["gpus"] and ",".join(view["gpus"])),
        ("state", view["state"]),
        ("new trials", "none: it is suspended" if view["suspended"] else None),
        ("trial", None if view["trial"] is None else f"{view['trial']}{', aborting' if view['aborting'] else ''}"),
        ("since", view["since"]),
        ("parameters", running and shown_parameters(running["parameters"])),
        ("measured last", shown_parameters({name: m["value"] for name, m in latest.items()}) or None),
        ("trials ended", view["ended"]),
    ]


def _called(slot: Slot) -> str:
    return f"{slot.number} ({slot.worker})" if slot.worker else str(slot.number)
