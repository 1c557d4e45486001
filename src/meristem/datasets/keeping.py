"""Objects that are kept beside a version's files: its preview, and what was logged with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from meristem.datasets.objects import Objects
from meristem.errors import DatasetError
from meristem.store.dataset_rows import EpochMoved, PacksGone

_TRIES = 20


def keep(objects: Objects, version: int, content: bytes, note: Callable[[str, int, Sequence[str]], None]) -> str:
    """Stores an object of a version and returns its name.

    Args:
        note: Puts its name into the store; called with the name, the epoch, and the packs that were made for it.
    """
    for _ in range(_TRIES):
        objects.refresh()
        with objects.writer(version) as writer:
            name = writer.put(content, suffix=".json")
            writer.flush()
            try:
                note(name, objects.epoch, [pack.name for pack in writer.packs])
            except (EpochMoved, PacksGone):
                continue
            objects.arrived(writer.packs)
            return name
    raise DatasetError("What belongs to a version could not be kept.", "Garbage collection is at work.", "Try again.")
