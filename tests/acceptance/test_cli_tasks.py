"""The command line of tasks and queues, as a person or a script uses it."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fake_worker import FakeWorker, Running
from meristem.cli.main import main
from meristem.needs import Needs, Offer
from meristem.statuses import Cause, TaskStatus
from meristem.store.output_rows import Artifact, Report
from meristem.store.store import Store
from meristem.store.task_rows import Ending, Held, NewTask, NewWorker

Call = Callable[..., str]

SOURCE = {
    "repository": "https://example.org/digits.git", "branch": "main", "commit": "4f2c1d9a" * 5, "entry": "script",
    "entry_point": "train.py", "arguments": ["--epochs", "3"], "working_dir": ".",
}  # fmt: skip
DIFF = b"diff --git a/train.py b/train.py\n-lr = 1\n+lr = 2\n"
FIRST, FASTER, BROKEN, UNLUCKY, BIG, LATER, DRAFT = range(1, 8)


def train(task: Running) -> Any:
    if task.claim.name == "broken":
        raise ValueError("no such column: label")
    task.print("epoch 0%\repoch 50%\repoch 100%\nvalidating\n\x1b[32mdone\x1b[0m\n")
    for step in range(30):
        task.report_all(step, {"loss/train": math.exp(-step * task["lr"]), "loss/val": 1 / (step + task["lr"])})
    task.report_all(None, {"accuracy": 0.9 + task["lr"] / 10})
    blob = task._store.blobs.put(b"weights" * 100)
    picture = Report(
        kind="plot", title="roc", series="val", step=3, format="png", blob=blob, vector=blob, size_bytes=700
    )
    task._ship(reports=[picture, Report(kind="text", title="note", series="note", format="text", text="well")])
    weights = Artifact(role="output_model", name="weights", format="npy", blob=blob, size_bytes=700, at=1.0)
    task._ship(artifacts=[weights])
    return {"accuracy": 0.9 + task["lr"] / 10}


def fill(store: Store) -> None:
    """Two that are done, one that failed, one that lost two machines, two that wait, a draft."""
    store.queues.create("gpu", "one GPU and more")
    store.queues.create("default")
    diff = {"blob": store.blobs.put(DIFF), "bytes": len(DIFF)}

    def made(number: int, name: str, **more: Any) -> int:
        fields = {
            "source": SOURCE,
            "environment": {"python": "3.11.7", "packages": ["numpy==2.2.0"]},
            "tags": ["base"],
            **more,
        }
        return store.tasks.create(NewTask(id=f"c{number:015x}", project="digits", name=name, **fields)).number

    parameters = {"General/lr": 0.1, "General/epochs": 3, "General/model": "7", "Args/verbose": True}
    made(FIRST, "first", parameters=parameters, source={**SOURCE, "diff": diff})
    store.tasks.clone(FIRST, id="d" * 16, name="faster", parameters={"General/lr": 0.2})
    made(BROKEN, "broken")
    store.queues.enqueue([FIRST, FASTER, BROKEN], "default")
    worker = FakeWorker(store, train, queues=("default",), name="rack3")
    while any(row.status in (TaskStatus.QUEUED, TaskStatus.RUNNING) for row in store.tasks.list()):
        time.sleep(0.02)
    worker.stop()
    store.workers.end(worker.id)
    store.queues.enqueue([made(UNLUCKY, "unlucky")], "default")
    for name, cause in (("spot1", Cause.MACHINE_LOST), ("spot2", Cause.PREEMPTED)):
        store.workers.register(NewWorker(id=name, name=name, queues=["default"], offer=Offer()))
        (claim,) = store.claims.claim(name, ["default"], [Needs()], 1)
        held = [Held(number=claim.number, fence=claim.fence)]
        store.claims.hand_back(name, held, cause=cause)
        store.workers.end(name)
    store.queues.enqueue([made(BIG, "big", needs=Needs(gpus=2))], "gpu")
    store.queues.enqueue([made(LATER, "later")], "gpu", delay=timedelta(minutes=10))
    made(DRAFT, "draft", parameters={"General/lr": 0.1})
    dgx = NewWorker(id="dgx", name="dgx", queues=["gpu"], offer=Offer(gpus=1))
    store.workers.register(dgx, lease=timedelta(hours=1))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    store = Store(f"sqlite:///{folder}/meristem.db")
    fill(store)
    store.close()
    return folder


@pytest.fixture
def here(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MERISTEM_STORE", raising=False)
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def call(here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Runs `main` in this process; gives standard output (or errors) and expects this exit code."""

    def call(words: str, *more: str, code: int = 0, errors: bool = False) -> str:
        monkeypatch.setattr(sys, "argv", ["meristem", *words.split(), *more])
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capfd.readouterr()
        assert caught.value.code == code, out + err
        assert "Traceback" not in err
        return err if errors else out

    return call


