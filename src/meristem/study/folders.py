"""Where trials keep their files: one folder a study, in it one a trial and attempt."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from meristem.store.rows import StudyRow
from meristem.store.store import Store

TRIALS = "meristem-trials"


def study_folder(store: Store, study: StudyRow, *, root: Path | None = None) -> Path:
    """The study's folder: `meristem-trials/NAME-KEY` beside the store's file.

    The key is the study's own, so that studies of one name in several stores never share a folder. Where the
    store is a server it is in the folder in which the study was first run; `root` puts it elsewhere.
    """
    database = store.database.url.database if store.database.is_sqlite and not store.in_memory else None
    if root is None:
        root = Path(database).absolute().parent if database else Path(study.setup.get("root") or Path.cwd())
    return root / TRIALS / f"{_slug(study.name)}-{study.folder_key or study.id}"


def trial_folder(root: Path, number: int, attempt: int) -> Path:
    """The folder of one attempt of a trial."""
    return root / (f"{number:05d}" if attempt == 1 else f"{number:05d}.{attempt}")


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name).strip()
    return re.sub(r"[^\w.-]+", "_", plain).strip("._")[:60] or "study"
