"""What goes wrong with real processes: crashes, kills, deaf trainings, a dead engine."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import psutil
import pytest

from meristem.executors.command import CommandExecutor
from meristem.executors.function import FunctionExecutor
from meristem.study.protocols import Attempt, Executor, Outcome, OutcomeStatus, Report

FAILED, STOPPED, COMPLETED = OutcomeStatus.FAILED, OutcomeStatus.STOPPED, OutcomeStatus.COMPLETED
GRACE = timedelta(seconds=0.1)


def attempt_in(root: Path, number: int = 1, slot: int = 0, **parameters: Any) -> Attempt:
    folder = root / str(number)
    return Attempt(study="s", number=number, attempt=1, parameters=parameters, folder=folder, slot=slot)


def reports_of(executor: Executor, ended: int = 1) -> list[Report]:
    found: list[Report] = []
    deadline = time.monotonic() + 10
    while sum(report.outcome is not None for report in found) < ended:
        assert time.monotonic() < deadline, f"no outcome, only {found}"
        found += executor.poll(timedelta(seconds=1))
    return found


def outcome_of(executor: Executor, attempt: Attempt) -> Outcome:
    executor.start(attempt)
    outcome = reports_of(executor)[-1].outcome
    assert outcome is not None
    return outcome


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def written_pid(path: Path) -> int:
    assert eventually(lambda: path.exists() and path.read_text().endswith("\n")), f"{path} was not written"
    return int(path.read_text())


def make_faulty() -> Callable[[Any], Any]:
    def train(trial: Any) -> Any:
        import ctypes
        import os
        import signal
        import subprocess
        import sys
        import time

        act = trial["act"]
        if act == "segfault":
            ctypes.string_at(0)
        elif act == "exit":
            os._exit(3)
        elif act == "sys_exit":
            sys.exit("done here")
        elif act == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif act == "close":
            os.closerange(3, 256)
        elif act == "report_and_die":
            trial.report(1, loss=0.5)
            os._exit(1)
        elif act == "unicode":
            raise ValueError("größer als ✗ \udc80")
        elif act == "deaf":
            child = subprocess.Popen(["sleep", "60"])
            (trial.folder / "pids").write_text(f"{child.pid}\n")
            time.sleep(60)
        elif act == "stop_by_module":
            import meristem

            while True:
                meristem.report(loss=1.0)
                time.sleep(0.02)
        elif act == "wander":
            os.chdir("/")
        elif act == "where":
            return {"here": float(os.getcwd() == trial["cwd"]), "pid": os.getpid()}
        elif act == "gpus":
            return {"seen": [os.environ["CUDA_VISIBLE_DEVICES"], *trial.gpus]}
        return {"none": None, "text": "abc", "object": object()}.get(act, 1.0)

    return train


@pytest.fixture
def isolated() -> Iterator[FunctionExecutor]:
    executor = FunctionExecutor(make_faulty())
    executor.open(2)
    yield executor
    executor.close()


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("segfault", "SIGSEGV"),
        ("exit", "exit code 3"),
        ("killed", "SIGKILL (most likely the system ran out of memory"),
        ("close", "worker process of this trial ended"),
        ("sys_exit", "SystemExit: done here"),
        ("unicode", "ValueError: größer als ✗ \\udc80"),
        ("none", "returned None; return a number or a dict of metrics"),
        ("text", "returned 'abc' (str); return a number or a dict of metrics"),
        ("object", "returned a object"),
    ],
)
def test_a_fault_fails_its_trial_alone_with_a_clear_sentence(isolated, tmp_path, act, said):
    isolated.start(attempt_in(tmp_path, 1, 0, act="deaf"))
    outcome = outcome_of(isolated, attempt_in(tmp_path, 2, 1, act=act))
    assert outcome.status is FAILED
    assert said in outcome.error
    assert "\n" not in outcome.error
    assert outcome_of(isolated, attempt_in(tmp_path, 3, 1, act="fine")).score == 1.0


def test_what_a_crashed_trial_had_reported_is_kept(isolated, tmp_path):
    isolated.start(attempt_in(tmp_path, act="report_and_die"))
    reports = reports_of(isolated)
    assert [m.value for report in reports for m in report.measurements] == [0.5]
    assert reports[-1].outcome.status is FAILED


def test_a_deaf_trial_is_ended_by_force_with_all_that_it_started(isolated, tmp_path):
    isolated.start(attempt_in(tmp_path, act="deaf"))
    child = written_pid(tmp_path / "1" / "pids")
    begun = time.monotonic()
    isolated.stop(1, timedelta(seconds=60))
    assert isolated.poll(timedelta(seconds=0.05)) == []
    isolated.stop(1, GRACE)
    outcome = reports_of(isolated)[-1].outcome
    assert outcome.status is STOPPED
    assert 0.1 <= time.monotonic() - begun < 2
    assert eventually(lambda: gone(child))
    assert outcome_of(isolated, attempt_in(tmp_path, 2, act="fine")).status is COMPLETED


def test_a_worker_killed_while_idle_is_replaced_unnoticed(isolated, tmp_path):
    pid = int(outcome_of(isolated, attempt_in(tmp_path, 1, act="where", cwd="")).score["pid"])
    process = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert wait([process], 5), "all its threads end"
    os.close(process)
    assert outcome_of(isolated, attempt_in(tmp_path, 2, act="fine")).score == 1.0


def test_workers_stay_warm_from_trial_to_trial(isolated, tmp_path):
    pids = [outcome_of(isolated, attempt_in(tmp_path, n, act="where", cwd="")).score["pid"] for n in (1, 2)]
    assert pids[0] == pids[1] != os.getpid()


def test_a_trial_that_changes_the_working_directory_does_not_move_the_next(isolated, tmp_path):
    outcome_of(isolated, attempt_in(tmp_path, 1, act="wander"))
    assert outcome_of(isolated, attempt_in(tmp_path, 2, act="where", cwd=os.getcwd())).score["here"] == 1.0


def test_reports_by_the_module_work_in_functions_too(isolated, tmp_path):
    isolated.start(attempt_in(tmp_path, act="stop_by_module"))
    assert eventually(lambda: any(r.measurements for r in isolated.poll(timedelta(seconds=0.3))))
    isolated.stop(1, timedelta(seconds=60))
    assert reports_of(isolated)[-1].outcome.status is STOPPED


def test_trials_that_report_nothing_leave_no_folder(isolated, tmp_path):
    outcome_of(isolated, attempt_in(tmp_path, act="fine"))
    assert list(tmp_path.iterdir()) == []


def test_each_slot_sees_its_own_gpus(tmp_path):
    executor = FunctionExecutor(make_faulty(), gpus="0,1:2,3")
    executor.open(2)
    executor.start(attempt_in(tmp_path, 1, 0, act="gpus"))
    executor.start(attempt_in(tmp_path, 2, 1, act="gpus"))
    seen = {r.number: r.outcome.score["seen"] for r in reports_of(executor, 2) if r.outcome}
    executor.close()
    assert seen == {1: ["0,1", "0", "1"], 2: ["2,3", "2", "3"]}


def test_a_function_whose_imports_fail_in_the_worker_fails_its_trials(tmp_path, monkeypatch):
    (tmp_path / "breaks_elsewhere.py").write_text(
        f"import os\nassert os.getpid() == {os.getpid()}\ndef train(t): return 1"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from breaks_elsewhere import train

    executor = FunctionExecutor(train)
    executor.open(1)
    outcome = outcome_of(executor, attempt_in(tmp_path))
    executor.close()
    assert outcome.status is FAILED
    assert "cannot be loaded in its worker process: AssertionError" in outcome.error


def test_a_function_from_a_file_that_cannot_be_imported_is_sent_whole(tmp_path):
    (tmp_path / "bare_file.py").write_text(
        "FACTOR = 2\ndef half(x): return x / FACTOR\ndef train(t): return half(t['x'])"
    )
    spec = importlib.util.spec_from_file_location("bare_file", tmp_path / "bare_file.py")
    module = sys.modules["bare_file"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    executor = FunctionExecutor(module.train)
    executor.open(1)
    outcome = outcome_of(executor, attempt_in(tmp_path, x=8))
    executor.close()
    del sys.modules["bare_file"]
    assert outcome.score == 4.0


def test_an_unguarded_script_with_its_function_in_main_works(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
            import sys
            from datetime import timedelta
            from pathlib import Path
            from meristem.executors.function import FunctionExecutor
            from meristem.study.protocols import Attempt

            print("imported")
            class Model:
                def __init__(self, x): self.x = x
            def train(trial):
                print("trained", sys.argv[1])
                return Model(trial["x"]).x * 2

            executor = FunctionExecutor(train)
            executor.open(1)
            executor.start(Attempt(study="s", number=1, attempt=1, parameters={"x": 4}, folder=Path("f"), slot=0))
            print(executor.poll(timedelta(seconds=20))[0].outcome.score)
            executor.close()
        """)
    )
    run = subprocess.run([sys.executable, script, "word"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert sorted(run.stdout.split()) == ["8", "imported", "trained", "word"]
    assert run.stderr == ""


ENGINE = """
import sys, time, threading
from datetime import timedelta
from pathlib import Path
from meristem.executors.command import CommandExecutor
from meristem.executors.function import FunctionExecutor
from meristem.study.protocols import Attempt

root = Path(sys.argv[2])
def train(trial):
    import os, subprocess, time
    child = subprocess.Popen(["sleep", "60"])
    (trial.folder / "pids").write_text(f"{child.pid} {os.getpid()}\\n")
    sum(range(10**12)) if trial.slot else time.sleep(60)  # one holds the interpreter lock, one does not

executor = FunctionExecutor(train) if sys.argv[1] == "function" else CommandExecutor(sys.argv[3])
executor.open(2)
for slot in range(2):
    folder = root / str(slot + 1)
    executor.start(Attempt(study="s", number=slot + 1, attempt=1, parameters={}, folder=folder, slot=slot))
while True:
    executor.poll(timedelta(seconds=1))
"""


def engine(root: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", ENGINE, arguments[0], str(root), *arguments[1:]])


def test_when_the_engine_is_killed_its_workers_and_their_children_are_gone_within_2_seconds(tmp_path):
    process = engine(tmp_path, "function")
    files = [tmp_path / str(number) / "pids" for number in (1, 2)]
    assert eventually(lambda: all(file.exists() and file.read_text().endswith("\n") for file in files))
    pids = [int(pid) for file in files for pid in file.read_text().split()]
    process.kill()
    process.wait()
    assert eventually(lambda: all(gone(pid) for pid in pids), seconds=2)


def test_a_command_outlives_its_engine_and_is_taken_up_by_the_next(tmp_path):
    training = """
        echo '{"step": 1, "loss": 2}' >> $MERISTEM_REPORT; echo up > {folder}/up
        while [ ! -e {folder}/go ]; do sleep 0.02; done
        echo '{"step": 2, "loss": 1}' >> $MERISTEM_REPORT"""
    process = engine(tmp_path, "command", training)
    assert eventually(lambda: all((tmp_path / str(n) / "up").exists() for n in (1, 2)))
    process.kill()
    process.wait()
    (tmp_path / "1" / "go").touch()  # this one ends while nobody looks
    assert eventually(lambda: (tmp_path / "1" / "exit_code").exists())
    executor = CommandExecutor("unused")
    executor.open(2)
    assert executor.adopt(attempt_in(tmp_path, 1, 0))
    assert executor.adopt(attempt_in(tmp_path, 2, 1))
    reports = reports_of(executor)
    assert {report.number for report in reports if report.outcome} == {1}
    (tmp_path / "2" / "go").touch()
    reports += reports_of(executor)
    executor.close()
    for number in (1, 2):
        own = [report for report in reports if report.number == number]
        assert own[-1].outcome.status is COMPLETED
        assert [m.step for report in own for m in report.measurements] == [1, 2]


def test_what_an_adopted_command_leaves_behind_is_ended_with_it(tmp_path):
    process = engine(tmp_path, "command", "sleep 77 & echo $! > {folder}/own; sleep 0.5; echo 1")
    pids = [written_pid(tmp_path / str(n) / "own") for n in (1, 2)]
    process.kill()
    process.wait()
    executor = CommandExecutor("unused")
    for number in (1, 2):
        assert executor.adopt(attempt_in(tmp_path, number, number - 1))
    reports_of(executor, 2)
    assert eventually(lambda: all(map(gone, pids)))


def test_a_command_that_was_being_stopped_when_its_engine_died_is_ended_and_run_again(tmp_path):
    process = engine(tmp_path, "command", "trap '' TERM; echo $$ > {folder}/own; sleep 60; sleep 60")
    pids = [written_pid(tmp_path / str(n) / "own") for n in (1, 2)]
    process.kill()
    process.wait()
    executor = CommandExecutor("unused")
    for number in (1, 2):
        (tmp_path / str(number) / "stop").touch()
        assert not executor.adopt(attempt_in(tmp_path, number, number - 1))
    assert eventually(lambda: all(map(gone, pids)))


def test_commands_that_are_let_go_run_on_for_the_next_engine(run_command, tmp_path):
    executor, attempt = run_command("touch up; while [ ! -e go ]; do sleep 0.02; done; echo 3", cwd=tmp_path)
    assert eventually((tmp_path / "up").exists)
    executor.release()
    executor.close()
    second = CommandExecutor("unused")
    assert second.adopt(attempt)
    (tmp_path / "go").touch()
    assert reports_of(second)[-1].outcome.score == 3.0


def test_an_adopted_command_can_be_stopped_by_force(tmp_path):
    process = engine(tmp_path, "command", "trap '' TERM; echo $$ > {folder}/own; sleep 60; sleep 60")
    pids = [written_pid(tmp_path / str(n) / "own") for n in (1, 2)]
    process.kill()
    process.wait()
    executor = CommandExecutor("unused")
    for number in (1, 2):
        assert executor.adopt(attempt_in(tmp_path, number, number - 1))
        executor.stop(number, GRACE)
    statuses = [report.outcome.status for report in reports_of(executor, 2) if report.outcome]
    executor.close()
    assert statuses == [STOPPED, STOPPED]
    assert eventually(lambda: all(gone(pid) for pid in pids))


def test_a_pid_that_belongs_to_another_process_by_now_is_not_adopted(tmp_path):
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    (tmp_path / "1").mkdir()
    for pid in (other.pid, os.getpid(), 1, 0, -1, 2**22 + 1, "x"):
        (tmp_path / "1" / "pid").write_text(f"{pid}\n")
        assert not CommandExecutor("unused").adopt(attempt_in(tmp_path))
    assert other.poll() is None
    other.kill()
    other.wait()


@pytest.fixture
def run_command(tmp_path: Path) -> Iterator[Callable[..., tuple[CommandExecutor, Attempt]]]:
    opened: list[CommandExecutor] = []

    def run(command: Any, **more: Any) -> tuple[CommandExecutor, Attempt]:
        parameters = more.pop("parameters", {})
        executor, attempt = CommandExecutor(command, **more), attempt_in(tmp_path, **parameters)
        opened.append(executor)
        executor.open(1)
        executor.start(attempt)
        return executor, attempt

    yield run
    for executor in opened:
        executor.close()


def test_the_whole_process_group_of_a_command_ends_on_stop(run_command):
    executor, attempt = run_command("sh -c 'trap \"\" TERM; echo $$ > {folder}/own; sleep 60; sleep 60' & wait")
    grandchild = written_pid(attempt.folder / "own")
    executor.stop(1, GRACE)
    assert reports_of(executor)[-1].outcome.status is STOPPED
    assert eventually(lambda: gone(grandchild))


def test_what_a_command_left_behind_ends_with_it(run_command):
    executor, attempt = run_command("sleep 60 & echo $! > {folder}/own; echo 1")
    assert reports_of(executor)[-1].outcome.score == 1.0
    assert eventually(lambda: gone(written_pid(attempt.folder / "own")))


def test_a_stopped_command_keeps_what_it_measured(run_command):
    executor, _ = run_command('echo \'{"step": 1, "loss": 0.5}\' >> $MERISTEM_REPORT; sleep 60')
    assert eventually(lambda: any(r.measurements for r in executor.poll(timedelta(seconds=0.3))))
    executor.stop(1, timedelta(seconds=60))
    assert reports_of(executor)[-1].outcome.status is STOPPED


@pytest.mark.parametrize("pipeline", ["", " | cat"])
def test_a_command_asked_to_stop_has_its_grace_to_save_its_work(run_command, tmp_path, pipeline):
    (tmp_path / "train.sh").write_text(
        "trap 'sleep 0.3; echo saved > saved; exit 0' TERM\ntouch up\nwhile :; do sleep 0.05; done\n"
    )
    executor, _ = run_command(f"sh train.sh{pipeline}", cwd=tmp_path)
    assert eventually((tmp_path / "up").exists)
    begun = time.monotonic()
    executor.stop(1, timedelta(seconds=30))
    assert reports_of(executor)[-1].outcome.status is STOPPED
    assert (tmp_path / "saved").exists()
    assert time.monotonic() - begun < 10  # no longer than the work takes


def test_what_a_command_started_and_left_ends_when_its_grace_is_over(run_command, tmp_path):
    executor, _ = run_command("(trap '' TERM; echo $$ > own; exec sleep 60) & sleep 60", cwd=tmp_path)
    pid = written_pid(tmp_path / "own")
    executor.stop(1, timedelta(seconds=0.5))
    assert reports_of(executor)[-1].outcome.status is STOPPED
    assert eventually(lambda: gone(pid))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("exit 3", "exit code 3"),
        ("kill -KILL $$", "SIGKILL"),
        ("kill -SEGV $$", "SIGSEGV"),
        (["/no/such/program"], "exit code 127"),
        ("true", "reported nothing"),
        (["echo", "{x}"], "could not be started"),
    ],
)
def test_a_command_that_fails_says_how(run_command, command, said):
    executor, _ = run_command(command, parameters={"x": "nul \0"} if command[0] == "echo" else {})
    outcome = reports_of(executor)[-1].outcome
    assert outcome.status is FAILED
    assert said in outcome.error


def test_a_folder_that_cannot_be_made_fails_the_trial(run_command, tmp_path):
    (tmp_path / "1").write_text("in the way")
    executor, _ = run_command("echo 1")
    outcome = reports_of(executor)[-1].outcome
    assert outcome.status is FAILED
    assert "could not be started" in outcome.error


def test_a_command_finds_all_it_needs_in_its_environment_and_folder(run_command, tmp_path):
    program = (
        "import json, os, meristem; p = meristem.parameters(); e = os.environ; "
        "print(json.dumps([p, os.getcwd(), e['MERISTEM_TRIAL'], e['MERISTEM_STUDY'], "
        "e['MERISTEM_FOLDER'], e['MERISTEM_PARAM_HIDDEN_SIZE'], "
        "e['MERISTEM_PARAM_ON'], e['CUDA_VISIBLE_DEVICES'], e['MINE']])); meristem.report(step=1, loss=0.5)"
    )
    parameters = {"hidden-size": 8, "on": True}
    executor, attempt = run_command(
        [sys.executable, "-c", program], cwd=tmp_path, env={"MINE": "x"}, gpus="4,5", parameters=parameters
    )
    assert reports_of(executor)[-1].outcome.status is COMPLETED
    seen = json.loads((attempt.folder / "stdout.log").read_text())
    assert seen == [parameters, str(tmp_path), "1", "s", str(attempt.folder), "8", "true", "4,5", "x"]


def test_an_attempt_in_a_used_folder_does_not_read_the_reports_of_the_one_before(run_command, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "report.jsonl").write_text('{"loss": 9}\n')
    (tmp_path / "1" / "stop").touch()
    executor, _ = run_command("echo 1")
    assert reports_of(executor)[-1].outcome.score == 1.0


def test_where_the_system_cannot_wake_us_ends_are_found_by_looking(run_command, isolated, tmp_path, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    executor, _ = run_command("sleep 0.1; exit 4")
    assert reports_of(executor)[-1].outcome.error == "exit code 4"
    fresh = FunctionExecutor(make_faulty())
    fresh.open(1)
    outcome = outcome_of(fresh, attempt_in(tmp_path, act="exit"))
    fresh.close()
    assert "exit code 3" in outcome.error
