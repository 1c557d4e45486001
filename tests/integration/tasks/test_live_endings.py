"""However a script ends, its task says so, and what it reported before is there."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest
from tests.integration.tasks.live_script import Running, run

from meristem.tasks.spool_folder import SpoolFolder

REPORT = "task.report(step=1, loss=0.5)\n"


@pytest.mark.parametrize(
    ("code", "status", "ending", "message"),
    [
        ("pass", 0, "completed", ""),
        ("raise SystemExit(0)", 0, "completed", ""),
        ("import sys; sys.exit()", 0, "completed", ""),
        ("raise SystemExit(3)", 3, "failed", "status 3"),
        ("import sys; sys.exit(4)", 4, "failed", "status 4"),
        ("import sys; sys.exit('no data')", 1, "failed", "status 1"),
        ("raise ValueError('bad ü')", 1, "failed", "ValueError: bad ü"),
        ("raise KeyboardInterrupt", -2, "aborted", "Ctrl-C"),
        ("try:\n    raise SystemExit(5)\nexcept SystemExit:\n    pass", 0, "completed", ""),
        ("task.mark_failed('not good enough')", 0, "failed", "not good enough"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15, "aborted", "SIGTERM"),
    ],
)
def test_the_end_of_a_script_is_the_end_of_its_task(tmp_path, code, status, ending, message):
    ran = run(tmp_path, REPORT + code)
    assert ran.status == status
    assert ran.scalars("loss") == [0.5]
    assert ran.ended.status == ending
    assert message in ran.ended.message


CAPTURING = """
import meristem
task = meristem.Task.init("demo", "live", offline=True, capture={"packages": False})
"""
PARSER = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
"""
CLICK = """
import click
@click.command()
@click.option("--lr", type=float)
def main(lr):
    task.report(step=1, loss=0.5)
main()
"""


@pytest.mark.parametrize(
    ("code", "argument", "status"),
    [
        (PARSER + "parser.parse_args()", "--help", 0),
        (PARSER + "parser.parse_args()", "--lr=x", 2),
        (PARSER + "parser.parse_args()", "--slip", 2),
        (PARSER + "with task:\n    task.connect(parser)", "--slip", 2),
        (CLICK, "--help", 0),
        (CLICK, "--slip", 2),
    ],
)
def test_of_a_script_that_only_tells_how_it_is_called_nothing_is_kept(tmp_path, code, argument, status):
    running = Running(tmp_path, code, init=CAPTURING, arguments=(argument,))
    running.process.communicate(timeout=60)
    assert running.process.returncode == status
    assert list((tmp_path / "meristem-tasks").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "argument", "status"),
    [
        (REPORT + PARSER + "parser.parse_args()", "--help", "completed"),
        (PARSER + "try:\n    parser.parse_args()\nexcept SystemExit:\n    pass\n" + REPORT, "--slip", "completed"),
        (PARSER + "parser.parse_args()\nraise SystemExit(2)", "--lr=1", "failed"),
        (PARSER + "parser.parse_known_args()\n1 / 0", "--slip", "failed"),
        (CLICK, "--lr=1", "completed"),
    ],
)
def test_a_script_that_did_more_than_to_tell_how_it_is_called_is_kept(tmp_path, code, argument, status):
    assert run(tmp_path, code, init=CAPTURING, arguments=(argument,)).ended.status == status


def test_a_failure_has_its_traceback_which_is_printed_as_ever(tmp_path):
    ran = run(tmp_path, "def f():\n    return 1 / 0\nf()")
    assert "return 1 / 0" in ran.ended.traceback
    assert "ZeroDivisionError" in ran.err
    assert b"ZeroDivisionError" in ran.console


@pytest.mark.parametrize("code", ["os._exit(0)", "os.kill(os.getpid(), 9)", "os.abort()"])
def test_a_script_that_dies_without_a_word_leaves_what_it_had_reported(tmp_path, code):
    ran = run(tmp_path, f"import os, time\nprint('here', flush=True)\n{REPORT}time.sleep(1)\n{code}")
    assert ran.ended is None
    assert ran.scalars("loss") == [0.5]
    assert ran.console == b"here\n"


