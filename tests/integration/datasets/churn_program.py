"""What a process of the churn tests does until it is told to stop, or is killed. Run as a script:

    churn_program.py ROLE NAME STORE FOLDER SECONDS

writer: takes up its own draft, if it left one; adds files of its own, changes and removes some, makes versions and
deletes old ones. collector: collects garbage without grace. copier: copies the newest version, and checks it.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from datetime import timedelta
from pathlib import Path

from meristem.datasets.collecting import collect
from meristem.datasets.dataset import Dataset
from meristem.datasets.objects import objects_of
from meristem.errors import DatasetNotFound, VersionNotFound
from meristem.store.store import Store

_KEPT_VERSIONS = 30


def content_of(path: str, turn: int) -> bytes:
    """What a writer puts at `path` in a turn: known to whoever checks it."""
    dice = random.Random(f"{path} {turn}")
    size = 600_000 if path.endswith("large") else dice.choice((0, 30, 5_000))
    return b"%d\n" % turn + dice.randbytes(size)


def write(name: str, store: Store, folder: Path) -> None:
    own = folder / name
    own.mkdir(exist_ok=True)
    turn = max([0, *(int(file.read_bytes().split(b"\n")[0]) for file in own.iterdir() if file.stat().st_size)]) + 1
    draft = _draft(name, store)
    for i in random.sample(range(12), 4):
        file = own / f"f{i}"
        if i % 5 == 4 and file.exists():
            file.unlink()
        else:
            _replace(file, content_of(f"{name}/f{i}", turn))
    if turn % 3 == 0:
        _replace(own / "large", content_of(f"{name}/large", turn))
    before = {file.name: file.read_bytes() for file in own.iterdir()}
    draft.sync_folder(own, dataset_path=name)
    draft.finalize(on_conflict="merge")
    assert draft.tree.find(f"{name}/{min(before)}") is not None
    print("final", draft.id, flush=True)
    old = store.datasets.versions(draft.row.dataset, drafts=False, limit=1000)[_KEPT_VERSIONS:]
    for row in old[-2:]:
        Dataset.get(id=row.id, store=store).delete()


def _draft(name: str, store: Store) -> Dataset:
    dataset = store.datasets.ensure("p", "churn")
    for row in store.datasets.drafts(dataset.id):
        if name in row.tags:
            print("resumed", row.id, flush=True)
            return Dataset.get(id=row.id, store=store)
    draft = Dataset.get("p", "churn", auto_create=True, writable_copy=True, store=store)
    draft.tag(name)
    return draft


def _replace(file: Path, content: bytes) -> None:
    """Whole or not at all, outside of the folder that is synced."""
    new = file.parent.with_name(f"{file.parent.name}.new")
    new.write_bytes(content)
    os.replace(new, file)


def copy(name: str, store: Store, folder: Path) -> None:
    try:
        version = Dataset.get("p", "churn", store=store)
    except (DatasetNotFound, VersionNotFound):  # not yet
        return
    found = version.get_local_copy()
    check(found)
    target = folder / f"copy-{name}"
    shutil.rmtree(target, ignore_errors=True)
    check(version.get_mutable_local_copy(target))
    print("copied", version.id, flush=True)


def check(folder: Path) -> int:
    """Whether each file of a copy is what some turn has written; returns how many there are."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    for file in files:
        content, path = file.read_bytes(), str(file.relative_to(folder))
        turn = int(content.split(b"\n")[0])
        assert content == content_of(path, turn), path
    return len(files)


def main(role: str, name: str, store_file: str, folder: str, seconds: str) -> None:
    end = time.monotonic() + float(seconds)
    store = Store(f"sqlite:///{store_file}")
    while time.monotonic() < end:
        if role == "writer":
            write(name, store, Path(folder))
        elif role == "copier":
            copy(name, store, Path(folder))
        else:
            collect(objects_of(store), grace=timedelta(0))
            print("collected", flush=True)
            time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
