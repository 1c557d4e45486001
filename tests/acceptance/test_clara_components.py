"""Components written for Clara AutoML's own interface run unchanged, by path, in study files and in Python."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import meristem as ms
from meristem.errors import InputError
from meristem.study.clara_parts import clara_parts

BYOC = Path(__file__).parent / "clara"
FILE = """\
name: toy
controller: {path: byoc.RandomController, args: {max_rounds: 6, at_once: 3}}
executor: {path: byoc.ToyExecutor, args: {fail_at: 2, log: log.jsonl}}
handlers:
  - {path: byoc.LogHandler, args: {log: log.jsonl, name: first}}
  - {path: byoc.LogHandler, args: {log: log.jsonl, name: second}}
parallel: 2
gpus: "0:1"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the components in it; what tests load is forgotten afterwards."""
    (tmp_path / "byoc.py").write_text((BYOC / "byoc.py").read_text())
    (tmp_path / "automl").mkdir()  # as in an MMAR, where runs are kept in a folder of that name
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MERISTEM_STORE", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in [n for n in sys.modules if n == "byoc" or n.partition(".")[0] == "automl"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def meristem(*args: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "meristem.cli.main", *args], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def log(who: str | None = None) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    return [line for line in lines if who is None or line.get("who") == who]


def events(who: str) -> list[str]:
    return [line["what"] for line in log(who)]


def byoc(name: str, **args: Any) -> dict[str, Any]:
    return {"path": f"byoc.{name}", "args": args}


def run(controller: Any, executor: Any, handlers: list[Any], **options: Any) -> ms.Study:
    """In Python, in two slots unless said otherwise."""
    parts = clara_parts(controller, executor, handlers)
    study = ms.Study("toy", space=parts.space, objective=parts.objective, controller=parts.controller, seed=1)
    return study.run(executor=parts.executor, handlers=parts.handlers, **{"parallel": 2, **options})


def ending_of(study: ms.Study) -> tuple[str, str]:
    """How the study's last run ended, and why."""
    row = study.store.studies.get(study.name)
    return str(row.status), row.message or ""


# A study file


def test_a_study_file_of_such_components_needs_no_space_objective_or_budget(here: Path) -> None:
    (here / "study.yaml").write_text(FILE)
    printed = meristem("run", "study.yaml")
    assert "the controller asked to stop: RandomController: reached max rounds: 6" in printed
    shown = json.loads(meristem("study", "show", "toy", "--json"))
    assert shown["counts"]["failed"] == 1
    assert shown["status"] == "completed"
    names = list(shown["best"]["parameters"])
    assert names == ["lr.float", "net.enum.model$0:size,act"]


def test_handlers_are_told_in_order_and_shut_down_in_reverse(here: Path) -> None:
    (here / "study.yaml").write_text(FILE)
    meristem("run", "study.yaml")
    told = events("first")
    assert told[:4] == ["startup", "start_automl", "search_space_available", "recommendations_available"]
    assert told[-2:] == ["end_automl", "shutdown"]
    assert told.count("start_job") == told.count("end_job") >= 6
    assert "round_ended" not in told
    assert events("second") == told
    ends = [(line.get("who"), line["what"]) for line in log()][-5:]
    assert ends == [
        ("first", "end_automl"), ("second", "end_automl"),
        ("second", "shutdown"), ("first", "shutdown"), (None, "shutdown executor"),
    ]  # fmt: skip


def test_contexts_hold_what_is_documented_at_each_event(here: Path) -> None:
    (here / "study.yaml").write_text(FILE)
    meristem("run", "study.yaml")
    [available] = [line for line in log("first") if line["what"] == "search_space_available"]
    assert (available["_searchSpace"], available["_numWorkers"]) == ("SearchSpace", 2)
    recommended = [line for line in log("first") if line["what"] == "recommendations_available"]
    assert all("lr.float => 0." in dump for line in recommended for dump in line["_recommendations"])
    starts = [line for line in log("first") if line["what"] == "start_job"]
    assert {line["_jobName"].split("_")[0] for line in starts} == {"W1", "W2"}
    assert sorted(int(line["_jobName"].partition("J")[2]) for line in starts) == list(range(1, len(starts) + 1))
    assert {tuple(line["_gpus"]) for line in starts} == {(0,), (1,)}
    assert {line["_recommendation"] for line in starts} == {"Recommendation"}
    ends = {line["_jobName"]: line for line in log("first") if line["what"] == "end_job"}
    [failed] = [line for line in ends.values() if line["_jobStatus"] == "failed"]
    assert failed["_score"] == "missing"
    for name, line in ends.items():
        if line is not failed:
            [lr] = line["_concreteSearchValue"]["lr.float"]
            assert line["_jobStatus"] == "completed"
            size, act = line["_concreteSearchValue"]["net.enum.model$0:size,act"]
            assert (size, act) in [("small", 1), ("large", 2)]
            assert line["_score"] == pytest.approx(1.0 - abs(lr - 0.3) + act - 1)
            assert line["executed_by"] == name


def test_a_study_file_with_wrong_arguments_is_refused_with_its_line(here: Path) -> None:
    (here / "study.yaml").write_text(FILE.replace("fail_at: 2", "fail_on: 2"))
    printed = meristem("run", "study.yaml", code=2)
    assert "study.yaml:3: executor 'byoc.ToyExecutor' has no argument 'fail_on'" in printed
    assert "gpus" not in printed


def test_a_space_beside_such_an_executor_must_be_its_own(here: Path) -> None:
    (here / "study.yaml").write_text(FILE + "space: {x: {float: [0, 1]}}\n")
    printed = meristem("run", "study.yaml", code=2)
    assert "ToyExecutor determines the search space itself (lr.float, net.enum.model$0:size,act)" in printed


