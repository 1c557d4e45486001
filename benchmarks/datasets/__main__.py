"""Dataset versions beside DVC, in the same run: time, CPU time, memory, stored bytes, and the floors of the machine.

    make bench-data         (or: python -m benchmarks.datasets --only small --rounds 1)

Contestants take turns at each step, each with its own copy of the same data, which is in the memory of the system; the
floors are measured between them. Copies are compared with what they should be, off the clock. It prints tables and
writes JSON; no goal that is missed makes it fail. It needs 25 GB of disk (in TMPDIR), git, and DVC, which it installs
apart from Meristem, once. DVC is left out of the million files, which take it half an hour. Nothing small is deleted
before the end (see `aside`); for the same reason it waits for minutes where many files were deleted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.datasets.aside import TRASH, await_calm, delete
from benchmarks.datasets.contest import Contest, Contestant
from benchmarks.datasets.dvc_peer import ENVIRONMENT, Dvc
from benchmarks.datasets.ours import Commands, Face
from benchmarks.datasets.plan import PARTS, Figures, Step
from benchmarks.datasets.tables import judged, table_of

RESULTS = Path(__file__).parents[1] / "results" / "datasets.json"
Found = dict[str, dict[str, Figures]]


def main() -> None:
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the data are removed also then
    console = Console(width=None if sys.stdout.isatty() else 150)
    kept: dict[str, Any] = {"load_before": os.getloadavg()[0], "cores": os.cpu_count(), "rounds": given.rounds}
    ours = [] if given.without_meristem else [Commands, Face]
    peers = [] if given.without_dvc else _peers(console)
    kept |= {"measured": {}, "goals": {}, "failures": [], "file_us": {}}
    with ExitStack() as stack:
        home = given.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="meristem-bench-data-"))
        for part in given.only or PARTS:
            makers = [*ours, *(peers if part != "million" else [])]
            folder = Path(home).resolve() / part
            kept["file_us"][part] = 1e6 * await_calm(folder, console.print)
            found = _measure(part, folder, makers, given.rounds, console, kept["failures"])
            console.print(table_of(part, PARTS[part], found))
            kept["measured"][part], kept["goals"][part] = found, judged(PARTS[part], found)
            stack.callback(delete, folder / TRASH)
        for failure in kept["failures"]:
            console.print(f"failed: {failure}", style="red", highlight=False)
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(kept, indent=1) + "\n")
        console.print(f"written to {given.out}; deleting the data …")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure dataset versions beside DVC.")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="may be repeated")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is taken; the million files: one")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--keep", type=Path, help="folder for the data, which are kept there and used again")
    parser.add_argument("--without-dvc", action="store_true")
    parser.add_argument("--without-meristem", action="store_true", help="DVC and the floors alone")
    return parser.parse_args()


def _peers(console: Console) -> list[Callable[[Path], Contestant]]:
    lacking = ENVIRONMENT.ensure(console.print)
    if lacking or shutil.which("git") is None:
        console.print(f"DVC is left out: could not install or find {', '.join(lacking) or 'git'}")
        return []
    return [Dvc]


def _measure(
    part: str,
    home: Path,
    makers: list[Callable[[Path], Contestant]],
    rounds: int,
    console: Console,
    failures: list[str],
) -> Found:
    """Measures one kind of data; the million files are not copied, so that contestants have them one after another."""
    found: Found = {}
    steps: list[Step] = list(PARTS[part])
    groups = [[make] for make in makers] if part == "million" and makers else [makers]
    for group in groups:
        contest = Contest(part, home, group, lambda text: console.print(text, style="dim"))
        contest.run(steps, 1 if part == "million" else rounds)
        failures += contest.failures
        for step, shown in contest.runs.items():
            found.setdefault(step, {}).update({who: dict(figures) for who, figures in shown.items()})
    return found


if __name__ == "__main__":
    main()
