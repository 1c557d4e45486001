"""What is read from a training's statistics, whatever its trainer calls things."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meristem.executors.train_stats import TrainStats, read_stats, stats_of


@pytest.mark.parametrize(
    ("data", "best", "curve"),
    [
        ({"best_metric": 0.9}, 0.9, ()),
        ({"best_validation_metric": 0.8, "best_metric": 0.9}, 0.9, ()),
        ({"best_score": 1}, 1.0, ()),
        ({"best_metric": -1000000.0}, None, ()),
        ({"best_metric": "high"}, None, ()),
        ({}, None, ()),
        (
            {"validations": [{"epoch": 1, "value": 0.5}, {"epoch": 2, "value": 0.4}, {"epoch": "x", "value": 1}, 7]},
            0.5,
            ((1, 0.5), (2, 0.4)),
        ),
        ({"best_metric": 0.6, "history": [{"step": 3, "metric": 0.6}]}, 0.6, ((3, 0.6),)),
        ({"validations": [{"epoch": 1, "value": -1000000.0}]}, None, ()),
        ({"validations": [{"epoch": 1, "value": float("nan")}]}, None, None),
        ({"validations": {"epoch": 1}}, None, ()),
    ],
)
def test_the_best_value_and_the_curve(data: dict[str, Any], best: float | None, curve: Any) -> None:
    found = stats_of(data)
    assert found.best == best
    if curve is not None:
        assert found.curve == curve


@pytest.mark.parametrize("text", [None, "", "{", "[1]", "null"])
def test_what_is_missing_or_half_written_is_nothing_yet(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "train_stats.json"
    if text is not None:
        path.write_text(text)
    assert read_stats(path) is None


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"best_metric": 0.5}')
    assert read_stats(tmp_path / "s.json") == TrainStats(best=0.5)
