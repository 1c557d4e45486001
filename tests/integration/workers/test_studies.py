"""Studies whose trials are tasks: over several workers, of which one dies; over engines that die; stopped early."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.workers.conftest import SOURCES, Team

from meristem import Study
from meristem.cli.task import show_view
from meristem.statuses import TaskStatus
from meristem.store.task_rows import NewTask, TaskFilter, TaskRow
from meristem.trial import Trial

pytestmark = pytest.mark.timeout(180)

TRAININGS = """
import time
import meristem

def train(lr, depth=1, pause=0.1):
    for step in range(3):
        meristem.report(step=step, loss=(lr - 0.3) ** 2 + 0.1 / (step + 1))
        time.sleep(pause / 3)
    return {"accuracy": 1 - (lr - 0.3) ** 2, "note": "well"}

def endless(lr, depth=1):
    step = 0
    while True:
        meristem.report(step=step, loss=lr)
        step += 1
        time.sleep(0.02)
"""
SPACE = {"lr": {"float": [0.0, 1.0]}}


@pytest.fixture
def trainings(team: Team) -> Callable[[str], int]:
    return trainings_of(team)


def trainings_of(team: Team) -> Callable[[str], int]:
    """Puts the functions where workers find them; what it returns makes the template that runs one of them."""
    (team.folder / "trainings.py").write_text(TRAININGS)

    def template(function: str) -> int:
        source = {"entry": "function", "entry_point": f"trainings:{function}"}
        new = NewTask(id="a" * 16, project="demo", name="template", source=source, parameters={"General/depth": 2})
        return team.store.tasks.create(new).number

    return template


def start_workers(team: Team, count: int) -> list[subprocess.Popen[bytes]]:
    variables = {"PYTHONPATH": f"{SOURCES}:{team.folder}"}
    return [team.worker(name=f"w{n}", env=variables) for n in range(1, count + 1)]


def executor(template: int, **args: object) -> dict[str, object]:
    return {"name": "task", "args": {"template": template, "queue": "default", "poll_seconds": 0.05, **args}}


def copies(team: Team, template: int) -> list[TaskRow]:
    return team.store.tasks.list(TaskFilter(parent=template), limit=1000)


def when(holds: Callable[[], bool], act: Callable[[], object]) -> threading.Thread:
    """Does `act` in a thread once `holds`."""

    def wait() -> None:
        while not holds():
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("of", ["team", "postgres_team"])
def test_sixty_trials_over_three_workers_of_which_one_is_killed_have_sixty_outcomes(
    of: str, request: pytest.FixtureRequest
) -> None:
    team: Team = request.getfixturevalue(of)
    template = trainings_of(team)("train")
    workers = start_workers(team, 3)
    study = Study("sixty", space=SPACE, objective="accuracy", controller="random", seed=1, store=team.store)

    def busy() -> bool:
        if sum(task.status is TaskStatus.COMPLETED for task in copies(team, template)) < 20:
            return False
        living = {worker.name: worker for worker in team.store.workers.list()}
        return bool(living["w2"].running)

    killer = when(busy, lambda: os.kill(workers[1].pid, signal.SIGKILL))
    study.run(executor=executor(template), trials=60, parallel=9, handlers=[])
    killer.join(1)
    assert not killer.is_alive(), "no worker was killed"

    assert Counter(trial.status.value for trial in study.trials) == {"completed": 60}
    tasks = copies(team, template)
    assert Counter(task.status.value for task in tasks) == {"completed": 60}
    assert len({task.parameters["General/lr"] for task in tasks}) == 60
    assert all(task.parameters["General/depth"] == 2 for task in tasks)
    stories = [show_view(team.store, task) for task in tasks]
    lost = [view for view in stories if view["story"]]
    assert {view["story"] for view in lost} == {"2nd attempt: machine lost"}
    assert {view["attempts"][0]["worker"] for view in lost} == {"w2"}
    ends = [event.kind for task in tasks for event in team.store.task_log.of(task.number) if event.kind == "task_ended"]
    assert len(ends) == 60
    best = study.best
    assert best.metrics["accuracy"] == pytest.approx(1 - (best.parameters["lr"] - 0.3) ** 2)
    assert [m.step for m in team.store.trials.measurements(team.store.studies.get("sixty").id, 1)][:3] == [0, 1, 2]


def test_a_trial_that_is_stopped_early_frees_its_worker_at_once(team: Team, trainings: Callable[[str], int]) -> None:
    template = trainings("endless")
    start_workers(team, 1)
    study = Study("early", space=SPACE, objective="-loss", controller="random", seed=1, store=team.store)
    begun = time.monotonic()

    class Stops:
        def handle(self, event: object, run: object) -> None:
            trial: Trial | None = getattr(event, "trial", None)
            measurement = getattr(event, "measurement", None)
            if trial is not None and measurement is not None and (measurement.step or 0) >= 5:
                run.stop_trial(trial.number, "enough")  # type: ignore[attr-defined]

        def shutdown(self, run: object) -> None: ...

    study.run(executor=executor(template), trials=3, parallel=3, handlers=[Stops()])
    assert [trial.status.value for trial in study.trials] == ["stopped"] * 3
    assert all(trial.metrics["loss"] == trial.parameters["lr"] for trial in study.trials)
    assert {task.status for task in copies(team, template)} == {TaskStatus.ABORTED}
    assert time.monotonic() - begun < 20


def test_aborts_by_hand_give_trials_up_and_the_end_of_a_study_aborts_what_runs(
    team: Team, trainings: Callable[[str], int]
) -> None:
    template = trainings("endless")
    start_workers(team, 1)
    study = Study("given-up", space=SPACE, objective="-loss", store=team.store)

    def runs(count: int) -> bool:
        found = copies(team, template)
        return len(found) == count and found[0].status is TaskStatus.RUNNING

    def abort() -> None:
        team.store.claims.request_abort(copies(team, template)[0].number, "wrong data")
        team.until(lambda: runs(2))
        study.stop("enough")

    when(lambda: runs(1), abort)
    study.run(executor=executor(template), trials=1, handlers=[])
    given_up, waiting = study.trials
    assert (given_up.status.value, waiting.status.value) == ("abandoned", "waiting")
    assert "wrong data" in str(given_up.error)
    assert [task.status for task in copies(team, template)] == [TaskStatus.ABORTED] * 2


FILE = """\
name: resumed
space: {{lr: {{float: [0.0, 1.0]}}}}
objective: accuracy
controller: random
seed: 3
executor: {{name: task, args: {{template: {template}, queue: default, poll_seconds: 0.05}}}}
handlers: []
parallel: 4
budget: {{trials: 20}}
store: {store}
"""


def test_an_engine_that_is_killed_is_followed_by_one_that_takes_its_tasks_up(
    team: Team, trainings: Callable[[str], int]
) -> None:
    template = trainings("train")
    start_workers(team, 2)
    file = team.folder / "study.yaml"
    file.write_text(FILE.format(template=template, store=team.url))

    def meristem(*args: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "meristem.cli.main", *args]
        variables = {**os.environ, "PYTHONPATH": f"{SOURCES}:{team.folder}"}
        return subprocess.Popen(command, env=variables, cwd=team.folder, stdout=-1, stderr=-1)

    for ended in (3, 8, 13):
        engine = meristem("run", str(file), "--wait")
        team.until(lambda count=ended: _completed(team, template) >= count, 60)
        engine.kill()
        engine.communicate()
    done = meristem("run", str(file), "--wait", "--json")
    out, err = done.communicate(timeout=120)
    assert done.returncode == 0, err.decode()
    assert json.loads(out)["counts"] == {"completed": 20}
    tasks = copies(team, template)
    assert len(tasks) == 20
    assert all(task.attempt == 1 for task in tasks)


def _completed(team: Team, template: int) -> int:
    return sum(task.status is TaskStatus.COMPLETED for task in copies(team, template))


def test_a_study_file_with_a_wrong_template_or_queue_says_so_before_anything_starts(team: Team, tmp_path: Path) -> None:
    file = team.folder / "study.yaml"
    for template, queue, why in (("'nothing'", "default", "no task 'nothing'"), ("1", "defalt", "Did you mean")):
        text = FILE.format(template=template, store=team.url).replace("queue: default", f"queue: {queue}")
        file.write_text(text)
        command = [sys.executable, "-m", "meristem.cli.main", "run", str(file)]
        found = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": SOURCES})
        assert found.returncode == 2
        assert why in found.stderr
