"""After a fault run: what is left is ended, garbage is collected, and every version that is final is looked at."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from benchmarks.datasets.fault_actors import PROJECT, collect_garbage
from benchmarks.datasets.fault_journal import differing_paths, digest_of_listing, listing_of
from benchmarks.datasets.fault_judging import Checked
from meristem import Dataset
from meristem.errors import DatasetError, DatasetNotFound, MeristemError, StoreUnavailable
from meristem.statuses import VersionStatus
from meristem.store.dataset_rows import VersionRow
from meristem.store.store import Store


def check(store: Store, datasets: list[str], home: Path) -> tuple[list[Checked], int, int]:
    """Looks at all versions of `datasets`.

    Returns:
        The versions that are final or published; how many drafts were left by the dead and could be resumed; how many
        drafts are still open.
    """
    os.environ["MERISTEM_CACHE"] = os.fspath(home / "fresh-cache")  # nothing of what is checked comes from a copy
    resumed = sum(_end(row) for row in _rows(store, datasets) if row.status is VersionStatus.DRAFT)
    collect_garbage()
    rows = _rows(store, datasets)
    final = [row for row in rows if row.status in (VersionStatus.FINAL, VersionStatus.PUBLISHED)]
    left = sum(row.status is VersionStatus.DRAFT for row in rows)
    return [_look(row, home) for row in final], resumed, left


def _rows(store: Store, datasets: list[str]) -> list[VersionRow]:
    rows: list[VersionRow] = []
    for name in datasets:
        try:
            found = store.datasets.get(PROJECT, name)
        except DatasetNotFound:  # nobody had come so far
            continue
        rows += store.datasets.versions(found.id, drafts=True, limit=1_000_000)
    return rows


def _end(row: VersionRow) -> bool:
    """Resumes a draft that a dead writer left (it can be read), and throws it away."""
    draft = Dataset.get(id=row.id)
    try:
        list(draft.list_files())
    except DatasetError:
        return False
    finally:
        draft.discard()
    return True


def _look(row: VersionRow, home: Path) -> Checked:
    out = home / "checkout"
    shutil.rmtree(out, ignore_errors=True)
    for last in (False, False, True):
        try:
            version = Dataset.get(id=row.id)
            verdict = version.verify()
            if not verdict.is_whole:
                gone = any(damage.pack is None for damage in verdict.damages)
                return Checked(id=row.id, error="ObjectMissing" if gone else "ObjectDamaged")
            version.get_mutable_local_copy(out, overwrite=True)
            found = listing_of(out)
            meant = home / "listings" / f"{row.id}.json"
            wrong = differing_paths(json.loads(meant.read_text()), found) if meant.exists() else []
            return Checked(id=row.id, digest=digest_of_listing(found), differences=tuple(wrong[:5]))
        except MeristemError as error:
            transient = getattr(error, "transient", False) or isinstance(error, StoreUnavailable)
            if last or not transient:
                return Checked(id=row.id, error=type(error).__name__)
    raise AssertionError("unreachable")