def rows(text: str) -> dict[str, str]:
    """Lines of a table by their first cell."""
    return {line.split()[0]: line for line in text.splitlines() if line.strip()}


# Lists and single tasks


def test_the_list_tells_how_each_task_stands_and_its_story(call: Call) -> None:
    found = rows(call("task list"))
    assert "completed" in found["1"]
    assert "rack3" in found["1"]
    assert "failed: code failed" in found["3"]
    assert "queued (3rd attempt: machine lost, preempted)" in found["4"]
    assert "waits" in found["5"]
    assert "created" in found["7"]
    assert list(found)[1:] == ["7", "6", "5", "4", "3", "2", "1"]
    assert call("task list", errors=True).strip() == "2 completed, 1 created, 1 failed, 3 queued".strip()


def test_the_list_is_narrowed_sorted_and_gets_columns_of_metrics(call: Call) -> None:
    words = "task list --metric accuracy --metric loss/val:max --sort accuracy --reverse --limit 2 --json"
    found = json.loads(call(words))["tasks"]
    assert [(task["number"], round(task["metrics"]["accuracy"], 3)) for task in found] == [(2, 0.92), (1, 0.91)]
    assert found[1]["metrics"]["loss/val:max"] == 10.0
    for words, numbers in {
        "--status failed --status queued": [6, 5, 4, 3], "--name FAST": [2], "--queue gpu": [6, 5], "--parent 1": [2],
        "--worker rack3": [3, 2, 1], "--tag base --status created": [7], "--project other": [],
        "--sort name --limit 3": [5, 3, 7],
    }.items():  # fmt: skip
        assert [task["number"] for task in json.loads(call(f"task list {words} --json"))["tasks"]] == numbers, words


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("task list --status runing", 2, "Did you mean 'running'?"),
        ("task list --queue gpuu", 2, "Did you mean 'gpu'?"),
        ("task list --worker rack4", 2, "Did you mean 'rack3'?"),
        ("task show 99", 2, "There is no task '99'"),
        ("task log 99", 2, "There is no task '99'"),
        ("task clone 1 --set lrr=1", 2, "has no parameter 'lrr'. Did you mean 'lr'?"),
        ("task clone 1 --set lr=fast", 2, "General/lr is now 0.1"),
        ("task clone 1 --enqueue gpuu", 2, "Did you mean 'gpu'?"),
        ("task edit 7", 2, "There is nothing to change"),
        ("task edit 1 --set lr=1", 1, "meristem task clone 1"),
        ("task edit 7 --memory much", 2, "no amount of memory"),
        ("task enqueue 1 --queue gpu", 1, "is completed and cannot be enqueued"),
        ("task enqueue 7 --queue gpu --delay soon", 2, "no span of time"),
        ("task abort 7", 1, "is created and cannot be aborted"),
        ("task wait 7", 1, "Enqueue it first"),
        ("task delete 7", 2, "Add --yes"),
        ("task compare 1", 2, "at least two tasks"),
        ("task scalars 1 loss/valid", 2, "Did you mean 'loss/val'?"),
        ("task artifacts 1 weight", 2, "Did you mean 'weights'?"),
        ("task create --project p --name n", 2, "--function package.module:function"),
        ("task import nowhere", 2, "is no folder of a task"),
        ("queue create gpu", 2, "exists already"),
        ("queue delete gpu", 2, "meristem queue drain gpu"),
        ("queue move 5", 2, "--to front"),
        ("queue move 1 --to front", 1, "Only tasks that wait"),
        ("task list --store none.db", 2, "There is no store"),
    ],
)
def test_mistakes_are_told_with_a_way_out(call: Call, words: str, code: int, told: str) -> None:
    assert told in call(words, code=code, errors=True)


def test_show_has_all_of_a_task(call: Call) -> None:
    text = call("task show 1")
    for part in (
        "https://example.org/digits.git", "(main)", "--epochs 3 (parameters win)", "uncommitted changes",
        "numpy==2.2.0", "General/lr      0.1", "loss/train", "weights", "700 bytes", "rack3",
    ):  # fmt: skip
        assert part in text
    assert "train.py --epochs 3" in call("task show 3")  # nothing but its arguments says how it was called
    view = json.loads(call("task show 1 --json"))
    assert view["parameters"]["General/lr"] == 0.1
    assert [metric["name"] for metric in view["metrics"]] == ["accuracy", "loss/train", "loss/val"]
    assert (view["metrics"][0]["last"], view["metrics"][1]["count"]) == (0.91, 30)
    assert view["attempts"][0]["worker"] == "rack3"
    assert call("task show 1 --diff") == DIFF.decode()


