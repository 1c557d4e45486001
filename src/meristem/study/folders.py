"""Where trials keep their files: one folder a study, in it one a trial and attempt."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from meristem.store.store import Store


def study_folder(store: Store, name: str, study_id: int) -> Path:
    """The folder of a study: `meristem-trials/NAME-ID` beside the store's file, or in the working directory."""
    database = store.database.url.database if store.database.is_sqlite and not store.in_memory else None
    root = Path(database).absolute().parent if database else Path.cwd()
    return root / "meristem-trials" / f"{_slug(name)}-{study_id}"


def trial_folder(root: Path, number: int, attempt: int) -> Path:
    """The folder of one attempt of a trial."""
    return root / (f"{number:05d}" if attempt == 1 else f"{number:05d}.{attempt}")


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name).strip()
    return re.sub(r"[^\w.-]+", "_", plain).strip("._")[:60] or "study"
