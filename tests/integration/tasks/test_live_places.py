"""A script that is a task runs by hand, on a worker, within a trial; on a full disk, asked to stop, without a store."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest
from tests.integration.tasks.live_script import SOURCES, Running, eventually, run

from meristem.spool import SpoolReader
from meristem.tasks.spool_folder import SpoolFolder, TaskFile

PLAIN = 'import meristem\ntask = meristem.Task.init("demo", "live")\n'


def prepared(place: Path, **more) -> SpoolFolder:
    """A folder as a worker prepares it."""
    folder = SpoolFolder(place / "spool")
    folder.write_task(TaskFile(id="b" * 16, project="store's", name="store's", remote=True, number=12, **more))
    return folder


def as_worker(folder: SpoolFolder) -> dict[str, str]:
    return {"MERISTEM_TASK": str(folder.task_file), "MERISTEM_REPORT": str(folder.report)}


def test_by_hand_the_code_says_the_parameters_and_plain_report_belongs_to_the_task(tmp_path):
    code = """
    settings = task.connect({"lr": 0.1, "layers": [1, 2]})
    meristem.report(step=1, loss=settings["lr"])
    print("lr", settings["lr"])
    """
    ran = run(tmp_path, code)
    assert ran.of("parameters")[0]["values"] == {"General/lr": 0.1, "General/layers": [1, 2]}
    assert ran.scalars("loss") == [0.1]
    assert (ran.task.project, ran.task.name, ran.task.remote) == ("demo", "live", False)
    assert ran.task.source["entry_point"] == "train.py"
    assert f"meristem task import meristem-tasks/{ran.task.id}" in ran.err


def test_on_a_worker_the_store_says_the_parameters_and_the_worker_says_the_end(tmp_path):
    folder = prepared(tmp_path, parameters={"General/lr": 0.7})
    code = """
    settings = task.connect({"lr": 0.1, "new": 1})
    assert (task.project, task.number, task.remote) == ("store's", 12, True)
    assert meristem.Task.init("other", "name") is task
    task.report(step=1, lr=settings["lr"])
    meristem.report(step=2, lr=settings["lr"])
    """
    ran = Running(tmp_path, code, init=PLAIN, **as_worker(folder)).ended(folder)
    assert ran.status == 0, ran.err
    assert ran.scalars("lr") == [0.7, 0.7]
    assert ran.of("parameters")[0]["values"] == {"General/new": 1}
    assert ran.of("ended") == []
    assert not folder.console.exists()
    assert not (tmp_path / "meristem-tasks").exists()


def test_on_a_worker_parameters_that_nothing_has_read_are_told_of_at_the_end(tmp_path):
    folder = prepared(tmp_path, parameters={"General/lr": 0.7, "General/learning_rate": 1, "Args/lr": 2})
    code = "from dataclasses import dataclass\n@dataclass\nclass S:\n    lr: float = 1.0\ntask.connect(S())"
    ran = Running(tmp_path, code, init=PLAIN, **as_worker(folder)).ended(folder)
    told = "meristem: nothing in the code has read these parameters of the task: Args/lr, General/learning_rate\n"
    assert ran.err.endswith(told)
    read = prepared(tmp_path, parameters={"General/lr": 0.7})
    assert "nothing" not in Running(tmp_path, code, init=PLAIN, **as_worker(read)).ended(read).err


def test_on_a_worker_a_failure_of_the_code_is_told_with_its_reason(tmp_path):
    folder = prepared(tmp_path)
    ran = Running(tmp_path, "raise ValueError('bad data')", init=PLAIN, **as_worker(folder)).ended(folder)
    (record,) = ran.of("ended")
    assert (record["status"], record["message"]) == ("failed", "ValueError: bad data")


def test_within_a_trial_scalars_are_the_trials_and_no_task_is_made(tmp_path):
    report = tmp_path / "trial" / "report.jsonl"
    code = """
    settings = task.connect({"lr": 0.1})
    task.report(step=1, accuracy=settings["lr"])
    task.report_scalar("loss", "train", 0.5, 1)
    meristem.report(step=2, accuracy=0.2)
    import os; os._exit(0)
    """
    running = Running(tmp_path, code, init=PLAIN, MERISTEM_REPORT=str(report))
    assert running.process.wait(60) == 0
    running.process.communicate()
    reader = SpoolReader(report)
    assert [(m.metric, m.value) for m in reader.read()] == [("accuracy", 0.1), ("loss/train", 0.5), ("accuracy", 0.2)]
    assert reader.faults == []
    assert not (tmp_path / "meristem-tasks").exists()


def test_within_a_trial_a_report_says_that_it_is_to_stop(tmp_path):
    report = tmp_path / "trial" / "report.jsonl"
    report.parent.mkdir()
    (report.parent / "stop").touch()
    running = Running(tmp_path, "task.report(step=1, a=1)", init=PLAIN, MERISTEM_REPORT=str(report))
    assert "StopTrial" in running.process.communicate(timeout=60)[1]


def test_other_processes_of_a_distributed_training_make_no_tasks(tmp_path):
    code = "task.report(step=1, a=1)\ntask.upload_artifact('x', {})\nassert task.connect({'a': 1}) == {'a': 1}"
    running = Running(tmp_path, code, init=PLAIN, RANK="1")
    _, err = running.process.communicate(timeout=60)
    assert (running.process.returncode, err) == (0, "")
    assert not (tmp_path / "meristem-tasks").exists()


def test_asked_to_stop_it_calls_back_and_ends_as_aborted(tmp_path):
    code = """
    import time
    task.on_abort(lambda: print("saved", flush=True))
    task.on_abort(lambda: 1 / 0)
    task.on_abort(lambda: print("saved more", flush=True))
    print("ready", flush=True)
    while not task.abort_requested:
        task.report(loss=1.0)
        time.sleep(0.01)
    time.sleep(0.2)
    """
    running = Running(tmp_path, code)
    running.wait_for("ready")
    running.folder.ask_to_stop()
    ran = running.ended()
    assert ran.status == 0
    assert ran.out == "saved\nsaved more\n"
    assert "on_abort failed: ZeroDivisionError" in ran.err
    assert ran.ended.status == "aborted"


def test_terminated_it_saves_first(tmp_path):
    code = """
    import time
    task.on_abort(lambda: (time.sleep(0.3), print("saved", flush=True)))
    print("ready", flush=True)
    time.sleep(60)
    """
    running = Running(tmp_path, code)
    running.wait_for("ready")
    running.send(signal.SIGTERM)
    ran = running.ended()
    assert (ran.status, ran.out, ran.ended.status) == (-15, "saved\n", "aborted")


def test_a_killed_training_leaves_all_that_is_older_than_half_a_second(tmp_path):
    code = """
    import itertools, time
    print("ready", flush=True)
    for step in itertools.count():
        task.report_scalar("step", "step", step, step)
        print("step", step, flush=True)
        time.sleep(0.01)
    """
    running = Running(tmp_path, code)
    running.wait_for("step 100")
    running.send(signal.SIGKILL)
    ran = running.ended()
    found = ran.scalars("step/step")
    assert found == list(range(len(found)))
    assert len(found) >= 40  # it said 100 when it was killed: a hundredth of a second for each
    assert ran.ended is None


def test_a_disk_that_is_full_loses_reports_and_nothing_else(tmp_path):
    code = """
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    for step in range(5000):
        task.report_scalar("a", "b", step, step)
        print("line", step)
        if step % 500 == 0:
            task.flush()
    task.upload_artifact("big", "x" * 100_000)
    print("done")
    """
    ran = run(tmp_path, code)
    assert ran.status == 0, ran.err
    assert ran.out.splitlines()[-1] == "done"
    assert ran.err.count("the report of this task cannot be written") == 1
    assert ran.err.count("the console output kept cannot be written") == 1
    assert ran.err.count("big cannot be kept") == 1
    reader = SpoolReader(ran.folder.report)
    found = [m.value for m in reader.read()]
    assert len(found) > 200
    assert found == list(range(len(found)))


def test_a_place_where_nothing_can_be_written_stops_no_training(tmp_path):
    (tmp_path / "file").write_text("")
    code = "task.report(a=1)\nprint('trained')"
    running = Running(tmp_path, code, MERISTEM_TASKS=str(tmp_path / "file" / "tasks"))
    out, err = running.process.communicate(timeout=60)
    assert (running.process.returncode, out) == (0, "trained\n")
    assert "the training goes on without" in err


def test_output_in_any_bytes_is_kept(tmp_path):
    code = r"""
    import sys, logging
    print("ü 😀 \r50 %\r100 %")
    sys.stdout.flush()
    sys.stdout.buffer.write(b"\xff\xfe\x00\n")
    sys.stdout.buffer.flush()
    logging.warning("logged")
    """
    ran = run(tmp_path, code, PYTHONIOENCODING="utf-8")
    assert ran.console == "ü 😀 \r50 %\r100 %\n".encode() + b"\xff\xfe\x00\nWARNING:root:logged\n"
    assert ran.status == 0


def test_offline_starts_no_shipper_and_a_shipper_that_is_missing_is_told_of(tmp_path):
    (tmp_path / "offline").mkdir()
    ran = run(tmp_path / "offline", "pass", init=PLAIN, MERISTEM_OFFLINE="1")
    assert not (ran.folder.path / "shipper.log").exists()
    code = "from meristem.tasks import launching\nlaunching.SHIPPER = 'meristem.tasks.no_shipper'\n"
    ran = run(tmp_path / "missing", "pass", init=code + PLAIN)
    assert ran.status == 0
    assert "there is no meristem.tasks.no_shipper" in ran.err


def test_the_shipper_is_started_beside_the_training_and_outlives_it(tmp_path):
    (tmp_path / "fake_shipper.py").write_text(
        "import os, sys, json, time\n"
        "time.sleep(0.5)\n"
        "json.dump([sys.argv[1:], os.getppid(), os.getsid(0) == os.getpid()], open('draft', 'w'))\n"
        "os.rename('draft', 'shipped.json')\n"
    )
    code = "from meristem.tasks import launching\nlaunching.SHIPPER = 'fake_shipper'\n"
    init = code + PLAIN.replace('"live"', '"live", store="sqlite:///a.db"')
    ran = run(tmp_path, "import os\nprint(os.getpid())", init=init, PYTHONPATH=f"{SOURCES}:{tmp_path}")
    assert ran.status == 0, ran.err
    assert f"meristem task show {ran.task.id}" in ran.err
    eventually((tmp_path / "shipped.json").exists)
    arguments, parent, _ = json.loads((tmp_path / "shipped.json").read_text())
    assert arguments == [str(ran.folder.path), "--store", "sqlite:///a.db"]
    assert parent != int(ran.out)


def test_the_start_of_a_task_loads_nothing_heavy(tmp_path):
    code = """
    import sys
    heavy = {"numpy", "sqlalchemy", "pandas", "scipy", "psutil", "pydantic", "typer", "multiprocessing"}
    assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
    """
    ran = run(tmp_path, code, init='import meristem\ntask = meristem.Task.init("demo", "live", offline=True)\n')
    assert ran.status == 0, ran.err


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_tasks_that_follow_each_other_leave_nothing_open(tmp_path):
    code = """
    import os, threading
    def start(i):
        with meristem.Task.init("demo", f"task {i}", offline=True, capture={"source": False, "packages": False}):
            print("x")
    start(0)
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for i in range(1, 6):
        start(i)
    import time; time.sleep(0.6)
    after = len(os.listdir("/proc/self/fd")), threading.active_count()
    print(before, after)
    assert after[0] <= before[0] + 5 and after[1] <= before[1], (before, after)
    """
    running = Running(tmp_path, code)
    _, err = running.process.communicate(timeout=60)
    assert running.process.returncode == 0, err
