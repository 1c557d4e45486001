"""Five days of labelling become five versions of a dataset; a training reads the newest that is published.

    make example-data        (or: python examples/occupancy_data/run.py)

Rows of sensors in an office, one a minute, and whether somebody was there. Each evening the labels of the day are a new
file, and some of the days before were corrected: the next version stores that, and nothing else. At the end every
version is checked out again and compared with what was in the folder that evening, byte by byte. The real rows are used
where they are at hand (`--data`), else made by `generator.py`. All is in a temporary folder unless `--store` is given.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labelling import Labelling, Rows, read_days, write_rows
from rich.console import Console
from rich.table import Table
from train import NAME, PROJECT

from meristem import Dataset

HERE = Path(__file__).parent
REAL = HERE.parents[2] / "shared" / "data" / "occupancy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evening:
    """What one day of labelling came to, and a copy of the folder as it was."""

    version: str
    files: int
    rows: int
    changed: str
    stored_bytes: int
    bytes_in_all: int
    seconds: float
    source: Path


def main() -> None:
    parser = argparse.ArgumentParser(description="Versions of a dataset that is labelled for five days.")
    parser.add_argument("--store", help="where versions are kept, and stay (default: a temporary folder)")
    parser.add_argument("--data", type=Path, default=REAL, help="folder with datatraining.txt and datatest.txt")
    given = parser.parse_args()
    # What is killed by SIGTERM ends as by Ctrl-C: through the clean-up of the folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console()
    with tempfile.TemporaryDirectory(prefix="meristem-occupancy-") as temporary:
        folder = Path(temporary)
        os.environ["MERISTEM_STORE"] = given.store or f"sqlite:///{folder}/store.db"
        os.environ["MERISTEM_CACHE"] = str(folder / "cache")  # copies there are the example's own, and go with it
        real = given.data if (given.data / "datatraining.txt").exists() else None
        console.print(f"Rows: {f'the real ones, of {real}' if real else 'generated'}.", highlight=False)
        days, test = read_days(real)
        (folder / "labels").mkdir()
        labelling = Labelling(folder / "labels", days)
        evenings = [evening(labelling, day, folder) for day in days]
        Dataset.get(project=PROJECT, name=NAME, version=evenings[-1].version).publish()
        console.print(table(evenings))
        train(folder, test)
        for kept in evenings:
            check(kept, folder / "again")
        console.print(f"All {len(evenings)} versions were checked out again: every byte is as it was.")


def evening(labelling: Labelling, day: str, folder: Path) -> Evening:
    """Labels a day, and makes the next version: these three lines are what a labelling tool does."""
    labelling.label(day)
    began = time.perf_counter()
    with Dataset.get(project=PROJECT, name=NAME, auto_create=True, writable_copy=True) as draft:
        draft.sync_folder(labelling.folder)
        draft.finalize(f"labels until {day}")
    seconds, summary = time.perf_counter() - began, draft.row.summary
    source = folder / "sources" / day
    shutil.copytree(labelling.folder, source)
    return Evening(
        version=str(draft.version),
        files=len(list(source.iterdir())),
        rows=labelling.rows(),
        changed=f"+{summary['added']} ~{summary['modified']}",
        stored_bytes=summary["stored_bytes"],
        bytes_in_all=sum(path.stat().st_size for path in source.iterdir()),
        seconds=seconds,
        source=source,
    )


def table(evenings: Sequence[Evening]) -> Table:
    """The versions as a table."""
    shown = Table(title=f"{PROJECT}/{NAME}", caption="files: + added, ~ modified; stored: what the version added")
    for name in ("version", "files", "rows", "changed", "bytes", "stored", "seconds"):
        shown.add_column(name, justify="left" if name in ("version", "changed") else "right")
    for one in evenings:
        shown.add_row(
            one.version, str(one.files), f"{one.rows:,}", one.changed,
            f"{one.bytes_in_all:,}", f"{one.stored_bytes:,}", f"{one.seconds:.3f}",
        )  # fmt: skip
    return shown


def train(folder: Path, test: Rows) -> None:
    """Trains in a process of its own, on the newest published version, and tests on rows of other days."""
    unseen = folder / "test.csv"
    write_rows(unseen, test)
    subprocess.run([sys.executable, HERE / "train.py", unseen], check=True)


def check(kept: Evening, out: Path) -> None:
    """Checks a version out, and compares it with the folder as it was that evening.

    Raises:
        SystemExit: A file is missing, or too many, or differs.
    """
    Dataset.get(project=PROJECT, name=NAME, version=kept.version).get_mutable_local_copy(out)
    names = [sorted(path.name for path in folder.iterdir()) for folder in (kept.source, out)]
    _, other, unread = filecmp.cmpfiles(kept.source, out, names[0], shallow=False)
    if names[0] != names[1] or other or unread:
        raise SystemExit(f"version {kept.version} is not what was stored: {names[0]}, {names[1]}, differing {other}")
    shutil.rmtree(out)


if __name__ == "__main__":
    main()