def test_ctrl_c_ends_it_as_aborted(tmp_path):
    running = Running(tmp_path, "import time\nprint('ready', flush=True)\ntime.sleep(60)")
    running.wait_for("ready")
    running.send(signal.SIGINT)
    assert running.ended().ended.status == "aborted"


def test_a_handler_of_the_script_for_sigterm_is_left_alone(tmp_path):
    code = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: print('mine', flush=True))\n"
    init = code + 'import meristem\ntask = meristem.Task.init("demo", "live", offline=True)\n'
    ran = run(tmp_path, "import os\nos.kill(os.getpid(), signal.SIGTERM)\n", init=init)
    assert ran.status == 0
    assert b"mine" in ran.console
    assert ran.ended.status == "completed"


def test_the_hook_of_the_script_for_exceptions_is_called_too(tmp_path):
    init = "import sys\nsys.excepthook = lambda *_: print('mine')\n"
    init += 'import meristem\ntask = meristem.Task.init("demo", "live", offline=True)\n'
    ran = run(tmp_path, "raise ValueError('x')", init=init)
    assert "mine" in ran.out
    assert ran.ended.status == "failed"


def test_a_block_ends_the_task_as_it_ends(tmp_path):
    code = """
    try:
        with task:
            raise ValueError("inside")
    except ValueError:
        pass
    assert meristem.Task.current() is None
    task.report(step=2, late=1.0)
    """
    ran = run(tmp_path, code)
    assert (ran.status, ran.ended.status) == (0, "failed")
    assert ran.scalars("late") == []
    assert "after the task had ended" in ran.err


def test_forked_children_report_and_do_not_end_the_task(tmp_path):
    code = """
    import os, sys
    pid = os.fork()
    if pid == 0:
        task.report_scalar("from", "child", 1.0, 1)
        print("child speaks")
        sys.exit(7)
    os.waitpid(pid, 0)
    task.report_scalar("from", "parent", 2.0, 1)
    """
    ran = run(tmp_path, code)
    assert (ran.scalars("from/child"), ran.scalars("from/parent")) == ([1.0], [2.0])
    assert b"child speaks" in ran.console
    assert ran.ended.status == "completed"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_belong_to_the_task(tmp_path, method):
    init = 'import meristem, multiprocessing\ntask = meristem.Task.init("demo", "live", offline=True)\n'
    code = f"""
    def work(given, i):
        task.report_scalar("own", str(i), i, i)
        given.report_scalar("given", str(i), i, i)

    if __name__ == "__main__":
        context = multiprocessing.get_context("{method}")
        with context.Pool(2) as pool:
            pool.starmap(work, [(task, i) for i in range(4)])
    """
    ran = run(tmp_path, code, init=init)
    assert ran.status == 0, ran.err
    assert sorted(v for i in range(4) for v in ran.scalars(f"own/{i}")) == [0, 1, 2, 3]
    assert sorted(v for i in range(4) for v in ran.scalars(f"given/{i}")) == [0, 1, 2, 3]
    assert ran.ended.status == "completed"


def test_a_child_that_is_terminated_does_not_abort_the_task(tmp_path):
    code = """
    import multiprocessing, time
    for _ in range(100):
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
        child.terminate()
        child.join(10)
        assert child.exitcode == -15
    """
    ran = run(tmp_path, code)
    assert ran.status == 0, ran.err
    assert ran.ended.status == "completed"


def test_another_task_ends_the_first_and_the_same_one_is_the_same(tmp_path):
    code = """
    assert meristem.Task.init("demo", "live") is task
    other = meristem.Task.init("demo", "other", offline=True)
    assert meristem.Task.current() is other
    raise SystemExit(2)
    """
    running = Running(tmp_path, code)
    running.process.wait(60)
    folders = [SpoolFolder(path) for path in (tmp_path / "meristem-tasks").iterdir()]
    first = running.ended(folders[0])
    both = [first, replace(first, folder=folders[1])]
    assert {ran.task.name: ran.ended.status for ran in both} == {"live": "completed", "other": "failed"}
