"""`meristem study report`: what a study found, written in each form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import meristem as ms
from meristem.cli.main import app


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with a study `tiny` of six trials; the test runs beside it."""
    monkeypatch.chdir(tmp_path)
    space = {"x": ms.Float(0, 1)}
    study = ms.Study("tiny", space=space, objective="-loss", seed=1, store="sqlite:///m.db", controller="random")
    for _ in range(6):
        trial = study.ask()
        study.tell(trial, loss=trial["x"])
    study.store.close()
    return "m.db"


def call(*words: str) -> str:
    done = CliRunner().invoke(app, ["study", "report", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_page_is_written_that_has_the_best(store: str) -> None:
    call("tiny", "--store", store, "--out", "tiny.html")
    page = Path("tiny.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "<h1>Study tiny</h1>" in page
    call("tiny", "--store", store)
    assert Path("tiny-report.html").read_text(encoding="utf-8") == page


def test_a_report_of_another_study_is_not_overwritten(store: str) -> None:
    other = ms.Study("ti/ny", space={"x": ms.Float(0, 1)}, objective="-loss", store="sqlite:///m.db")
    other.attach({"x": 0.5}, loss=1.0)
    other.store.close()
    Path("report.html").write_text("mine", encoding="utf-8")
    call("tiny", "--store", store)
    call("ti/ny", "--store", store)
    assert len(list(Path().glob("*-report.html"))) == 2
    assert Path("report.html").read_text(encoding="utf-8") == "mine"


def test_markdown_and_json_go_to_standard_output_or_a_file(store: str) -> None:
    assert call("tiny", "--store", store, "--format", "md").startswith("# Study tiny")
    data = json.loads(call("tiny", "--store", store, "--format", "json"))
    call("tiny", "--store", store, "--out", "tiny.json")
    assert json.loads(Path("tiny.json").read_text(encoding="utf-8")) == data
    call("tiny", "--store", store, "--out", "tiny.md")
    assert Path("tiny.md").read_text(encoding="utf-8").startswith("# Study tiny")
    assert json.loads(call("tiny", "--store", store, "--format", "json", "--out", "-")) == data
    assert not Path("-").exists()


def test_folders_that_are_missing_are_made(store: str) -> None:
    call("tiny", "--store", store, "--out", "reports/today/tiny.md")
    assert Path("reports/today/tiny.md").is_file()


def test_a_constraint_that_only_the_script_has_does_not_keep_a_report_from_being_made(store: str) -> None:
    space = ms.Space({"x": ms.Float(0, 1)}, [lambda p: p["x"] < 0.9])
    study = ms.Study("bound", space=space, objective="-loss", seed=1, store="sqlite:///m.db", controller="random")
    study.tell(study.ask(), loss=1.0)
    study.store.close()
    assert call("bound", "--store", store, "--format", "md").startswith("# Study bound")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "m.db/r.html"], "m.db cannot be made"),
        (["--out", "tiny.pdf"], "not written as one .pdf file"),
        (["--out", "tiny.png", "--format", "html"], "contradicts --format html"),
        (["--format", "pdf"], "Invalid value for '--format': 'pdf' is not one of"),
    ],
)
def test_what_cannot_be_written_is_bad_input_before_any_work(store: str, words: list[str], said: str) -> None:
    command = [sys.executable, "-m", "meristem.cli.main", "study", "report", "tiny", "--store", store, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert {path.name for path in Path().iterdir()} <= {"m.db", "m.db-wal", "m.db-shm"}


def test_plotly_is_imported_only_for_pages_and_pictures() -> None:
    code = (
        "import sys, meristem as ms; study = ms.Study('s', space={'x': ms.Float(0, 1)}, objective='v')\n"
        "study.attach({'x': 0.5}, 1.0)\n"
        "assert 'meristem.reports' not in sys.modules\n"
        "made = study.report(); made.markdown(), made.json()\n"
        "sys.exit(', '.join({'plotly', 'kaleido', 'choreographer', 'pandas'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
