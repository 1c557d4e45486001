"""One step through the Python face, in a process of its own: `python -m benchmarks.datasets.face STEP FOLDER OUT`.

Prints its seconds; what comes before the first call (loading Python and Meristem) is not counted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from benchmarks.datasets.ours import DATASET
from benchmarks.datasets.spending import Stopwatch, tell
from meristem import Dataset

PROJECT, NAME = DATASET.rsplit("/", 1)


def main() -> None:
    step, folder, out = sys.argv[1:]
    with Stopwatch() as watch:
        after = STEPS[step](folder, out)
    tell(watch)
    if after is not None:
        after()


After = Callable[[], object] | None  # what is done when the clock has stopped


def first(folder: str, _: str) -> After:
    draft = Dataset.get(project=PROJECT, name=NAME, auto_create=True, writable_copy=True)
    draft.sync_folder(folder)
    draft.finalize()
    return None


def sync(folder: str, _: str) -> After:
    draft = Dataset.get(project=PROJECT, name=NAME, writable_copy=True)
    draft.sync_folder(folder)
    return draft.discard


def changed(folder: str, _: str) -> After:
    draft = Dataset.get(project=PROJECT, name=NAME, writable_copy=True)
    draft.sync_folder(folder)
    draft.finalize()
    return None


def copied(_: str, out: str) -> After:
    Dataset.get(project=PROJECT, name=NAME).get_mutable_local_copy(out)
    return None


def cached(_: str, __: str) -> After:
    Dataset.get(project=PROJECT, name=NAME).get_local_copy()
    return None


def linked(_: str, out: str) -> After:
    Dataset.get(project=PROJECT, name=NAME).get_linked_copy(out)
    return None


STEPS: Mapping[str, Callable[[str, str], After]] = {
    "first": first,
    "status": sync,
    "sync": sync,
    "changed": changed,
    "inserted": changed,
    "copied": copied,
    "cached": cached,
    "linked": linked,
}

if __name__ == "__main__":
    main()
