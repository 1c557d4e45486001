"""Compares the search with Ax and Optuna: quality by problem, and CPU time per suggestion.

    make bench-search          (or: python -m benchmarks.search --minutes 60 --peers meristem-auto,ax:branin)
    make bench-search-quick    ends in 10 minutes

Each run is a process of its own with one thread. Runs are kept in `benchmarks/results/search.jsonl`, so that the
command may be stopped and started again; a run is done anew when its problem or its optimizer has changed.
It only measures: no goal that is missed makes it fail.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.search import environment
from benchmarks.search.adapters import PEERS, is_ours
from benchmarks.search.plan import plan
from benchmarks.search.problem import Problem
from benchmarks.search.problems import DEVELOPMENT, KEPT_ASIDE, PROBLEMS, STANDARD
from benchmarks.search.progress import work_off
from benchmarks.search.report import report
from benchmarks.search.runs import fingerprint, read_lines

RESULTS = Path(__file__).parents[1] / "results"
ALL_PEERS = "meristem-auto,meristem-study,random,sobol,optuna-tpe,optuna-cmaes,optuna-nsga2,optuna-gp,ax"
QUICK_PEERS = "meristem-auto,random,optuna-tpe,optuna-gp,ax:branin+hartmann6"
QUICK_PROBLEMS = [*STANDARD, "pressure_vessel", "layers", "pipeline_wine", "srinivas"]


def main() -> None:
    started = time.monotonic()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)  # also where it was started in the background
    given = _arguments()
    problems, peers = _problems(given), _peers(given.peers)
    if not given.report_only:
        environment.ensure_peers(_say)
        for peer in environment.missing(list(peers)):
            _say(f"{peer} cannot run here and is left out")
            del peers[peer]
    wanted = plan(problems, peers, seeds=given.seeds, batches=given.batches, cost=not given.quick and not given.no_cost)
    pairs = {(run.peer, run.problem) for run in wanted}
    keys = {(peer, problem): fingerprint(peer, PROBLEMS[problem]) for peer, problem in pairs}
    kept = read_lines([given.out])
    done = {run: kept[run] for run in wanted if kept.get(run, {}).get("of") == keys[run.peer, run.problem]}
    left = [run for run in wanted if run not in done or "error" in done[run]]
    if not given.report_only:
        _say(f"{len(wanted)} runs wanted, {len(wanted) - len(left)} of them done before")
        deadline = started + 60 * given.minutes
        done |= work_off(left, keys, out=given.out, workers=given.workers, deadline=deadline, known=kept, say=_say)
    text, summary = report(done, wanted)
    _say(text)
    path = given.out.with_suffix(".json")
    path.write_text(json.dumps({"load": os.getloadavg()[0], "cores": os.cpu_count(), **summary}, indent=1) + "\n")
    _say(f"written to {path}; {_minutes(time.monotonic() - started)} in all")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the search with Ax and Optuna.")
    parser.add_argument("--quick", action="store_true", help="few seeds and problems, Ax on two of them")
    parser.add_argument("--minutes", type=float, help="stop after so long, and report what there is")
    parser.add_argument("--seeds", type=int, help="runs of each problem by each optimizer")
    parser.add_argument("--problems", help="names, comma-separated; default: the development set")
    parser.add_argument("--kept-aside", action="store_true", help="those of round two instead; once, at the end")
    parser.add_argument("--peers", help="such as meristem-gp,optuna-gp,ax:branin+levy10; default: all on all")
    parser.add_argument("--batches", type=lambda text: [int(n) for n in text.split(",")], default=[1, 3])
    parser.add_argument("--no-cost", action="store_true", help="leave out what only measures CPU time")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1), help="runs at the same time")
    parser.add_argument("--report-only", action="store_true", help="run nothing, show what was kept")
    parser.add_argument("--out", type=Path, default=RESULTS / "search.jsonl", help="where runs are kept")
    given = parser.parse_args()
    given.peers = given.peers or (QUICK_PEERS if given.quick else ALL_PEERS)
    given.minutes = given.minutes or (8.5 if given.quick else 24 * 60)
    given.seeds = given.seeds or (3 if given.quick else 10)
    given.batches = [1] if given.quick else given.batches
    return given


def _problems(given: argparse.Namespace) -> Mapping[str, Problem]:
    if given.problems:
        names = given.problems.split(",")
    elif given.kept_aside:
        names = list(KEPT_ASIDE)
    else:
        names = QUICK_PROBLEMS if given.quick else list(DEVELOPMENT)
    if unknown := [name for name in names if name not in PROBLEMS]:
        raise SystemExit(f"There is no problem {', '.join(unknown)}; there are {', '.join(PROBLEMS)}.")
    return {name: PROBLEMS[name] for name in names}


def _peers(text: str) -> dict[str, Sequence[str]]:
    found: dict[str, Sequence[str]] = {}
    for part in text.split(","):
        peer, _, names = part.partition(":")
        if peer not in PEERS and not is_ours(peer):
            raise SystemExit(f"There is no peer {peer}; there are {', '.join(PEERS)} and meristem-<controller>.")
        found[peer] = names.split("+") if names else []
    return found


def _say(text: str) -> None:
    print(text, flush=True)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"


if __name__ == "__main__":
    main()
