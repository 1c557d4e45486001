"""kill -9 at every step of a closed loop: nothing is launched twice, no launch is forgotten."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.integration.closed_loop.kills import PROGRAM, kill_and_resume
from tests.integration.closed_loop.outside import STEPS


@pytest.mark.parametrize("step", STEPS)
def test_a_runner_that_finds_its_trials_loses_and_doubles_none(tmp_path: Path, step: str) -> None:
    found = kill_and_resume(tmp_path, f"{step}:3", finds=True)
    assert found.killed
    assert (found.completed, found.launches, found.doubles, found.orphans, found.in_doubt) == (6, 6, 0, 0, 0)


@pytest.mark.parametrize("step", STEPS)
def test_without_that_a_launch_in_doubt_is_named_and_another_trial_takes_its_place(tmp_path: Path, step: str) -> None:
    found = kill_and_resume(tmp_path, f"{step}:3", finds=False)
    assert found.killed
    assert (found.completed, found.doubles) == (6, 0)
    # Trials 1 and 2 may be in doubt beside it: they are launched at the same time.
    assert found.in_doubt >= (step in ("intent", "launched", "unrecorded"))
    assert found.orphans <= found.in_doubt
    assert found.launches == 6 + found.orphans


@pytest.mark.parametrize("step", ["launched", "unrecorded"])
def test_a_launch_in_doubt_is_found_though_the_system_is_away_at_first(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTSIDE_AWAY_SECONDS", "2")
    found = kill_and_resume(tmp_path, f"{step}:3", finds=True)
    assert found.killed
    assert (found.completed, found.launches, found.doubles, found.orphans, found.in_doubt) == (6, 6, 0, 0, 0)


@pytest.mark.parametrize("answer", ["0", "0.8"])
def test_ctrl_c_leaves_deployed_trials_where_they_run_and_the_next_run_takes_them_up(
    tmp_path: Path, answer: str
) -> None:
    environment = os.environ | {"OUTSIDE_SECONDS": "2", "OUTSIDE_ANSWER_SECONDS": answer}
    given = [sys.executable, str(PROGRAM), str(tmp_path), "", "6"]
    running = subprocess.Popen(given, env=environment, stderr=subprocess.PIPE, text=True)
    jobs = tmp_path / "jobs"
    end = time.monotonic() + 30
    while time.monotonic() < end and (not jobs.exists() or len(list(jobs.iterdir())) < 3):
        time.sleep(0.02)
    time.sleep(0.3)  # with a slow answer, all three are being launched
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=20)
    assert "3 deployed trials go on" in said
    before = {place.name for place in jobs.iterdir()}
    subprocess.run(given, check=True, timeout=60)
    assert len(before) == 3
    assert before <= {place.name for place in jobs.iterdir()}
    assert len(list(jobs.iterdir())) == 6
