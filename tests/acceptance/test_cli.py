"""The command line, as a person or a script uses it."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from meristem import Study
from meristem.cli.main import app, main
from meristem.store.store import Store

TRAINING = 'printf \'{"accuracy": %s}\\n\' {x} >> "$MERISTEM_REPORT"'
FILE = f"""\
name: tiny
space:
  x: {{int: [1, 9]}}
objective: accuracy
controller: grid
executor: {{name: command, args: {{command: '{TRAINING.replace("'", "''")}'}}}}
handlers: []
budget: {{trials: 3}}
"""

Call = Callable[..., str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MERISTEM_STORE", raising=False)
    return tmp_path


@pytest.fixture
def call(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs `main` in this process; gives standard output and expects this exit code."""

    def call(*args: str, code: int = 0, errors: bool = False) -> str:
        monkeypatch.setattr(sys, "argv", ["meristem", *args])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        assert caught.value.code == code, out + err
        assert "Traceback" not in err
        return err if errors else out

    return call


@pytest.fixture(scope="module")
def ten_trials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a study of ten trials: one failed, one with NaN."""
    file = tmp_path_factory.mktemp("ten") / "meristem.db"
    store = Store(f"sqlite:///{file}")
    study = Study("tiny", space={"x": {"int": [0, 99]}}, objective="-loss", store=store, seed=1)
    for number in range(10):
        trial = study.ask()
        if number == 3:
            study.tell(trial, failed="no luck")
        else:
            study.tell(trial, loss=float("nan") if number == 4 else number / 10 + 0.5, size=2**0.5)
    store.close()
    return file


@pytest.fixture
def ran(here: Path, ten_trials: Path) -> None:
    """The working directory has a store with ten trials of the study `tiny`."""
    shutil.copy(ten_trials, here)


def meristem(*args: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "meristem.cli.main", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **more)


def test_a_study_file_runs_and_its_results_are_read(here: Path) -> None:
    (here / "study.yaml").write_text(FILE)
    done = meristem("run", "study.yaml")
    assert done.returncode == 0, done.stderr
    assert "accuracy  3" in done.stdout
    assert "meristem study show tiny" in done.stdout
    shown = json.loads(meristem("study", "show", "tiny", "--json").stdout)
    assert (shown["name"], shown["status"], shown["counts"]) == ("tiny", "completed", {"completed": 3})
    assert shown["best"] == {"number": 3, "value": 3.0, "parameters": {"x": 3}, "metrics": {"accuracy": 3.0}}


def test_a_complete_study_is_left_alone_and_goes_on_when_given_more(here: Path, call: Call) -> None:
    (here / "study.yaml").write_text(FILE)
    call("run", "study.yaml", "--store", "runs.db")
    assert "3 trials are done" in call("study", "resume", "tiny", "--store", "runs.db", errors=True)
    more = json.loads(call("study", "resume", "tiny", "--store", "runs.db", "--trials", "5", "--json"))
    assert more["counts"] == {"completed": 5}
    assert more["runs"] == 2


def test_a_killed_study_resumes_to_exactly_its_budget(here: Path) -> None:
    (here / "study.yaml").write_text(FILE.replace("printf", "sleep 0.2; printf").replace("trials: 3", "trials: 6"))
    engine = subprocess.Popen([sys.executable, "-m", "meristem.cli.main", "run", "study.yaml"], stderr=-3, stdout=-3)
    wait_until(lambda: any(here.glob("meristem-trials/tiny-*/00002")))
    engine.kill()
    engine.wait()
    died = json.loads(meristem("study", "show", "tiny", "--json").stdout)
    assert (died["status"], died["message"]) == ("interrupted", "the engine that ran it died")
    done = meristem("study", "resume", "tiny", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"] == {"completed": 6}


def test_a_study_with_its_own_components_resumes_from_another_folder(here: Path) -> None:
    (here / "lab").mkdir()
    (here / "lab" / "mine.py").write_text(
        "def up(snapshot, count):\n    return [{'x': snapshot.created + i} for i in range(1, count + 1)]\n"
    )
    text = FILE.replace("controller: grid", "controller: {path: mine.up}")
    (here / "lab" / "study.yaml").write_text(text.replace("name: command, args: {", "name: command, args: {cwd: /, "))
    done = meristem("run", "lab/study.yaml")
    assert done.returncode == 0, done.stderr
    (here / "elsewhere").mkdir()
    args = ("study", "resume", "tiny", "--store", "../meristem.db", "--trials", "4", "--json")
    done = meristem(*args, cwd=here / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"] == {"completed": 4}


def test_control_c_stops_cleanly_and_says_how_to_resume(here: Path) -> None:
    (here / "study.yaml").write_text(FILE.replace("printf", "sleep 30; printf"))
    command = [sys.executable, "-m", "meristem.cli.main", "run", "study.yaml"]
    engine = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: any(here.glob("meristem-trials/tiny-*/00001")))
    engine.send_signal(signal.SIGINT)
    _, errors = engine.communicate(timeout=30)
    assert engine.returncode == 130
    assert errors.splitlines()[-1] == "Stopped. Resume with: meristem study resume tiny"
    assert json.loads(meristem("study", "show", "tiny", "--json").stdout)["status"] == "interrupted"


def test_five_mistakes_are_all_told_and_nothing_is_started(here: Path, call: Call) -> None:
    text = FILE.replace("[1, 9]", "[9, 1]").replace("grid", "grit").replace("handlers", "handler")
    (here / "study.yaml").write_text(text.replace("trials: 3", "trials: 0").replace("{x}", "{y}"))
    told = call("run", "study.yaml", code=2, errors=True)
    for line in (3, 5, 6, 7, 8):
        assert f"study.yaml:{line}: " in told
    assert [p.name for p in here.iterdir()] == ["study.yaml"]


def test_a_study_without_end_is_refused_before_anything_is_made(here: Path, call: Call) -> None:
    text = FILE.replace("{int: [1, 9]}", "{float: [1, 9]}").replace("controller: grid", "controller: random")
    (here / "study.yaml").write_text(text.replace("budget: {trials: 3}", ""))
    assert "would never end" in call("run", "study.yaml", code=2, errors=True)
    assert not (here / "meristem.db").exists()


@pytest.mark.parametrize(
    "command",
    [
        "study list", "study show tiny", "study best tiny", "study trials tiny", "study trials tiny --newest",
        "study trials tiny --sort value --limit 2", "study trials tiny --status failed", "study events tiny",
        "store info", "store check", "store upgrade",
    ],
)  # fmt: skip
def test_each_reading_command_gives_json_and_a_table(ran: None, call: Call, command: str) -> None:
    def no_constants(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    assert json.loads(call(*command.split(), "--json"), parse_constant=no_constants)
    lines = call(*command.split()).splitlines()
    assert lines
    assert all(line == line.rstrip() and "…" not in line for line in lines)  # nothing is cut in a pipe


def test_trials_come_in_pages_with_what_a_script_needs(ran: None, call: Call) -> None:
    page = json.loads(call("study", "trials", "tiny", "--limit", "3", "--offset", "2", "--json"))
    assert [t["number"] for t in page["trials"]] == [3, 4, 5]
    assert (page["total"], page["offset"], page["limit"]) == (10, 2, 3)
    assert page["counts"] == {"completed": 8, "failed": 2}
    assert page["best"]["value"] == 0.5
    assert page["trials"][1]["error"] == "no luck"
    assert page["trials"][2]["metrics"]["loss"] == "NaN"
    best = json.loads(call("study", "trials", "tiny", "--sort", "value", "--offset", "1", "--limit", "2", "--json"))
    assert [t["value"] for t in best["trials"]] == [0.6, 0.7]
    assert best["total"] == 8


def test_events_are_read_by_cursor_and_followed_to_the_end(ran: None, call: Call) -> None:
    page = json.loads(call("study", "events", "tiny", "--after", "2", "--limit", "3", "--json"))
    assert [e["number"] for e in page["events"]] == [3, 4, 5]
    assert page["last"] == 5
    lines = call("study", "events", "tiny", "--follow", "--json").splitlines()
    assert [json.loads(line)["number"] for line in lines] == list(range(1, page["total"] + 1))


def test_trials_are_exported_as_csv_and_json(ran: None, call: Call, here: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(call("study", "export", "tiny"))))
    assert len(rows) == 10
    assert (rows[0]["value"], rows[3]["error"], rows[4]["metrics.loss"]) == ("0.5", "no luck", "nan")
    assert rows[0]["parameters.x"].isdigit()
    call("study", "export", "tiny", "--format", "json", "--out", "out.json")
    exported = json.loads((here / "out.json").read_text())
    assert (exported["name"], len(exported["trials"])) == ("tiny", 10)


def test_a_deleted_study_is_gone_with_its_folder(ran: None, call: Call, here: Path) -> None:
    named = Path(json.loads(call("study", "show", "tiny", "--json"))["folder"])
    assert named.parent == here / "meristem-trials"
    folder = named / "00001"
    folder.mkdir(parents=True)
    assert "--yes" in call("study", "delete", "tiny", code=2, errors=True)
    call("study", "delete", "tiny", "--yes")
    assert not folder.parent.exists()
    assert json.loads(call("study", "list", "--json"))["studies"] == []


def test_a_copied_store_does_not_delete_the_folders_of_the_first(ran: None, call: Call, here: Path) -> None:
    folder = Path(json.loads(call("study", "show", "tiny", "--json"))["folder"]) / "00001"
    folder.mkdir(parents=True)
    (here / "copy").mkdir()
    shutil.copy(here / "meristem.db", here / "copy")
    call("study", "delete", "tiny", "--yes", "--store", "copy/meristem.db")
    assert folder.exists()


def test_two_stores_beside_each_other_share_no_folders(here: Path, call: Call) -> None:
    (here / "study.yaml").write_text(FILE)
    call("run", "study.yaml", "--store", "a.db")
    call("run", "study.yaml", "--store", "b.db")
    shown = [json.loads(call("study", "show", "tiny", "--store", s, "--json"))["folder"] for s in ("a.db", "b.db")]
    assert shown[0] != shown[1]
    assert all((Path(folder) / "00003" / "stdout.log").exists() for folder in shown)


def test_a_study_in_which_every_trial_fails_exits_with_1_and_says_why(here: Path, call: Call) -> None:
    (here / "study.yaml").write_text(FILE.replace(TRAINING.replace("'", "''"), "echo no such data >&2; exit 3"))
    told = call("run", "study.yaml", code=1, errors=True)
    assert "every one of them failed" in told
    assert "trial 1: exit code 3: no such data" in told


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("study show tinny", 2, "Did you mean 'tiny'?"),
        ("study show tiny --store none.db", 2, "There is no store sqlite:///none.db"),
        ("study trials tiny --status faild", 2, "Did you mean 'failed'?"),
        ("study trials tiny --sort loss", 2, "neither number nor value"),
        ("study trials tiny --limit 0", 2, "--limit"),
        ("study stop tiny", 1, "is not running"),
        ("study resume tiny", 2, "was never run"),
        ("study shw", 2, "No such command"),
        ("run none.yaml", 2, "There is no file none.yaml"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(ran: None, call: Call, command: str, code: int, said: str) -> None:
    assert said in call(*command.split(), code=code, errors=True)


def test_a_study_of_a_python_function_is_resumed_by_its_script(here: Path, call: Call) -> None:
    study = Study("py", space={"x": [1, 2, 3]}, objective="a", store="sqlite:///meristem.db")
    study.run(lambda trial: 1.0, trials=1, isolate=False, handlers=[])
    assert "Run its Python script again" in call("study", "resume", "py", code=2, errors=True)


def test_the_store_is_chosen_by_option_then_environment_then_file(
    here: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "study.yaml").write_text(FILE + "store: file.db\n")
    call("run", "study.yaml", "--trials", "1")
    monkeypatch.setenv("MERISTEM_STORE", "env.db")
    call("run", "study.yaml", "--trials", "1")
    call("run", "study.yaml", "--trials", "1", "--store", "sqlite:///option.db")
    assert sorted(p.name for p in here.glob("*.db")) == ["env.db", "file.db", "option.db"]


def test_the_example_of_init_is_right_and_is_not_overwritten(here: Path, call: Call) -> None:
    from meristem.cli.study_file import read_study_file

    assert "meristem run study.yaml" in call("init")
    assert read_study_file("study.yaml").plan.trials == 20
    (here / "study.yaml").write_text("mine")
    assert "--force" in call("init", code=2, errors=True)
    assert (here / "study.yaml").read_text() == "mine"
    call("init", "--force")
    assert "name: example" in (here / "study.yaml").read_text()


def test_help_teaches_by_example_and_version_is_told(call: Call) -> None:
    assert json.loads(call("schema", "study"))["title"] == "Meristem study file"
    assert call("--version").startswith("meristem ")
    assert "meristem run study.yaml" in call("--help")
    for command in ("run", "init", "study trials", "study resume", "store check"):
        help_text = CliRunner().invoke(app, [*command.split(), "--help"])
        assert f"meristem {command}" in help_text.output


def test_a_reader_that_closes_the_pipe_is_no_error(ran: None, here: Path) -> None:
    command = f"{sys.executable} -m meristem.cli.main study events tiny | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from meristem.cli.main import app\n"
        "heavy = {'numpy', 'scipy', 'sqlalchemy', 'alembic', 'ruamel'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
