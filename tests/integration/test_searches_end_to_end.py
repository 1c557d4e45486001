"""Controllers that need more than a point: checkpoints of parents, learning curves, several objectives, limits."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import meristem as ms


def test_population_based_training_goes_on_from_the_checkpoint_of_a_parent(tmp_path: Path) -> None:
    def train(trial: ms.Trial) -> float:
        before = 0.0
        if trial.parent_folder is not None:
            before = float((trial.parent_folder / "weight").read_text())
        weight = before + trial["rate"]
        assert trial.folder is not None
        (trial.folder / "weight").write_text(str(weight))
        return weight

    study = ms.Study(
        "pbt", space={"rate": ms.Float(0.0, 1.0)}, objective="weight", store=f"{tmp_path}/p.db", seed=1,
        controller={"name": "pbt", "args": {"population": 4, "generations": 5}},
    )  # fmt: skip
    study.run(train, parallel=2, isolate=False, handlers=[])
    assert study.counts() == {"completed": 20}
    assert study.best.origin["generation"] >= 3
    assert study.best.value is not None
    assert study.best.value > 2.0  # more than any single training can reach
    parent = study.get_trial(study.best.origin["parent"])
    assert study.best.value > (parent.value or 0.0)


def test_asha_stops_most_trials_early_and_finds_the_good_one(tmp_path: Path) -> None:
    def train(trial: ms.Trial) -> float:
        for step in range(1, 17):
            time.sleep(0.004)
            trial.report(step=step, loss=(trial["x"] - 0.3) ** 2 + 1.0 / step)
        return float((trial["x"] - 0.3) ** 2 + 1.0 / 16)

    study = ms.Study(
        "asha", space={"x": ms.Float(0, 1)}, objective="-loss", store=f"{tmp_path}/a.db", seed=1,
        controller={"name": "asha", "args": {"proposals": "random", "max_step": 16}},
    )  # fmt: skip
    study.run(train, trials=24, isolate=False, handlers=[])
    counts = study.counts()
    assert counts["stopped"] >= 1
    assert counts["completed"] >= 1
    assert abs(study.best["x"] - 0.3) < 0.2
    reasons = {t.error for t in study.trials if t.status == "stopped"}
    assert all(reason and reason.startswith("stopped early: ") for reason in reasons)


def test_a_study_file_with_several_objectives_and_a_limit_runs_from_end_to_end(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        """
name: two
space:
  n: {int: [1, 40]}
  m: {int: [1, 40]}
objective: "quality, -cost"
outcome_constraints: ["size <= 50"]
thresholds: {quality: 0, cost: 100}
executor:
  name: command
  args: {command: 'n={n}; m={m}; echo "{\\"quality\\": $((n * 2 - m)), \\"cost\\": $((n + m)), \\"size\\": $n}"'}
budget: {trials: 12}
early_stopping: null
handlers: []
"""
    )
    command = [sys.executable, "-m", "meristem.cli.main", "run", "study.yaml", "--store", "two.db"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "on the Pareto front" in done.stdout
    study = ms.Study.open("two", store=f"{tmp_path}/two.db")
    assert study.hypervolume() > 0
    for one in study.pareto:
        assert not any(
            other.values["quality"] >= one.values["quality"]
            and other.values["cost"] <= one.values["cost"]
            and other.values != one.values
            for other in study.trials
        )
