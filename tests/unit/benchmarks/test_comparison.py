"""Runs are planned, kept, judged and told as the benchmark of the search says."""

from __future__ import annotations

import math

import pytest
from benchmarks.search.goals import verdicts
from benchmarks.search.plan import plan
from benchmarks.search.problems import PROBLEMS
from benchmarks.search.report import Cell, report
from benchmarks.search.runs import Run, carry_out, fingerprint, read_lines, to_line
from benchmarks.search.scores import picked, score

BRANIN = PROBLEMS["branin"]


def _record(values, cpu=0.01):
    return {"version": "1", "exact": [{"y": BRANIN.optimum + v} for v in values], "cpu_s": [cpu] * len(values)}


def test_a_run_that_was_kept_is_found_again_and_a_torn_line_passed_over(tmp_path):
    run = Run(seed=1, problem="branin", peer="random", trials=3)
    found = carry_out(run, BRANIN)
    path = tmp_path / "kept.jsonl"
    path.write_text(to_line(run, found) + to_line(run, found)[:40])
    assert read_lines([path])[run]["exact"] == found["exact"]
    assert read_lines([tmp_path / "none.jsonl"]) == {}


@pytest.mark.parametrize("peer", ["random", "sobol", "meristem-sobol", "meristem-study"])
def test_a_run_is_the_same_every_time(peer):
    run = Run(seed=2, problem="mixed7", peer=peer, trials=4, parallel=2, attached=3)
    mixed = PROBLEMS["mixed7"]
    assert carry_out(run, mixed)["exact"] == carry_out(run, mixed)["exact"]


def test_controllers_get_several_metrics_limits_and_standard_errors():
    for name in ("srinivas", "gardner2", "hartmann3_sem", "pipeline_wine"):
        run = Run(seed=0, problem=name, peer="meristem-random", trials=4, parallel=2)
        assert len(carry_out(run, PROBLEMS[name])["exact"]) == 4


def test_another_problem_or_optimizer_has_another_fingerprint():
    kinds = {fingerprint(peer, PROBLEMS[name]) for peer in ("random", "meristem-gp") for name in ("branin", "levy10")}
    assert len(kinds) == 4
    assert fingerprint("random", BRANIN) == fingerprint("ax", BRANIN)


def test_points_that_break_a_limit_do_not_count():
    gardner = PROBLEMS["gardner2"]
    record = {"exact": [{"y": -5.0, "c": 0.5}, {"y": 2.0, "c": -0.1}]}
    assert score(gardner, record, 1) == math.inf
    assert score(gardner, record, 2) == pytest.approx(2.0 - gardner.optimum)


def test_with_noise_the_picked_point_may_be_worse_than_the_best():
    record = _record([1.0, 0.2])
    record["measured"] = [{"y": 0.0}, {"y": 5.0}]
    assert score(BRANIN, record, 2) == pytest.approx(0.2)
    assert picked(BRANIN, record, 2) == pytest.approx(1.0)


def test_of_several_objectives_the_missing_share_counts():
    srinivas = PROBLEMS["srinivas"]
    nothing = {"exact": [{"f1": 300.0, "f2": 0.0, "circle": 0.0, "line": -20.0}]}
    assert score(srinivas, nothing, 1) == 1.0


def test_seeds_come_one_after_the_other_and_peers_get_the_problems_they_are_given():
    problems = {"branin": BRANIN, "gardner2": PROBLEMS["gardner2"]}
    runs = plan(problems, {"random": [], "ax": ["branin"]}, seeds=2, batches=[1, 3], cost=False)
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    assert {run.problem for run in runs if run.peer == "ax"} == {"branin"}
    assert {run.problem for run in runs if run.parallel == 3} == {"branin"}
    assert len(runs) == len(set(runs)) == 2 * (3 + 2)


def test_the_tables_show_medians_ranks_costs_and_failures():
    def run(peer, seed):
        return Run(seed=seed, problem="branin", peer=peer, trials=30)

    records = {run("meristem-auto", s): _record([2.0] * 29 + [0.1 * s], cpu=0.01) for s in (1, 2, 3)}
    records |= {run("ax", s): _record([3.0] * 30, cpu=0.5) for s in (1, 2)}
    records[run("ax", 3)] = {"error": "ran out of luck"}
    text, summary = report(records, records)
    assert "| branin, 30 | 0.2 [" in text
    assert "3 [3, 3] (2)" in text
    assert "500 (50×)" in text
    assert "ran out of luck" in text
    assert summary["ranks"][0]["mean_rank"] == {"meristem-auto": 1.0, "ax": 2.0}
    assert summary["quality"][0]["peers"]["meristem-auto"]["seeds"] == 3
    assert summary["quality"][0]["goal"] == 0.0125
    assert [(one["reached"], one["met"]) for one in summary["goals"][:2]] == [(pytest.approx(0.2), False), (1.0, True)]


def test_what_costs_too_much_misses_its_goal():
    regrets = {("levy10", 50, 1): {"ours": 2.0}}
    costs = [{"trials": 50, "cpu_ms": {"ours": 30.0, "ax": 1200.0}}, {"trials": 10, "cpu_ms": {"ours": 9.0, "ax": 9.0}}]
    found = verdicts("ours", regrets, [{"rows": 1, "mean_rank": {"ours": 1.5}}], costs)
    assert [one["met"] for one in found] == [True, False, False, True]


def test_where_a_seed_found_nothing_allowed_the_median_is_still_told():
    assert Cell.of([math.inf, 1.0, 2.0]).median == 2.0
    assert str(Cell.of([math.inf] * 3)) == "none [none, none] (3)"
