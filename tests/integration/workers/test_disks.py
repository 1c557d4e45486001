"""Disks that are full and folders that are gone: whose fault it is, and that it is told once."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.integration.workers.conftest import Team

from meristem.statuses import Cause, TaskStatus

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def small_disk(team: Team) -> Iterator[Team]:
    """A team whose workers keep their files on a disk of 96 MB."""
    place = team.folder / "workers"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96m", "none", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield team
    team.close()
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_script_that_removes_all_folders_of_its_attempt_ends_once_with_its_own_code(team: Team):
    text = "import os, pathlib, shutil, sys\nplace = pathlib.Path(os.environ['MERISTEM_TASK']).parent.parent\n"
    text += "shutil.rmtree(place)\nsys.exit(7)"
    number = team.script(text)
    team.worker()
    row = team.ended(number)
    assert (row.status, row.cause, row.attempt) == (TaskStatus.FAILED, Cause.CODE_FAILED, 1)
    assert "exit code 7" in (row.message or "")


def test_a_script_that_fills_its_workers_disk_fails_once_for_that(small_disk: Team):
    team = small_disk
    text = "import os, pathlib\nplace = pathlib.Path(os.environ['MERISTEM_TASK']).parent\n"
    text += "for n in range(10**9):\n    (place / f'big{n}').write_bytes(b'0' * (1 << 16))\n"
    number, after = team.script(text), team.function("platform:python_version")
    team.worker()
    row = team.ended(number)
    assert (row.status, row.cause, row.attempt) == (TaskStatus.FAILED, Cause.CODE_FAILED, 1)
    assert "No space left on device" in (row.message or "")
    assert team.ended(after).status is TaskStatus.COMPLETED


def test_a_worker_whose_own_disk_is_full_hands_tasks_back_uncharged_until_there_is_room(small_disk: Team):
    team = small_disk
    team.worker()
    assert team.ended(team.script("print('fine')")).status is TaskStatus.COMPLETED
    ballast = team.folder / "workers" / "ballast"
    with suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while file.write(bytes(1 << 12)):
            pass
    script, function = team.script("print('fine')"), team.function("platform:python_version")
    team.until(lambda: "can run nothing" in team.log())
    time.sleep(0.5)
    assert team.log().count("claimed from") <= 4  # it does not eat its way through the queue
    ballast.unlink()
    for number in (script, function):
        row = team.ended(number)
        assert (row.status, row.charged) == (TaskStatus.COMPLETED, 0)
    assert "can run tasks again" in team.log()
