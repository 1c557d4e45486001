"""Workers build an environment of a task's own packages once, and start the next task in it at once."""

from __future__ import annotations

import sys

import pytest
from tests.integration.workers.conftest import Team

from meristem.statuses import Cause, TaskStatus

pytestmark = pytest.mark.timeout(120)
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}.0"


def test_an_environment_is_built_once_and_holds_what_was_recorded_and_meristem(team: Team):
    def add(packages: list[str], text: str) -> int:
        from meristem.store.task_rows import NewTask
        from meristem.tasks.spool_folder import new_task_id

        blob = {"blob": team.store.blobs.put(text.encode())}
        source = {"entry": "script", "entry_point": "t.py", "script": blob, "script_name": "t.py"}
        environment = {"python": PYTHON, "packages": packages}
        new = NewTask(id=new_task_id(), project="p", name="n", source=source, environment=environment)
        number = team.store.tasks.create(new).number
        team.store.queues.enqueue([number], "default")
        return number

    text = (
        "import sys, six, psutil, meristem\nprint('six', six.__version__)\n"
        "try:\n    import sqlalchemy\nexcept ImportError:\n    print('alone')\n"
        "task = meristem.Task.init('other', 'names')\nprint('number', task.number)\nmeristem.report(step=1, loss=0.5)\n"
    )
    team.worker("--env", "venv")
    first = team.ended(add(["six==1.16.0", "meristem==0.0.1"], text), 60)
    assert first.status is TaskStatus.COMPLETED, (first.message, team.console(first.number))
    console = team.console(first.number)
    assert "building an environment" in console
    assert "six 1.16.0" in console
    assert "alone" in console
    assert f"number {first.number}" in console
    assert [m.title for m in team.store.task_outputs.metrics(first.number) if not m.title.startswith(":")] == ["loss"]
    second = team.ended(add(["six==1.16.0"], "import six, time\nprint('started')"), 20)
    assert second.status is TaskStatus.COMPLETED
    assert "building" not in team.console(second.number)
    missing = team.ended(add(["no-such-package-of-meristem==1.0"], text), 60)
    assert (missing.status, missing.cause) == (TaskStatus.FAILED, Cause.NOT_PREPARED)
    assert "no-such-package-of-meristem" in (missing.message or "")
    assert second.started_at is not None
    assert second.ended_at is not None
    print(f"second start: {second.ended_at - second.started_at:.2f} s")
