"""Tables of what runs came to, as Markdown, and the same as values for JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from benchmarks.search.adapters import is_ours
from benchmarks.search.goals import REGRET, verdicts
from benchmarks.search.problem import Problem
from benchmarks.search.problems import PROBLEMS
from benchmarks.search.runs import Run
from benchmarks.search.scores import checkpoints, picked, score

Records = Mapping[Run, Mapping[str, Any]]
KINDS = {
    "standard": "Standard problems",
    "noisy": "Noise",
    "constrained": "Limits on metrics",
    "conditional": "Conditional parameters",
    "discrete": "Integers or categories only",
    "tuning": "Real tuning problems (scikit-learn)",
    "high-dimensional": "20 and 50 dimensions, not all of which matter",
    "several objectives": "Several objectives: share of the greatest hypervolume that is missing",
}
_WINDOW = 5  # the cost at trial n is the median over so many trials up to n


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one optimizer reached in one row, over its seeds."""

    median: float
    q1: float
    q3: float
    seeds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Cell:
        method = "linear" if np.isfinite(values).all() else "higher"  # nothing lies between a number and none
        q1, median, q3 = np.quantile(values, [0.25, 0.5, 0.75], method=method)
        return cls(median=float(median), q1=float(q1), q3=float(q3), seeds=len(values))

    def __str__(self) -> str:
        return f"{_short(self.median)} [{_short(self.q1)}, {_short(self.q3)}] ({self.seeds})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table: a problem after so many trials, in batches."""

    problem: str
    kind: str
    trials: int
    parallel: int
    note: str
    cells: Mapping[str, Cell]

    @property
    def head(self) -> str:
        batch = f", in batches of {self.parallel}" if self.parallel > 1 else ""
        return f"{self.problem}, {self.trials}{batch}{self.note}"


def report(records: Records, wanted: Iterable[Run]) -> tuple[str, dict[str, Any]]:
    """The tables as Markdown, and all numbers as plain data."""
    good = {run: record for run, record in records.items() if "error" not in record}
    failed = [f"{r.peer} on {r.problem}, seed {r.seed}: {records[r]['error']}" for r in records if r not in good]
    peers = list(dict.fromkeys(run.peer for run in wanted))
    rows = _rows(good)
    parts = [_quality(kind, title, rows, peers) for kind, title in KINDS.items()]
    ranks = _ranks([row for row in rows if not row.note], peers)
    costs = _costs(good)
    goals = _goals(rows, costs, peers)
    overall = _rank_lines(ranks)
    parts += [overall and f"### All problems\n\n{overall}", _cost_table(costs, peers), _goal_table(goals)]
    if failed:
        parts.append("### Failed runs\n\n" + "\n".join(f"- {line}" for line in failed))
    summary = {
        "versions": {run.peer: record["version"] for run, record in good.items()},
        "quality": [_plain(row) for row in rows],
        "ranks": ranks,
        "cpu_ms": costs,
        "goals": goals,
        "failed": failed,
    }
    return "\n\n".join(part for part in parts if part), summary


def _rows(records: Records) -> list[Row]:
    groups: dict[tuple[str, int], list[Run]] = defaultdict(list)
    for run in records:
        if not run.attached:
            groups[run.problem, run.parallel].append(run)
    found: list[Row] = []
    for name, parallel in sorted(groups, key=lambda key: (key[1], list(PROBLEMS).index(key[0]))):
        problem, runs = PROBLEMS[name], groups[name, parallel]
        for trials in checkpoints(problem):
            found += _row(problem, parallel, trials, "", records, runs, score)
        if problem.noise:
            found += _row(problem, parallel, problem.trials, ", as picked by its value", records, runs, picked)
    return found


def _row(
    problem: Problem, parallel: int, trials: int, note: str, records: Records, runs: Sequence[Run],
    judge: Callable[[Problem, Mapping[str, Any], int], float],
) -> list[Row]:  # fmt: skip
    values: dict[str, dict[int, float]] = defaultdict(dict)
    for run in runs:
        if run.trials >= trials:
            values[run.peer][run.seed] = judge(problem, records[run], trials)
    cells = {peer: Cell.of(list(by_seed.values())) for peer, by_seed in values.items()}
    made = Row(problem=problem.name, kind=problem.kind, trials=trials, parallel=parallel, note=note, cells=cells)
    return [made] if cells else []


def _quality(kind: str, title: str, rows: Sequence[Row], peers: Sequence[str]) -> str:
    rows = [row for row in rows if row.kind == kind]
    shown = [peer for peer in peers if any(peer in row.cells for row in rows)]
    if not rows:
        return ""
    goals = kind == "standard"
    lines = []
    for row in rows:
        cells = [str(row.cells[peer]) if peer in row.cells else "–" for peer in shown]
        goal = REGRET.get((row.problem, row.trials, row.parallel))
        lines.append([row.head, *cells, *([("" if goal is None else f"{goal:g}")] if goals else [])])
    what = "regret" if kind != "several objectives" else "share missing"
    heads = [f"problem, trials ({what}: median [quartiles] (seeds))", *shown, *(["goal"] if goals else [])]
    ranked = _rank_lines(_ranks([row for row in rows if not row.note], shown))
    return f"### {title}\n\n{_table(heads, lines)}\n\n{ranked}"


