"""The processes of the fault run, each in a loop until it is told to stop or killed.

    python -m benchmarks.datasets.fault_actors writer NAME DATASET HOME SEED BIG_BYTES

writer: changes a folder, syncs it into a draft, finalizes it; deletes an old version now and then. A draft that its
last life left open is resumed or discarded first. reader: takes local copies, read-only and its own. collector: gc.
Before it acts it writes the phase into its journal, and before it finalizes what the version will hold.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from benchmarks.datasets.fault_folders import edit
from benchmarks.datasets.fault_journal import Journal, digest_of, digest_of_listing, listing_of, open_draft
from meristem import Dataset
from meristem.datasets.collecting import collect
from meristem.datasets.objects import objects_of
from meristem.errors import DatasetError, DatasetNotFound, MeristemError, VersionConflict, VersionNotFound
from meristem.store.opening import open_store

PROJECT = "faults"
PHASES = {"writer": ("sync", "upload", "finalize"), "reader": ("local copy", "own copy"), "collector": ("gc",)}
_BIG_SHARE = 0.25  # of a writer's versions, with more bytes than a pack holds
_DELETE_SHARE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who it is, and what it works with."""

    name: str
    dataset: str
    home: Path
    big_bytes: int
    pick: random.Random
    journal: Journal

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Says in the journal what it is in the middle of."""
        self.journal.note("phase", name=name)
        try:
            yield
        finally:
            self.journal.note("phase", name="")


def main() -> None:
    kind, name, dataset, home, seed, big_bytes = sys.argv[1:]
    folder = Path(home)
    journal = Journal(folder / "journals" / f"{name}.jsonl")
    lives = sum(note["what"] == "born" for note in journal.notes())
    actor = Actor(
        name=name, dataset=dataset, home=folder, big_bytes=int(big_bytes), journal=journal,
        pick=random.Random(f"{seed} {name} {lives}"),  # another life does other things
    )  # fmt: skip
    journal.note("born", pid=os.getpid())
    while not (folder / "stop").exists():
        try:
            ACTS[kind](actor)
        except MeristemError as error:
            journal.note("error", kind=type(error).__name__, transient=getattr(error, "transient", False),
                         text=str(error)[:500], trace=traceback.format_exc()[-4000:])  # fmt: skip
            time.sleep(0.05)
    journal.note("stopped")


def write(actor: Actor) -> None:
    """Makes one version of what is in its folder then."""
    draft = _draft_left(actor)
    folder = actor.home / "folders" / actor.name
    big = actor.pick.random() < _BIG_SHARE
    edit(folder, actor.pick, big_bytes=actor.big_bytes if big else 0)
    if draft is None:
        draft = _begin(actor)
    with actor.phase("upload" if big else "sync"):
        draft.sync_folder(folder)
    # Before it is finalized: whether the process lives to hear of it or not, this is what the version must hold.
    listing = listing_of(folder)
    kept = actor.home / "listings" / f"{draft.id}.json"
    kept.write_text(json.dumps(listing))  # by which it is told what is wrong, if something is
    actor.journal.note("finalizing", id=draft.id, dataset=actor.dataset, digest=digest_of_listing(listing))
    try:
        drafted = draft.id
        with actor.phase("finalize"):
            made = draft.finalize()
        if made:
            actor.journal.note("finalized", id=drafted)
        else:
            actor.journal.note("discarded", id=drafted, because="unchanged")
    except VersionConflict:
        actor.journal.note("conflict", id=draft.id)
        draft.discard()
        actor.journal.note("discarded", id=draft.id, because="conflict")
    if actor.pick.random() < _DELETE_SHARE:
        _delete_an_old_one(actor)


def _begin(actor: Actor) -> Dataset:
    try:
        head = [Dataset.get(project=PROJECT, name=actor.dataset)]
    except (DatasetNotFound, VersionNotFound):
        head = []
    draft = Dataset.create(project=PROJECT, name=actor.dataset, parents=head)
    actor.journal.note("draft", id=draft.id, dataset=actor.dataset)
    return draft


def _draft_left(actor: Actor) -> Dataset | None:
    """The draft of its last life, when it is to be resumed; otherwise it is discarded, or was finalized unheard."""
    left = open_draft(actor.journal.notes())
    if left is None:
        return None
    try:
        draft = Dataset.get(id=left)
    except DatasetError:
        actor.journal.note("gone", id=left)
        return None
    if draft.status == "deleted":  # it did not hear that nothing had changed
        actor.journal.note("discarded", id=left, because="unchanged")
        return None
    if draft.status != "draft":
        actor.journal.note("finalized", id=left, unheard=True)
        return None
    if actor.pick.random() < 0.3:
        draft.discard()
        actor.journal.note("discarded", id=left, because="chosen")
        return None
    actor.journal.note("resumed", id=left)
    return draft


def _delete_an_old_one(actor: Actor) -> None:
    """Deletes one of its own versions that is not the newest, so that there is something to collect."""
    notes = actor.journal.notes()
    deleted = {note["id"] for note in notes if note["what"] == "deleting"}
    own = [note["id"] for note in notes if note["what"] == "finalized" and note["id"] not in deleted]
    if len(own) > 3:
        chosen = actor.pick.choice(own[:-2])
        actor.journal.note("deleting", id=chosen)
        Dataset.get(id=chosen).delete()


def read(actor: Actor) -> None:
    """Takes a version as a shared copy or one of its own, and notes what is in it."""
    half = _copy_left(actor)
    try:
        version = Dataset.get(id=half) if half else Dataset.get(project=PROJECT, name=actor.dataset)
    except (DatasetNotFound, VersionNotFound):
        time.sleep(0.1)
        return
    try:
        copy = _own_copy(actor, version, goes_on=half is not None) if half or actor.pick.random() < 0.5 else None
        if copy is None:
            with actor.phase("local copy"):
                copy = Path(version.get_local_copy())
    except DatasetError:
        if Dataset.get(id=version.id).status != "deleted":
            raise
        actor.journal.note("gone", id=version.id)  # deleted by a writer meanwhile
        return
    actor.journal.note("read", id=version.id, digest=digest_of(copy))


def _own_copy(actor: Actor, version: Dataset, *, goes_on: bool) -> Path:
    folder = actor.home / "copies" / actor.name
    if not goes_on:
        shutil.rmtree(folder, ignore_errors=True)
    actor.journal.note("copying", id=version.id)
    with actor.phase("own copy"):
        version.get_mutable_local_copy(folder, overwrite=True)
    return folder


def _copy_left(actor: Actor) -> int | None:
    """The version of which its last life left half a copy."""
    for note in reversed(actor.journal.notes()):
        if note["what"] in ("read", "gone", "copying"):
            return note["id"] if note["what"] == "copying" else None
    return None


def gather(actor: Actor) -> None:
    """Collects garbage, without any time of grace."""
    with actor.phase("gc"):
        collect_garbage()
    time.sleep(actor.pick.uniform(0, 0.5))


def collect_garbage() -> None:
    """`meristem data gc --grace 0`, in this process."""
    collect(objects_of(open_store()), grace=timedelta(0))


ACTS: Mapping[str, Callable[[Actor], None]] = {"writer": write, "reader": read, "collector": gather}

if __name__ == "__main__":
    main()
