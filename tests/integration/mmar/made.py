"""Makes small MMARs whose training takes a moment."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

# Reads the learning rate that it was given; what it does beside depends on the variables MMAR_SLEEP and MMAR_DOES.
TRAINING = r"""#!/bin/sh
config="$MMAR_ROOT/config/config_train.json"
rate=$(sed -n 's/.*"learning_rate": \([0-9.e+-]*\).*/\1/p' "$config")
echo "training with $rate on GPUs $CUDA_VISIBLE_DEVICES"
echo "$CUDA_VISIBLE_DEVICES" > "$MMAR_ROOT/gpus.txt"
echo "weights $rate" > "$MMAR_ROOT/models/model.pt"
sleep "${MMAR_SLEEP:-0.05}"
score=$(awk "BEGIN { print 1 - ($rate - 0.3) ^ 2 }")
case "${MMAR_DOES:-validates}" in
    validates) echo "{\"best_metric\": $score, \"validations\": [{\"epoch\": 1, \"value\": 0},
                {\"epoch\": 2, \"value\": $score}]}" > "$MMAR_ROOT/models/train_stats.json" ;;
    never) echo '{"best_metric": -1000000.0}' > "$MMAR_ROOT/models/train_stats.json" ;;
    nothing) ;;
    fails) echo "CUDA error: out of everything" >&2; exit 3 ;;
esac
"""
CONFIG: dict[str, Any] = {
    "epochs": 3,
    "learning_rate": 0.1,
    "search": [{"domain": "lr", "type": "float", "args": ["learning_rate"], "targets": [0.0, 1.0]}],
    "train": {"model": {"name": "UNet", "args": {"width": 16}}},
    "validate": {"metrics": [{"name": "MeanDice", "args": {"name": "mean_dice"}, "is_key_metric": True}]},
}
DESIGN_PAGE: dict[str, Any] = {
    "handlers": [
        {"name": "MMARHandler", "args": {"num_mmars_to_keep": 3, "stop_threshold": 0.9}},
        {"name": "StatsHandler"},
    ],
    "executor": {"name": "MMARExecutor"},
    "controller": {"name": "TestController", "args": {"total_recs": 10, "max_recs_each_time": 3}},
}


def make_mmar(folder: Path, *, automl: dict[str, Any] | None = None, config: dict[str, Any] | None = None) -> Path:
    for name in ("config", "commands", "models", "resources"):
        (folder / name).mkdir(parents=True)
    (folder / "config/config_train.json").write_text(json.dumps(config or CONFIG, indent=1))
    (folder / "config/environment.json").write_text(json.dumps({"DATA_ROOT": "/data"}))
    (folder / "config/config_automl.json").write_text(json.dumps(automl or DESIGN_PAGE))
    (folder / "commands/automl_train_round.sh").write_text(TRAINING)
    (folder / "models/model.pt").write_text("shipped weights")
    return folder


def automl(trials: int, keep: int | None = None, threshold: float | None = None) -> dict[str, Any]:
    """A configuration that tries so many random points."""
    args = {"num_mmars_to_keep": keep, "stop_threshold": threshold}
    handler = {"name": "MMARHandler", "args": {name: value for name, value in args.items() if value is not None}}
    controller = {"name": "TestController", "args": {"total_recs": trials, "max_recs_each_time": trials}}
    return {"handlers": [handler], "controller": controller}


def jobs_in(run: Path) -> list[str]:
    return sorted(path.name for path in run.iterdir() if path.is_dir() and not path.is_symlink())


def trainings() -> list[int]:
    """Pids of trainings that run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if b"automl_train_round.sh" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return [pid for pid in found if pid != os.getpid()]
