"""Dataset versions beside DVC, in the same run: time, CPU time, memory, stored bytes, and the floors of the machine.

    make bench-data         (or: python -m benchmarks.datasets --only small --rounds 1)

Contestants take turns at each step, each with its own copy of the same data, which is in the memory of the system; the
floors are measured between them. Copies are compared with what they should be, off the clock. It prints tables and
writes JSON; no goal that is missed makes it fail. It needs 15 GB of disk, DVC apart from Meristem (installed by itself,
once) and git. DVC is left out of the million files, which take it half an hour.
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
from pathlib import Path

from rich.console import Console

from benchmarks.datasets.contest import Contest, Contestant
from benchmarks.datasets.dvc_peer import ENVIRONMENT, Dvc
from benchmarks.datasets.ours import Commands, Face
from benchmarks.datasets.plan import PARTS, Figures, Step
from benchmarks.datasets.tables import judged, table_of

RESULTS = Path(__file__).parents[1] / "results" / "datasets.json"
Found = dict[str, dict[str, Figures]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure dataset versions beside DVC.")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="may be repeated")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is taken; the million files: one")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--keep", type=Path, help="folder for the data, which are kept there and used again")
    parser.add_argument("--without-dvc", action="store_true")
    parser.add_argument("--without-meristem", action="store_true", help="DVC and the floors alone")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the data are removed also then
    console, load = Console(), os.getloadavg()[0]
    ours = [] if given.without_meristem else [Commands, Face]
    peers = [] if given.without_dvc else _peers(console)
    found: dict[str, Found] = {}
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="meristem-bench-data-") as temporary:
        home = (given.keep or Path(temporary)).resolve()
        for part in given.only or PARTS:
            makers = [*ours, *(peers if part != "million" else [])]
            found[part] = _measure(part, home / part, makers, given.rounds, console, failures)
            console.print(table_of(part, PARTS[part], found[part]))
            if not given.keep:
                shutil.rmtree(home / part, ignore_errors=True)
    for failure in failures:
        console.print(f"[red]failed[/red] {failure}", highlight=False)
    goals = {part: judged(PARTS[part], found[part]) for part in found}
    kept = {"load_before": load, "cores": os.cpu_count(), "rounds": given.rounds, "measured": found, "goals": goals}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({**kept, "failures": failures}, indent=1) + "\n")
    console.print(f"written to {given.out}")


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
