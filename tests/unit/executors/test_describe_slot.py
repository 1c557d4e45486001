"""What executors say of their slots, for people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meristem.executors.command import CommandExecutor
from meristem.executors.function import FunctionExecutor
from meristem.executors.mmar import MmarExecutor

CONFIG = {"rate": 1, "search": [{"domain": "lr", "type": "float", "args": ["rate"], "targets": [0.0, 1.0]}]}


@pytest.mark.parametrize(("gpus", "told"), [(None, {}), ("0,1:2", {"gpus": ["2"]})])
def test_a_slot_has_the_gpus_that_its_trials_see(gpus: str | None, told: dict[str, object]) -> None:
    assert FunctionExecutor(print, gpus=gpus).describe_slot(1) == told
    assert CommandExecutor("true", gpus=gpus).describe_slot(1) == told


def test_a_slot_of_an_mmar_is_one_of_claras_workers_too(tmp_path: Path) -> None:
    for name, text in (("config/config_train.json", json.dumps(CONFIG)), ("commands/train.sh", "true")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    assert MmarExecutor(tmp_path, run_id="r", gpus="0,1:2").describe_slot(1) == {"worker": "W2", "gpus": ["2"]}
