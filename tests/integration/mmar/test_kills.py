"""kill -9 of a search of an MMAR: what ended counts, nothing runs on, no half MMAR is taken for real."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import meristem as ms
from meristem.mmar.tune import tune
from meristem.errors import StudyBusy

from .made import automl, jobs_in, make_mmar, trainings

PROGRAM = Path(__file__).with_name("tune_once.py")
TRIALS = 12


def started(mmar: Path, **environment: str) -> subprocess.Popen[bytes]:
    given = [sys.executable, str(PROGRAM), str(mmar), str(TRIALS)]
    return subprocess.Popen(given, env=os.environ | environment, stderr=subprocess.DEVNULL)


def test_killed_again_and_again_a_search_counts_each_training_once(tmp_path: Path) -> None:
    mmar = make_mmar(tmp_path / "m", automl={"controller": {"name": "random"}})
    before = {p: p.read_bytes() for p in mmar.rglob("*") if p.is_file()}
    rng, kills = random.Random(3), 0
    for _ in range(12):
        engine = started(mmar, MMAR_SLEEP="0.2")
        time.sleep(rng.uniform(0.7, 1.6))
        if engine.poll() is None:
            engine.send_signal(signal.SIGKILL)
            kills += 1
        engine.wait()
    if (mmar / "automl/r/meristem.db").exists():
        assert started(mmar).wait(timeout=90) in (0, 1)
    study = ms.Study.open("r", store=f"sqlite:///{mmar}/automl/r/meristem.db")
    assert kills >= 3
    assert study.counts() == {"completed": TRIALS}
    events = study.events(limit=100_000)
    running: set[int | None] = set()
    for event in events:
        if event.kind == "trial_started":
            assert event.trial not in running
            running.add(event.trial)
        elif event.kind == "trial_ended":
            running.remove(event.trial)
    assert not running
    ended = Counter(e.trial for e in events if e.kind == "trial_ended" and e.payload["status"] == "completed")
    assert ended == Counter(range(1, TRIALS + 1))
    assert trainings() == []
    jobs = jobs_in(mmar / "automl/r")
    assert len(jobs) == TRIALS  # no copy of an attempt that was broken off, and none that is not whole
    for trial in study.trials:
        assert trial.folder is not None
        config = json.loads((trial.folder / "config/config_train.json").read_text())
        assert config["learning_rate"] == trial.parameters["lr.float.$0:learning_rate"]
    assert {p: p.read_bytes() for p in before} == before


def test_a_training_that_outlives_its_engine_is_taken_up(tmp_path: Path) -> None:
    mmar = make_mmar(tmp_path / "m", automl=automl(2))
    engine = started(mmar, MMAR_SLEEP="3")
    end = time.monotonic() + 20
    while len(trainings()) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.3)
    running = set(trainings())
    engine.kill()
    engine.wait()
    assert set(trainings()) == running  # they go on without it
    study = tune(mmar, {"run_id": "r", "workers": "0:1"}, trials=2)
    assert study.counts() == {"completed": 2}
    assert sum(e.kind == "trial_started" for e in study.events(limit=1000)) == 2
    assert jobs_in(mmar / "automl/r") == ["W1_1_J1", "W2_1_J2"]


def test_ctrl_c_ends_the_trainings_and_says_how_to_go_on(tmp_path: Path) -> None:
    mmar = make_mmar(tmp_path / "m", automl=automl(2))
    given = [sys.executable, "-m", "meristem.cli.main", "mmar", "tune", str(mmar), "--set", "run_id=r", "workers=0:1"]
    engine = subprocess.Popen(
        given, env=os.environ | {"MMAR_SLEEP": "30"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    end = time.monotonic() + 20
    while len(trainings()) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    engine.send_signal(signal.SIGINT)
    said, _ = engine.communicate(timeout=30)
    assert engine.returncode == 130
    assert "same command again" in said
    assert trainings() == []


def test_a_run_is_run_by_one_process_at_a_time(tmp_path: Path) -> None:
    mmar = make_mmar(tmp_path / "m", automl=automl(2))
    engine = started(mmar, MMAR_SLEEP="2")
    end = time.monotonic() + 20
    while not trainings() and time.monotonic() < end:
        time.sleep(0.05)
    with pytest.raises(StudyBusy):
        tune(mmar, {"run_id": "r", "workers": "0:1"}, trials=2)
    assert engine.wait(timeout=30) == 0
    assert len(jobs_in(mmar / "automl/r")) == 2
