"""What reads a version is known: tasks by hand and on workers, trials of each kind and their studies; both ways."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.integration.workers.conftest import SOURCES, Team, team  # noqa: F401  (a fixture)

from meristem import RunnerExecutor, Study, present
from meristem.cli.main import app
from meristem.datasets.dataset import Dataset
from meristem.executors.command import CommandExecutor
from meristem.executors.function import FunctionExecutor
from meristem.executors.slurm_script import write_job
from meristem.statuses import TaskStatus
from meristem.store.dataset_rows import ReaderKind
from meristem.store.store import Store
from meristem.store.task_rows import NewTask

pytestmark = pytest.mark.timeout(120)

READS = """
import os
from meristem.datasets.dataset import Dataset

def read(version="1.0.0", lr=0.1):
    data = Dataset.get("p", "d", version=version)
    assert data.read_bytes("file") == version.encode()
    return {"loss": lr}

def read_one(trial):
    return read("1.0.0", trial.parameters["lr"])

def nothing():
    return 1
"""


def prepare(folder: Path, store: Store) -> Dataset:
    """Two versions of p/d in a store, and functions that read them; gives the first one."""
    (folder / "reads.py").write_text(READS)
    (folder / "data").mkdir()
    made = []
    for version in ("1.0.0", "1.0.1"):
        (folder / "data" / "file").write_text(version)
        with Dataset.get("p", "d", auto_create=True, writable_copy=True, store=store) as draft:
            draft.add_files(folder / "data")
        made.append(draft)
    return made[0]


def readers(data: Dataset) -> list[tuple[str, str]]:
    return [(str(one.kind), one.reader) for one in data.readers()]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MERISTEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MERISTEM_STORE", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture
def data(here: Path) -> Dataset:
    return prepare(here, Store(os.environ["MERISTEM_STORE"]))


def study(here: Path, executor: object) -> Study:
    found = Study("a study", space={"lr": {"float": [0.0, 1.0]}}, objective="-loss", store=f"sqlite:///{here}/store.db")
    found.run(executor=executor, trials=2, handlers=[])
    return found


def of_trials() -> set[tuple[str, str]]:
    return {("trial", "a study 1"), ("trial", "a study 2"), ("study", "a study")}


def test_a_script_of_its_own_reads_and_is_nobody(data: Dataset) -> None:
    assert data.read_bytes("file") == b"1.0.0"
    assert readers(data) == []


def test_a_task_by_hand_is_known_as_reader(here: Path, data: Dataset) -> None:
    script = textwrap.dedent("""
        import meristem
        task = meristem.Task.init("demo", "by hand")
        import reads
        reads.read()
    """)
    (here / "train.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": f"{SOURCES}:{here}"}
    subprocess.run([sys.executable, "train.py"], cwd=here, env=environment, check=True, timeout=60)

    (row,) = data.objects.store.tasks.list()
    assert readers(data) == [("task", row.id)]
    assert [v.number for v in data.objects.store.dataset_readers.of(ReaderKind.TASK, row.id)] == ["1.0.0"]


@pytest.mark.parametrize("isolate", [True, False])
def test_trials_of_a_function_and_their_study_are_known_as_readers(here: Path, data: Dataset, isolate: bool) -> None:
    import reads  # type: ignore[import-not-found]

    sys.modules.pop("reads")
    study(here, FunctionExecutor(reads.read_one, isolate=isolate))

    assert set(readers(data)) == of_trials()
    data.objects.store.datasets.version(data.id)  # what runs here now is no trial any more
    Dataset.get("p", "d", version="1.0.1").read_bytes("file")
    assert readers(Dataset.get("p", "d", version="1.0.1")) == []


def test_trials_of_a_command_and_their_study_are_known_as_readers(here: Path, data: Dataset) -> None:
    (here / "train.py").write_text("import meristem, reads\nmeristem.report(step=0, **reads.read(lr=0.5))\n")
    command = [sys.executable, str(here / "train.py")]
    study(here, CommandExecutor(command, env={"PYTHONPATH": f"{SOURCES}:{here}"}))

    assert set(readers(data)) == of_trials()


class ReadingRunner:
    """Trials somewhere else, which read a version there, as a service in this process may."""

    def run_trial(self, number: int, parameters: dict[str, float]) -> dict[str, int]:
        Dataset.get("p", "d", version="1.0.0").read_bytes("file")
        return {"number": number}

    def poll_trial(self, number: int, metadata: object) -> str:
        return "completed"


class Rate:
    name = "loss"

    def fetch(self, number: int, metadata: object) -> tuple[int, float]:
        return 0, 0.5


def test_trials_that_a_runner_deploys_and_their_study_are_known_as_readers(here: Path, data: Dataset) -> None:
    study(here, RunnerExecutor(ReadingRunner(), [Rate()], poll_seconds=0.05))
    assert set(readers(data)) == of_trials()


def test_a_job_of_slurm_is_told_which_trial_it_is(here: Path) -> None:
    with present.running(present.trial("a study", 7)):
        write_job(here, ["train"], 7, {}, (), {})
    assert "export MERISTEM_PRESENT='trial a study 7'\n" in (here / "environment.sh").read_text()


def test_tasks_on_a_worker_are_known_as_readers_and_none_for_the_next_one(
    team: Team,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MERISTEM_CACHE", str(team.folder / "cache"))
    first = prepare(team.folder, team.store)
    second = Dataset.get("p", "d", version="1.0.1", store=team.store)
    numbers = [
        team.script("import reads; reads.read('1.0.0')"),
        team.function("reads:read", version="1.0.1"),
        team.function("reads:nothing"),
        team.function("reads:read", version="1.0.0"),
    ]
    variables = {"PYTHONPATH": f"{SOURCES}:{team.folder}", "MERISTEM_STORE": team.url}
    team.worker("--slots", "1", env=variables)
    for number in numbers:
        assert team.ended(number, 60).status is TaskStatus.COMPLETED, team.console(number)

    ids = [team.get(number).id for number in numbers]
    assert set(readers(first)) == {("task", ids[0]), ("task", ids[3])}
    assert readers(second) == [("task", ids[1])]
    assert team.store.dataset_readers.of(ReaderKind.TASK, ids[2]) == []


def test_trials_that_are_tasks_and_their_study_are_known_as_readers(
    team: Team,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MERISTEM_CACHE", str(team.folder / "cache"))
    first = prepare(team.folder, team.store)
    source = {"entry": "function", "entry_point": "reads:read"}
    template = team.store.tasks.create(NewTask(id="a" * 16, project="demo", name="template", source=source))
    team.worker(env={"PYTHONPATH": f"{SOURCES}:{team.folder}", "MERISTEM_STORE": team.url})
    found = Study("a study", space={"lr": {"float": [0.0, 1.0]}}, objective="-loss", store=team.store)
    arguments = {"template": template.number, "queue": "default", "poll_seconds": 0.05}
    found.run(executor={"name": "task", "args": arguments}, trials=2, handlers=[])

    tasks = {("task", row.id) for row in team.store.tasks.list() if row.number != template.number}
    assert len(tasks) == 2
    assert set(readers(first)) == tasks | of_trials()


def test_task_show_and_study_show_name_what_was_read(
    here: Path, data: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    import reads

    study(here, FunctionExecutor(reads.read_one, isolate=False))
    store = data.objects.store
    row = store.tasks.create(NewTask(id="c" * 16, project="p", name="n"))
    store.dataset_readers.note(data.id, ReaderKind.TASK, row.id)
    capsys.readouterr()

    for line in (["study", "show", "a study"], ["task", "show", str(row.number)]):
        app([*line, "--json"], standalone_mode=False)
        told = json.loads(capsys.readouterr().out)["datasets"]
        assert told == [{"version": "p/d@1.0.0", "id": data.id, "status": "final", "root": data.row.root}]
        app(line, standalone_mode=False)
        (shown,) = [found for found in capsys.readouterr().out.splitlines() if found.startswith("datasets read")]
        assert shown.split() == ["datasets", "read", "p/d@1.0.0"]
    data.delete()
    app(["task", "show", str(row.number)], standalone_mode=False)
    assert "p/d@1.0.0 (deleted)" in capsys.readouterr().out
