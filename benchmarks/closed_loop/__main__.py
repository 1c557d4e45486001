"""What a closed loop costs beside Ax and Optuna: waiting, saving, loading, importing; and kills at each step.

    make bench-loop        (or: python -m benchmarks.closed_loop)

It only measures: no goal that is missed makes it fail.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.integration.closed_loop.kills import kill_and_resume
from tests.integration.closed_loop.outside import STEPS

from benchmarks.search import environment

WORKER = Path(__file__).with_name("worker.py")
RESULTS = Path(__file__).parents[1] / "results" / "closed_loop.json"
PEERS = ("meristem", "ax", "optuna")
# What, the worker's arguments, which figure, the goal.
ROWS: Sequence[tuple[str, Sequence[str], str, str]] = (
    ("32 trials of 2 s, 8 at a time: s (ideal 8.0)", ("loop", "32", "8", "2"), "wall_s", "<= 8.4"),
    ("30 trials of 0 s, 3 at a time: s", ("loop", "30", "3", "0"), "wall_s", "< 2"),
    ("saving a trial on SQLite: CPU ms", ("saving", "100"), "save_ms", "<= 2"),
    ("asking, telling and saving a trial: CPU ms", ("saving", "100"), "all_ms", ""),
    ("loading a study of 100 trials: s", ("saving", "100"), "load_s", "< 0.05"),
    ("importing: CPU s", ("import",), "import_s", "< 0.3"),
)


def main() -> None:
    console = Console()
    environment.ensure_peers(console.print)
    found: dict[tuple[str, Sequence[str]], dict[str, float]] = {}
    for peer in PEERS:
        for arguments in dict.fromkeys(row[1] for row in ROWS):
            console.print(f"measuring {peer}: {' '.join(arguments)} …", style="dim")
            repeats = 1 if arguments[0] == "loop" else 3
            found[peer, arguments] = _medians([_run(peer, arguments) for _ in range(repeats)])
    table = Table("measured", *PEERS, "goal", title="A closed loop")
    for what, arguments, figure, goal in ROWS:
        table.add_row(what, *(f"{found[peer, arguments].get(figure, float('nan')):.3g}" for peer in PEERS), goal)
    console.print(table)
    kills = _kills(console)
    rows = [{"what": r[0], "goal": r[3], **{p: found[p, r[1]].get(r[2]) for p in PEERS}} for r in ROWS]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"load": os.getloadavg()[0], "measured": rows, "kills": kills}, indent=1) + "\n")
    console.print(f"written to {RESULTS}")


def _kills(console: Console) -> list[dict[str, object]]:
    """kill -9 at each step of trial 3, then a second run of the same study of 6 trials."""
    table = Table("killed", "finds its trials", "completed", "launches", "twice", "orphans", "in doubt", title="Kills")
    kept: list[dict[str, object]] = []
    for finds in (True, False):
        for step in STEPS:
            with tempfile.TemporaryDirectory() as folder:
                count = kill_and_resume(Path(folder), f"{step}:3", finds=finds)
            numbers = (count.completed, count.launches, count.doubles, count.orphans, count.in_doubt)
            table.add_row(step, "yes" if finds else "no", *map(str, numbers))
            names = ("completed", "launches", "doubles", "orphans", "in_doubt")
            kept.append({"step": step, "finds": finds, **dict(zip(names, numbers, strict=True))})
    console.print(table)
    return kept


def _run(peer: str, arguments: Sequence[str]) -> dict[str, float]:
    python = sys.executable if peer == "meristem" else str(environment.PYTHON)
    done = subprocess.run([python, str(WORKER), peer, *arguments], capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        print(done.stderr[-500:], file=sys.stderr)
        return {}
    found: dict[str, float] = json.loads(lines[-1])
    return found


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs if name in run) for name in runs[0]}


if __name__ == "__main__":
    main()
