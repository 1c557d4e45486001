"""Which GPUs each slot may use, read from texts such as `0,1:2,3` (Clara's notation)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from meristem.errors import InputError

GpuGroups = tuple[tuple[str, ...], ...]
_IDENTIFIER = re.compile(r"[A-Za-z0-9][\w./-]*")
_FIX = "Write ',' between the GPUs of one slot and ':' between slots: '0,1:2,3' is two slots of two GPUs."


def parse_gpus(text: str | int) -> GpuGroups:
    """The GPU ids of each slot: `"0,1:2,3"` gives `(("0", "1"), ("2", "3"))`.

    Raises:
        InputError: An empty slot or id, an id twice in a slot, or no id at all.
    """
    if isinstance(text, bool) or not isinstance(text, (str, int)):
        raise InputError(f"gpus must be text, not {type(text).__name__}.", fix=_FIX)
    problems: list[str] = []
    groups = tuple(_group(part, slot, problems) for slot, part in enumerate(str(text).split(":")))
    if problems:
        raise InputError(f"The GPUs {text!r} cannot be used", problems, fix=_FIX)
    return groups


def slot_count(slots: int | None, groups: Sequence[Sequence[str]] | None) -> int | None:
    """How many attempts fit: `slots` where given, else one for each group of GPUs, else any number.

    Raises:
        InputError: No whole number from 1, or more slots than groups of GPUs.
    """
    if slots is not None and (isinstance(slots, bool) or not isinstance(slots, int) or slots < 1):
        raise InputError(f"slots={slots!r} is no number of slots.", fix="Give a whole number from 1, or leave it out.")
    if groups is None:
        return slots
    if slots is not None and slots > len(groups):
        raise InputError(
            f"There are {slots} slots but GPUs for {len(groups)}.",
            fix="Leave slots out, or name each slot's GPUs, with ':' between slots (slots may share a GPU).",
        )
    return slots or len(groups)


def gpus_of(groups: GpuGroups | None, slot: int) -> tuple[str, ...]:
    """The GPU ids of `slot`; none where no GPUs were given."""
    return groups[slot % len(groups)] if groups else ()


def _group(part: str, slot: int, problems: list[str]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in part.split(","))
    for name in names:
        if not name:
            problems.append(f"slot {slot} names no GPU" if names == ("",) else f"slot {slot} has an empty GPU id")
        elif not _IDENTIFIER.fullmatch(name):
            problems.append(f"slot {slot}: {name!r} is no GPU id")
    if len(set(names)) < len(names):
        problems.append(f"slot {slot} names a GPU twice")
    return names
