"""The fault run in short: workers and the database are killed, frozen and cut off, and each task ends exactly once.

Its long form is `make fault-queue`.
"""

from __future__ import annotations

import pytest
from benchmarks.queue.faults import Plan, run

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize(("sqlite", "kind"), [(False, "worker"), (True, "stand-in")])
def test_each_task_has_one_result_whatever_is_killed(sqlite: bool, kind: str) -> None:
    plan = Plan(minutes=0.15, tasks=50, workers=3, lease=2.0, pause=0.7, kind=kind, seed=7, patience=60.0)
    found, done = run(plan, sqlite=sqlite)
    assert found.good, (found, done)
    assert found.executions >= plan.tasks
    assert done["faults"]
