"""Objects that are kept beside a version's files: its preview, and what was logged with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

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


def store_again(objects: Objects, contents: Iterable[bytes]) -> None:
    """Stores objects that packs hold already, but damaged: in a new pack, from which they are read from then on."""
    found = list(contents)
    for _ in range(_TRIES):
        objects.refresh()
        with objects.writer(None, anew=True) as writer:
            for content in found:
                writer.put(content)
            writer.flush()
            try:
                objects.store.dataset_packs.activate([pack.name for pack in writer.packs], epoch=objects.epoch)
            except (EpochMoved, PacksGone):
                continue
            objects.arrived(writer.packs)
            return
    raise DatasetError("What was found could not be stored.", "Garbage collection is at work.", "Try again.")
