"""Hydra's configuration is told, follows the store, and is composed anew where its overrides were edited."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import meristem

pytest.importorskip("hydra", reason="hydra-core is not installed")

SCRIPT = """
import json, os
from meristem.tasks.parameters import argparse_hook, hydra_hook
from meristem.tasks.parameters.connecting import Parameters
stored, told = json.loads(os.environ["STORED"]), {}
parameters = Parameters(stored or {}, stored is not None, told.update)
def install():
    argparse_hook.install(parameters)
    hydra_hook.install(parameters)
if not os.environ.get("INSIDE"):
    install()
import hydra
from omegaconf import OmegaConf
@hydra.main(config_path="conf", config_name="config", version_base=None)
def main(config):
    if os.environ.get("INSIDE"):
        install()
    print(json.dumps([OmegaConf.to_container(config, resolve=True), told]))
main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "conf" / "config.yaml").write_text(
        "defaults: [{model: small}, _self_]\nlr: 0.1\ntwice: ${lr}\nneeded: ???\nbetas: [0.9, 0.99]\n"
    )
    (tmp_path / "conf" / "model" / "small.yaml").write_text("width: 8\ndepth: 2\n")
    (tmp_path / "conf" / "model" / "big.yaml").write_text("width: 80\nlayers: 3\n")
    return tmp_path


def run(folder: Path, *words: str, stored: dict[str, Any] | None = None, inside: bool = False) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "train.py", *words, "hydra.run.dir=out"],
        cwd=folder, check=True, capture_output=True, text=True,
        env={
            **os.environ, "STORED": json.dumps(stored), "INSIDE": "1" if inside else "",
            "PYTHONPATH": str(Path(meristem.__file__).parents[1]),
        },
    )  # fmt: skip
    answer: list[Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("inside", [False, True])
def test_the_composed_configuration_is_told_and_replaced(folder, inside):
    _, told = run(folder, "lr=0.2", "needed=1", inside=inside)
    assert told == {
        "Args/overrides": ["lr=0.2", "needed=1", "hydra.run.dir=out"], "Hydra/lr": 0.2, "Hydra/twice": "${lr}",
        "Hydra/needed": 1, "Hydra/betas": [0.9, 0.99], "Hydra/model/width": 8, "Hydra/model/depth": 2,
    }  # fmt: skip
    edited = told | {"Hydra/lr": "0.7", "Hydra/model/width": 16, "Hydra/extra/new": True}
    config, news = run(folder, "lr=0.2", "needed=1", stored=edited, inside=inside)
    assert config == {
        "lr": 0.7, "twice": 0.7, "needed": 1, "betas": [0.9, 0.99], "model": {"width": 16, "depth": 2},
        "extra": {"new": True},
    }  # fmt: skip
    assert news == {}


def test_edited_overrides_compose_it_anew_and_edited_values_stay(folder):
    _, told = run(folder, "needed=1")
    overrides = ["needed=1", "model=big", "hydra.run.dir=out"]
    config, news = run(folder, "needed=1", stored=told | {"Args/overrides": overrides, "Hydra/lr": 0.5})
    assert config["model"] == {"width": 80, "layers": 3}
    assert config["twice"] == 0.5
    assert news == {"Hydra/model/layers": 3}
