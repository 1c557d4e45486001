"""A task that fills the disk of its worker harms no other."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.workers.conftest import Team

from meristem.statuses import TaskStatus

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


def test_a_task_that_fills_the_disk_harms_no_other(team: Team, small_disk: Path) -> None:
    worker = team.worker()
    greedy = team.script(
        "import sys\nwith open('data', 'wb') as f:\n    while True: f.write(bytes(65536)); f.flush()\n"
    )
    ended = team.ended(greedy)
    assert ended.status == TaskStatus.FAILED
    assert team.ended(team.script("print('next')")).status == TaskStatus.COMPLETED
    assert worker.poll() is None