def test_show_has_parameters_without_a_value_too(call: Call) -> None:
    call("task edit 7 --add seed=null --add name=x")
    assert rows(call("task show 7"))["General/seed"].split() == ["General/seed", "null"]


def test_show_tells_why_a_task_waits_and_what_became_of_its_attempts(call: Call) -> None:
    text = call("task show 4")
    assert "3rd attempt: machine lost, preempted" in text
    assert "no worker serves the queue" in text
    assert [line.split()[:2] for line in text.splitlines() if "enqueued again" in line] == [
        ["1", "spot1"], ["2", "spot2"]
    ]  # fmt: skip
    assert "dgx, the only worker that serves the queue, lacks 2 GPUs (has 1)" in call("task show 5")
    assert "it may start in 10 min" in call("task show 6")
    assert "meristem task enqueue 7" in call("task show 7")


def test_tasks_are_called_by_number_or_by_the_beginning_of_their_id(call: Call) -> None:
    assert json.loads(call("task show dddd --json"))["number"] == FASTER
    assert json.loads(call("task show #2 --json"))["number"] == FASTER
    assert "several ids begin so" in call("task show c000", code=2, errors=True)


# What they printed and measured


def test_the_log_shows_progress_bars_as_they_stood_last(call: Call) -> None:
    assert call("task log 1") == "epoch 100%\nvalidating\ndone\n"
    assert call("task log 1 --lines 2") == "validating\ndone\n"
    assert "epoch 0%\repoch 50%" in call("task log 1 --raw")
    assert json.loads(call("task log 1 --json"))["text"] == "epoch 100%\nvalidating\ndone"
    assert call("task log 1 --follow") == "epoch 100%\nvalidating\ndone\n"


def test_scalars_are_shown_in_short_in_full_and_as_a_curve(call: Call) -> None:
    assert "loss/train" in rows(call("task scalars 1"))
    lines = call("task scalars 1 loss/train accuracy --csv").splitlines()
    assert lines[0] == "name,step,value,at"
    assert len(lines) == 32
    assert lines[1].startswith("loss/train,0,1.0,")
    assert lines[-1].startswith("accuracy,,0.91,")
    curve = call("task scalars 1 loss/train --plot")
    assert "┤" in curve
    assert curve.splitlines()[0] == "loss/train"
    points = json.loads(call("task scalars 1 loss/train --json"))["scalars"]["loss/train"]
    assert (points[0]["step"], points[0]["value"]) == (0, 1.0)


def test_artifacts_are_listed_and_fetched(call: Call, here: Path) -> None:
    assert "700 bytes" in call("task artifacts 1")
    call("task artifacts 1 weights --out w.bin")
    assert (here / "w.bin").read_bytes() == b"weights" * 100
    call("task artifacts 1 weights")
    assert (here / "weights.npy").exists()
    assert call("task artifacts 1 weights --out -") == "weights" * 100


def test_reports_are_listed_and_written_to_files(call: Call, here: Path) -> None:
    assert "roc/val" in call("task show 1")
    summaries = json.loads(call("task show 1 --json"))["reports"]
    assert [(s["name"], s["kind"], s["last_step"], s["count"]) for s in summaries] == [
        ("roc/val", "plot", 3, 1), ("note", "text", None, 1)
    ]  # fmt: skip
    assert json.loads(call("task reports 1 --kind text --json"))["reports"] == summaries[1:]
    assert "Wrote" in call("task reports 1 --out all")
    assert sorted(path.name for path in (here / "all").iterdir()) == ["note.txt", "roc-val-3.png", "roc-val-3.svg"]
    assert (here / "all" / "note.txt").read_text() == "well"
    assert json.loads(call("task reports 1 roc --step 3 --json"))["reports"][0]["has_vector"] is True
    assert "It has: roc/val, note" in call("task reports 1 rock", code=2, errors=True)
    assert "plot, table, image, text" in call("task reports 1 --kind graph", code=2, errors=True)
    assert "no plots" in call("task reports 3", errors=True)