def test_ctrl_c_aborts_the_jobs_and_a_resume_goes_on(here: Path) -> None:
    slow = FILE.replace("fail_at: 2", "seconds: 30").replace("max_rounds: 6", "max_rounds: 4")
    (here / "study.yaml").write_text(slow)
    engine = subprocess.Popen([sys.executable, "-m", "meristem.cli.main", "run", "study.yaml"], stderr=-3, stdout=-3)
    deadline = time.monotonic() + 30
    while not Path("log.jsonl").exists() or events("second").count("start_job") < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(engine.pid, signal.SIGINT)
    assert engine.wait(20) == 130
    assert sum(line["what"].startswith("abort W") for line in log()) == 2
    assert [line["_jobStatus"] for line in log("first") if line["what"] == "end_job"] == ["stopped"] * 2
    assert events("first")[-2:] == ["end_automl", "shutdown"]
    quick = (here / "byoc.py").read_text().replace("self.seconds = seconds", "self.seconds = 0")
    (here / "byoc.py").write_text(quick)
    meristem("study", "resume", "toy")
    shown = json.loads(meristem("study", "show", "toy", "--json"))
    assert (shown["status"], list(shown["counts"])) == ("completed", ["completed"])
    assert shown["counts"]["completed"] >= 4


# Python


def test_the_same_components_in_python(here: Path) -> None:
    from meristem.clara import make_automl_importable

    make_automl_importable()
    from byoc import LogHandler, RandomController, ToyExecutor

    controller = RandomController(max_rounds=5)
    study = run(controller, ToyExecutor(), [LogHandler("log.jsonl", "only")])
    assert study.counts()["completed"] >= 5
    assert controller.best_score in {trial.value for trial in study.trials}
    assert {thread.name for thread in threading.enumerate() if thread.name.startswith("W")} == set()


def test_an_executor_s_wish_to_stop_ends_the_study(here: Path) -> None:
    study = run(
        byoc("RandomController", max_rounds=50), byoc("ToyExecutor", stop_at=3), [byoc("LogHandler", log="log.jsonl")]
    )
    assert ending_of(study)[0] == "stopped"
    assert ending_of(study)[1] == "ToyExecutor: the disk is full"
    assert log()[-1]["stop"] == "ToyExecutor: the disk is full"


def test_a_handler_s_wish_to_stop_ends_the_study(here: Path) -> None:
    handler = byoc("LogHandler", log="log.jsonl", stop_threshold=0.0)
    study = run(
        byoc("RandomController", max_rounds=50), byoc("ToyExecutor"), [handler, byoc("Dispatcher", log="log.jsonl")]
    )
    assert ending_of(study)[0] == "stopped"
    assert ending_of(study)[1].startswith("LogHandler: good enough: ")
    dispatched = events("dispatcher")
    assert dispatched[:2] == ["start_automl", "search_space_available"]
    assert dispatched[-1] == "end_automl"
    assert dispatched.count("end_job") == dispatched.count("in end_job") > 0


def test_a_controller_s_wish_to_stop_lets_running_jobs_end(here: Path) -> None:
    study = run(
        byoc("RandomController", max_rounds=3), byoc("ToyExecutor", seconds=0.05), [byoc("LogHandler", log="log.jsonl")]
    )
    assert ending_of(study)[0] == "completed"
    assert ending_of(study)[1] == "the controller asked to stop: RandomController: reached max rounds: 3"
    assert set(study.counts()) == {"completed"}
    assert log()[-1]["stop"] == "RandomController: reached max rounds: 3"


def test_they_mix_with_meristems_own(here: Path) -> None:
    def train(trial: ms.Trial) -> dict[str, float]:
        return {"loss": trial["lr"] * trial["width"]}

    space = {
        "lr": ms.Float(1e-3, 1.0, log=True),
        "width": ms.Int(1, 8),
        "net": ms.Choice(["a", "b"]),
        "kept": ms.Fixed(3),
    }
    study = ms.Study("mixed", space=space, objective="-loss", controller=byoc("RandomController", max_rounds=4))
    study.run(train, isolate=False, handlers=[byoc("LogHandler", log="log.jsonl")])
    assert study.counts() == {"completed": 4}
    [*scores] = [(line["_score"], line["_concreteSearchValue"]) for line in log() if line["what"] == "end_job"]
    for (score, concrete), trial in zip(scores, study.trials, strict=True):
        assert score == pytest.approx(-trial.value)  # Clara has no losses: higher is better
        assert list(concrete) == ["space.float.$0:lr", "space.float.$1:width", "space.enum.$2:net"]
        assert concrete["space.float.$1:width"] == [trial["width"]]
    clara = run("random", byoc("ToyExecutor"), [], trials=4)
    assert clara.counts() == {"completed": 4}


def test_an_executor_that_ignores_abort_does_not_keep_the_study(here: Path) -> None:
    stuck = threading.Event()

    class Stubborn:
        def determine_search_space(self, ctx: Any) -> None:
            return None

        def execute(self, recommendation: Any, ctx: Any) -> float:
            stuck.wait(60)
            return 1.0

    study = ms.Study("stuck", space={"x": ms.Float(0, 1)}, objective="score", controller="random")
    begun = time.monotonic()
    study.run(executor=Stubborn(), trials=2, parallel=2, timeout=0.1, grace=0.1, max_failure_rate=1, handlers=[])
    assert time.monotonic() - begun < 5
    assert {trial.error for trial in study.trials} == {"timed out after 0.1 s"}
    stuck.set()


def test_what_is_no_executor_at_all_is_told_so(here: Path) -> None:
    study = ms.Study("none", space={"x": ms.Float(0, 1)}, objective="score", controller="random")
    with pytest.raises(InputError, match="cannot run trials"):
        study.run(executor=object(), trials=1)
