"""Several processes at once on one dataset: writers, a collector without grace, copies; and the same with kill -9.

MERISTEM_LONG_TESTS=60 gives the seconds of the first, and kills five a second in the other one for as long.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from integration.datasets import churn_program
from integration.datasets.conftest import Machine
from meristem.datasets.dataset import Dataset
from meristem.datasets.objects import objects_of
from meristem.store.store import Store

_SECONDS = float(os.environ.get("MERISTEM_LONG_TESTS", "3"))


class _Crew:
    """The processes; each has a machine (a cache), some share one."""

    def __init__(self, tmp_path: Path, store: Store) -> None:
        self._folder, self._store = tmp_path, store
        self.told: Counter[str] = Counter()
        self.final: set[int] = set()

    def start(self, role: str, name: str, cache: str, seconds: float) -> subprocess.Popen[str]:
        work = self._folder / "work"
        work.mkdir(exist_ok=True)
        command = [sys.executable, churn_program.__file__, role, name, str(self._store.file), str(work), str(seconds)]
        environment = os.environ | {"MERISTEM_CACHE": str(self._folder / f"cache-{cache}")}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def hear(self, process: subprocess.Popen[str], *, killed: bool = False) -> None:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == (-signal.SIGKILL if killed else 0), errors[-3000:]
        for line in out.splitlines():
            what, _, version = line.partition(" ")
            self.told[what] += 1
            if what == "final":
                self.final.add(int(version))


_ROLES = [("writer", "anna", "one"), ("writer", "ben", "two"), ("collector", "c", "one"), ("copier", "d", "two")]


def _check(machine: Machine, crew: _Crew, folder: Path) -> None:
    """Every version that is not deleted is whole; the newest holds what all writers wrote last."""
    store = machine("empty")
    dataset = store.datasets.get("p", "churn").id
    rows = store.datasets.versions(dataset, drafts=False, limit=100_000)
    numbers = [row.number for row in store.datasets.versions(dataset, drafts=False, deleted=True, limit=100_000)]
    assert len(numbers) == len(set(numbers))
    assert crew.final <= {row.id for row in store.datasets.versions(dataset, deleted=True, limit=100_000)}
    for row in rows:
        verdict = Dataset.get(id=row.id, store=store).verify()
        assert verdict.damages == (), row.shown
    for row in store.datasets.drafts(dataset):
        assert Dataset.get(id=row.id, store=store).verify().damages == (), row.shown
    assert objects_of(store).place is not None
    assert churn_program.check(Dataset.get("p", "churn", store=store).get_mutable_local_copy(folder / "last")) > 0


@pytest.mark.timeout(0)
def test_two_writers_a_collector_and_a_copier_at_once_lose_nothing(machine: Machine, tmp_path: Path) -> None:
    crew = _Crew(tmp_path, machine())
    team = [crew.start(role, name, cache, _SECONDS) for role, name, cache in _ROLES]
    for process in team:
        crew.hear(process)
    print(dict(crew.told))
    assert crew.told["final"] > 2
    assert crew.told["collected"] > 0
    _check(machine, crew, tmp_path)
    newest = Dataset.get("p", "churn", store=machine("empty"))
    for name in ("anna", "ben"):
        held = {path: newest.read_bytes(path) for path in newest.list_files(name)}
        files = {f"{name}/{file.name}": file.read_bytes() for file in (tmp_path / "work" / name).iterdir()}
        assert held == files


@pytest.mark.timeout(0)
def test_processes_that_are_killed_anywhere_lose_nothing(machine: Machine, tmp_path: Path) -> None:
    crew, dice = _Crew(tmp_path, machine()), random.Random(5)
    team = {role: crew.start(*role, 1000) for role in _ROLES}
    end = time.monotonic() + _SECONDS + 3
    kills = 0
    while time.monotonic() < end:
        time.sleep(dice.uniform(0.2, 0.9))
        role = dice.choice(_ROLES)
        if team[role].poll() is None:
            team[role].kill()
            kills += 1
            crew.hear(team[role], killed=True)
        else:
            crew.hear(team[role])
        team[role] = crew.start(*role, 1000)
    for process in team.values():
        process.kill()
        crew.hear(process, killed=True)
    for role in _ROLES:
        crew.hear(crew.start(*role, 0.5))  # each goes on where it was, and ends well
    print(kills, dict(crew.told))
    assert kills > 3
    _check(machine, crew, tmp_path)
    left = [row for row in machine("empty").datasets.drafts(1) if row.tags]
    assert left == []  # the writers have taken theirs up again