def test_compare_shows_what_differs_and_only_with_all_what_is_the_same(call: Call) -> None:
    text = call("task compare 1 2")
    assert rows(text)["General/lr"].split() == ["General/lr", "0.1", "0.2"]
    assert "General/epochs" not in text
    assert "General/epochs" in call("task compare 1 2 --all")
    found = json.loads(call("task compare 1 2 --json"))
    assert found["differences"]["parameters"] == {"General/lr": [0.1, 0.2]}
    assert "uncommitted changes of 1 first" in call("task compare 1 3")


# Drafts, queues, ends


def test_clone_edit_enqueue(call: Call) -> None:
    assert "Task 8 (warmer), a copy of 1" in call("task clone 1 --set lr=0.4 --set model=8 --name warmer --tag hot")
    call("task edit 8 --set epochs=9 --add Model/depth=3 --unset verbose --gpus 1 --memory 1GB --label a100")
    call("task edit 8 --commit abc1234 --untag base --comment", "the one of the paper")
    view = json.loads(call("task show 8 --json"))
    assert view["parameters"] == {
        "General/lr": 0.4, "General/epochs": 9, "General/model": "8", "Model/depth": 3
    }  # fmt: skip
    assert view["needs"] == {"gpus": 1, "memory": 1 << 30, "labels": ["a100"]}
    assert (view["tags"], view["comment"], view["parent"]) == (["hot"], "the one of the paper", 1)
    assert (view["source"]["commit"], "diff" in view["source"]) == ("abc1234", False)
    call("task enqueue 8 --queue gpu --priority 5")
    assert [t["number"] for t in json.loads(call("queue show gpu --json"))["tasks"]] == [8, 5, 6]
    assert "is queued and cannot be edited" in call("task edit 8 --set lr=1", code=1, errors=True)
    call("task dequeue 8")
    call("task delete 8 --yes")
    assert "There is no task" in call("task show 8", code=2, errors=True)


def test_a_draft_is_made_of_a_function_or_a_script_of_a_repository(call: Call) -> None:
    call("task create --project p --name sum --function operator:add --set a=1 --set b=x --enqueue default")
    view = json.loads(call("task show 8 --json"))
    assert (view["status"], view["parameters"]) == ("queued", {"General/a": 1, "General/b": "x"})
    made = call(
        "task create --project p --name n --script train.py --repository https://h/r.git --commit abc1234 "
        "--argument=--epochs --argument 3 --package numpy==2.2.0 --python 3.11 --gpus 1 --tag t --json"
    )
    assert json.loads(made)["tasks"][0]["number"] == 9
    view = json.loads(call("task show 9 --json"))
    assert view["source"]["arguments"] == ["--epochs", "3"]
    assert view["environment"] == {"python": "3.11", "packages": ["numpy==2.2.0"]}


def test_of_several_tasks_all_that_can_be_done_is_and_every_error_is_told(call: Call) -> None:
    errors = call("task enqueue 7 1 99 --queue default", code=2, errors=True)
    assert errors.count("Error: ") == 2
    assert json.loads(call("task show 7 --json"))["status"] == "queued"
    found = json.loads(call("task abort 5 6 1 --message", "no more money", "--json", code=1))
    assert [(task["number"], task["status"]) for task in found["tasks"]] == [(5, "aborted"), (6, "aborted")]
    assert list(found["errors"]) == ["1"]
    assert "no more money" in call("task show 5")


def test_reset_and_publish(call: Call) -> None:
    call("task publish 1")
    assert "meristem task clone 1" in call("task edit 1 --name x", code=1, errors=True)
    call("task reset 2")
    assert json.loads(call("task show 2 --json"))["metrics"] == []


def test_waiting_ends_with_the_tasks_and_tells_by_its_exit_code(call: Call) -> None:
    assert "Task 1 (first): completed" in call("task wait 1 2")
    assert "no such column: label" in call("task wait 1 3", code=1)
    begun = time.monotonic()
    assert "Task 5 (big): queued" in call("task wait 5 --timeout 0.3s", code=1)
    assert time.monotonic() - begun < 5


def test_queues_are_made_shown_turned_and_deleted(call: Call) -> None:
    call("queue create cpu --description", "no GPU")
    found = {queue["name"]: queue for queue in json.loads(call("queue list --json"))["queues"]}
    assert (found["gpu"]["waiting"], found["gpu"]["delayed"], found["gpu"]["workers"]) == (1, 1, ["dgx"])
    assert "no GPU" in rows(call("queue list"))["cpu"]
    assert json.loads(call("queue pause cpu --json"))["status"] == "paused"
    assert "meristem queue resume cpu" in call("queue show cpu")
    assert json.loads(call("queue drain cpu --json"))["status"] == "draining"
    assert "draining" in call("task enqueue 7 --queue cpu", code=2, errors=True)
    call("queue resume cpu")
    call("queue delete cpu")
    assert "cpu" not in rows(call("queue list"))