def _ranks(rows: Sequence[Row], peers: Sequence[str]) -> list[dict[str, Any]]:
    """Mean ranks of the medians: once of those peers that have most rows, once of all that have any."""
    # The same search through `Study` is no competitor of its own.
    rivals = [peer for peer in peers if peer != "meristem-study" or "meristem-auto" not in peers]
    everyone = [peer for peer in rivals if any(peer in row.cells for row in rows)]
    counts = {peer: sum(peer in row.cells for row in rows) for peer in everyone}
    full = [peer for peer in everyone if counts[peer] >= 0.8 * max(counts.values())]  # a cut by time leaves gaps
    found = []
    for group in dict.fromkeys((tuple(full), tuple(everyone))):
        common = [row for row in rows if all(peer in row.cells for peer in group)]
        if len(group) > 1 and common:
            places = [rankdata([row.cells[peer].median for peer in group]) for row in common]
            means = dict(zip(group, np.mean(places, axis=0).tolist(), strict=True))
            found.append({"rows": len(common), "mean_rank": dict(sorted(means.items(), key=lambda item: item[1]))})
    return found


def _rank_lines(ranks: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for one in ranks:
        ordered = ", ".join(f"{peer} {rank:.2f}" for peer, rank in one["mean_rank"].items())
        lines.append(f"Mean rank of the medians over {one['rows']} rows: {ordered}.")
    return "\n\n".join(lines)


def _costs(records: Records) -> list[dict[str, Any]]:
    """CPU milliseconds of one suggestion about trial n, by problem and peer: medians over seeds."""
    groups: dict[tuple[int, str, int, int, str], dict[int, float]] = defaultdict(dict)
    for run, record in records.items():
        problem, spent = PROBLEMS[run.problem], record["cpu_s"]
        for n in (10, 30, 50, 200, 1000):
            place = n - run.attached
            if _WINDOW <= place <= len(spent) and (problem.kind == "standard" or n == run.trials):
                window = spent[place - _WINDOW : place]
                key = (run.parallel, run.problem, n, int(bool(run.attached)), run.peer)
                groups[key][run.seed] = 1000 * float(np.median(window))
    names = list(PROBLEMS)
    rows: dict[tuple[int, str, int, int], dict[str, float]] = defaultdict(dict)
    for (parallel, problem_name, n, attached, peer), by_seed in groups.items():
        rows[parallel, problem_name, n, attached][peer] = float(np.median(list(by_seed.values())))
    ordered = sorted(rows, key=lambda key: (key[0], key[3], names.index(key[1]), key[2]))
    return [
        {"problem": key[1], "parallel": key[0], "trials": key[2], "attached": bool(key[3]), "cpu_ms": rows[key]}
        for key in ordered
    ]


def _cost_table(costs: Sequence[Mapping[str, Any]], peers: Sequence[str]) -> str:
    shown = [peer for peer in peers if any(peer in row["cpu_ms"] for row in costs)]
    ours = next((peer for peer in shown if is_ours(peer)), None)
    if not costs:
        return ""
    lines = []
    for row in costs:
        cpu = row["cpu_ms"]
        own = cpu.get(ours) if ours else None
        head = f"{row['problem']}, {row['trials']}"
        head += f", in batches of {row['parallel']}" if row["parallel"] > 1 else ""
        head += ", told beforehand" if row["attached"] else ""
        cells = [_with_ratio(cpu.get(peer), None if is_ours(peer) else own) for peer in shown]
        lines.append([head, *cells])
    said = f"; in brackets: how many times that of {ours}" if ours else ""
    title = f"### CPU milliseconds of one suggestion, asking and telling (median over seeds{said})"
    return f"{title}\n\n{_table(['problem, at trial', *shown], lines)}"


def _goals(rows: Sequence[Row], costs: Sequence[Mapping[str, Any]], peers: Sequence[str]) -> list[dict[str, Any]]:
    ours = next((peer for peer in peers if is_ours(peer)), None)
    standard = [row for row in rows if row.kind == "standard"]
    regrets = {
        (row.problem, row.trials, row.parallel): {peer: cell.median for peer, cell in row.cells.items()}
        for row in standard
    }
    return verdicts(ours, regrets, _ranks(standard, peers), costs) if ours else []


def _goal_table(goals: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        [one["goal"], _short(one["at_most"]), _short(one["reached"]), "yes" if one["met"] else "NO"] for one in goals
    ]
    return f"### Goals\n\n{_table(['goal', 'at most', 'reached', 'met'], lines)}" if goals else ""


def _with_ratio(value: float | None, own: float | None) -> str:
    if value is None:
        return "–"
    return f"{_short(value)} ({value / own:.2g}×)" if own else _short(value)


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = ["| " + " | ".join(line) + " |" for line in (heads, ["---"] * len(heads), *lines)]
    return "\n".join(rows)


def _plain(row: Row) -> dict[str, Any]:
    about = {"problem": row.problem, "kind": row.kind, "trials": row.trials, "parallel": row.parallel}
    goal = REGRET.get((row.problem, row.trials, row.parallel)) if not row.note else None
    cells = {peer: asdict(cell) for peer, cell in row.cells.items()}
    return {**about, "note": row.note.lstrip(", "), "goal": goal, "peers": cells}


def _short(value: float) -> str:
    if not np.isfinite(value):
        return "none"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
