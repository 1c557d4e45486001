"""A worker whose disk is full fails what it cannot prepare, says why, and goes on once there is room."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.workers.conftest import Team

from meristem.statuses import Cause, TaskStatus

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def small_disk(team: Team) -> Iterator[Path]:
    """The worker's folder, on a disk of 96 MB."""
    place = team.folder / "workers"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "none", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    yield place
    for worker in team.workers:
        worker.kill()
        worker.wait()
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_task_on_a_full_disk_fails_with_the_reason_and_the_worker_goes_on(team: Team, small_disk: Path) -> None:
    worker = team.worker()
    assert team.ended(team.script("print('first')")).status == TaskStatus.COMPLETED
    filler = small_disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - 4096))
    refused = team.ended(team.script("print('second')"))
    assert (refused.status, refused.cause) == (TaskStatus.FAILED, Cause.NOT_PREPARED)
    assert any(words in str(refused.message) for words in ("No space left", "disk of the worker is full"))
    filler.unlink()
    assert team.ended(team.script("print('third')")).status == TaskStatus.COMPLETED
    assert worker.poll() is None


def test_a_task_that_fills_the_disk_harms_no_other(team: Team, small_disk: Path) -> None:
    worker = team.worker()
    greedy = team.script(
        "import sys\nwith open('data', 'wb') as f:\n    while True: f.write(bytes(65536)); f.flush()\n"
    )
    ended = team.ended(greedy)
    assert ended.status == TaskStatus.FAILED
    assert team.ended(team.script("print('next')")).status == TaskStatus.COMPLETED
    assert worker.poll() is None