def test_a_queue_shows_what_waits_and_who_could_run_it(call: Call) -> None:
    found = rows(call("queue show gpu"))
    assert "2 GPUs" in found["5"]
    assert "none fits" in found["5"]
    assert "starts in 9 min" in found["6"]
    assert "dgx" in found["6"]


def test_waiting_tasks_are_moved(call: Call) -> None:
    call("task clone 1 --enqueue gpu")
    assert "at place 1 of 3" in call("queue move 8 --before 5")
    assert "at place 2 of 3" in call("queue move 8 --to back")
    assert "priority 4, at place 1" in call("queue move 8 --priority 4")
    assert "in queue default" in call("queue move 8 --queue default")


def test_big_bytes_lie_where_the_store_is_told(call: Call, here: Path) -> None:
    assert call("store blobs").strip() == str(here / "meristem-blobs")
    assert call("store blobs database:").strip() == "in the database itself"
    assert json.loads(call("store blobs --default --json"))["blobs"] == str(here / "meristem-blobs")
    assert call("store blobs elsewhere").strip() == str(here / "elsewhere")
    call("store blobs --copy", code=2)


def test_commands_that_make_something_make_the_store_too(call: Call, here: Path) -> None:
    call("queue create q --store new.db")
    call("task create --project p --name n --function operator:add --enqueue q --store new.db")
    assert json.loads(call("task list --store new.db --json"))["counts"] == {"queued": 1}


def test_following_goes_on_through_attempts_and_ctrl_c_ends_only_the_following(here: Path) -> None:
    store = Store(f"sqlite:///{here}/meristem.db")
    command = [sys.executable, "-m", "meristem.cli.main", "task", "log", "-f"]
    unlucky = subprocess.Popen([*command, str(UNLUCKY)], stdout=-1, stderr=-1, text=True)
    store.workers.register(NewWorker(id="w", name="w", queues=["default"], offer=Offer()))
    (claim,) = store.claims.claim("w", ["default"], [Needs()], 1)
    task = Running(store, "w", claim, threading.Event())
    task.print("one\ntwo\n")
    assert unlucky.stdout is not None
    assert unlucky.stdout.readline() == "one\n"
    patient = subprocess.Popen([*command, str(UNLUCKY), "--lines", "1"], stdout=-1, stderr=-1, text=True)
    assert patient.stdout is not None
    assert patient.stdout.readline() == "two\n"
    os.kill(patient.pid, signal.SIGINT)
    assert "goes on" in patient.communicate(timeout=20)[1]
    assert patient.returncode == 130
    task.print("three")
    store.claims.finish("w", [Ending(number=claim.number, fence=claim.fence, status=TaskStatus.COMPLETED)])
    assert unlucky.stderr is not None
    assert unlucky.stdout.read() == "two\nthree\n"
    assert "completed" in unlucky.stderr.read()
    assert unlucky.wait(20) == 0
    unlucky.communicate()  # closes its pipes
    store.close()


def test_a_task_whose_workers_are_all_dead_is_told_as_lost(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/m.db"
    store = Store(url)
    store.queues.create("q")
    number = store.tasks.create(NewTask(id="a" * 16, project="p", name="n", max_attempts=1)).number
    store.queues.enqueue([number], "q")
    store.workers.register(NewWorker(id="w", name="w", queues=["q"], offer=Offer()), lease=timedelta(milliseconds=1))
    store.claims.claim("w", ["q"], [Needs()], 1)
    time.sleep(0.05)
    command = [sys.executable, "-m", "meristem.cli.main", "task", "wait", str(number), "--store", url, "--timeout", "9"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.split()[3]) == (1, "failed:"), done.stderr
    assert "not heard of in time" in done.stdout


def test_what_cannot_be_enqueued_is_not_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/m.db"
    Store(url).queues.create("q")
    huge = "99999999999999999999"
    for options, said in (
        (["--enqueue", "q", "--priority", huge], "priority"),
        (["--max-attempts", huge], "max_attempts"),
        (["--name", "two\nlines"], "no name"),
    ):
        line = ["create", "--project", "p", "--name", "n", "--function", "operator:add", *options, "--store", url]
        command = [sys.executable, "-m", "meristem.cli.main", "task", *line]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr
    assert Store(url).tasks.list() == []
