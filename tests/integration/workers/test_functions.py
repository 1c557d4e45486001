"""Function tasks run in warm processes, contained, and within milliseconds."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from tests.integration.workers.conftest import Team, alive

from meristem.statuses import Cause, TaskStatus

pytestmark = pytest.mark.timeout(120)

FUNCTIONS = """
import os, signal, sys, time, threading
calls = []

def again(x=0):
    calls.append(x)
    print("call", len(calls))
    return {"pid": os.getpid(), "calls": len(calls), "cwd": os.getcwd()}

def wanders():
    os.chdir("/")
    os.environ["LEFT"] = "behind"
    sys.stdout = None
    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.alarm(1)
    for number in range(3):
        os.dup2(os.open(os.devnull, os.O_RDWR), number)

def leaves_thread():
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    return os.getpid()

def leaves_deaf():
    sys.stdout.close()
    return os.getpid()

def exits_well():
    sys.exit(0)

def returns_much():
    return "x" * (1 << 20)

def reports(task):
    task.report(step=0, loss=1.0)
    return os.getpid()

def left():
    return os.environ.get("LEFT")

def leaves_daemon():
    pid = os.fork()
    if pid == 0:
        os.setsid()
        time.sleep(600)
    return pid

def crashes():
    os.abort()

def raises():
    raise ValueError("no good")

def half():
    raise ValueError("bad \\ud800 \\0")

def exits():
    sys.exit(3)

def sleeps(seconds):
    time.sleep(seconds)

def unkeepable():
    return object()

def noisy():
    for _ in range(2000):
        os.write(1, b"x" * 999 + b"\\n")
    os.write(2, b"\\xff the end\\n")
"""


@pytest.fixture
def functions(team: Team) -> Team:
    (team.folder / "functions.py").write_text(FUNCTIONS)
    return team


def test_functions_share_a_warm_process_and_none_leaves_anything_to_the_next(functions: Team):
    team = functions
    first, wanders, second = (team.function(f"functions:{name}") for name in ("again", "wanders", "again"))
    left, leaves = team.function("functions:left"), team.function("functions:leaves_daemon")
    team.worker()
    one, two = team.ended(first).result, team.ended(second).result
    assert one["pid"] == two["pid"]
    assert (one["calls"], two["calls"]) == (1, 2)
    assert two["cwd"] == str(team.folder)
    assert team.ended(wanders).status is TaskStatus.COMPLETED
    assert team.ended(left).result is None
    assert not alive(team.ended(leaves).result)
    assert team.console(first) == "call 1\n"
    assert team.console(second) == "call 2\n"


def test_a_module_that_was_changed_is_imported_again_and_one_that_was_not_stays(functions: Team):
    module = functions.folder / "edited.py"
    part = functions.folder / "edited_part.py"
    part.write_text("VALUE = 1\n")
    module.write_text(
        "import os\nfrom edited_part import VALUE\nn = []\n"
        "def tell():\n    n.append(1)\n    print('hears', VALUE)\n    return [os.getpid(), VALUE, len(n)]\n"
    )
    functions.worker()
    found = [functions.ended(functions.function("edited:tell")).result for _ in range(2)]
    part.write_text("VALUE = 22\n")
    changed = functions.function("edited:tell")
    found += [functions.ended(changed).result, functions.ended(functions.function("edited:tell")).result]
    assert [one[1:] for one in found] == [[1, 1], [1, 2], [22, 1], [22, 2]]
    assert len({one[0] for one in found}) == 1
    assert functions.console(changed) == "hears 22\n"


def test_a_process_in_which_something_was_left_that_cannot_be_put_right_is_replaced(functions: Team):
    team = functions
    names = ("reports", "leaves_thread", "leaves_deaf", "again", "again")
    numbers = [team.function(f"functions:{name}") for name in names]
    team.worker()
    rows = [team.ended(number) for number in numbers]
    assert [row.status for row in rows] == [TaskStatus.COMPLETED] * 5, [row.message for row in rows]
    reports, thread, deaf = (row.result for row in rows[:3])
    assert reports == thread
    assert len({thread, deaf, rows[3].result["pid"]}) == 3
    assert not alive(thread)
    assert rows[3].result["pid"] == rows[4].result["pid"]
    assert "call 1" in team.console(numbers[3])


def test_a_function_that_exits_with_0_is_completed_like_a_script(functions: Team):
    number = functions.function("functions:exits_well")
    functions.worker()
    row = functions.ended(number)
    assert (row.status, row.result) == (TaskStatus.COMPLETED, None)


def test_what_goes_wrong_in_a_function_fails_its_task_alone(functions: Team):
    team = functions
    wrong = {
        "functions:crashes": "SIGABRT",
        "functions:raises": "ValueError: no good",
        "functions:half": "ValueError: bad \\ud800",
        "functions:exits": "SystemExit: 3",
        "functions:unkeepable": "cannot be kept as JSON",
        "functions:returns_much": "1,048,578 characters, the limit is 524,288",
        "functions:absent": "no function 'absent'",
        "no_such_module:f": "No module named 'no_such_module'",
        "nonsense": "names no function",
    }
    numbers = {name: team.function(name) for name in wrong}
    after = team.function("functions:again", x=1)
    unknown = team.function("functions:again", y=1)
    team.worker()
    for name, number in numbers.items():
        row = team.ended(number)
        assert (row.status, row.cause) == (TaskStatus.FAILED, Cause.CODE_FAILED), name
        assert wrong[name] in (row.message or "")
    assert team.ended(after).status is TaskStatus.COMPLETED
    assert "unexpected keyword argument 'y'" in (team.ended(unknown).message or "")


def test_a_function_that_sleeps_is_aborted_and_the_slot_goes_on(functions: Team):
    team = functions
    number = team.function("functions:sleeps", seconds=60)
    team.worker("--grace", "3")
    team.running(number)
    began = time.monotonic()
    team.store.claims.request_abort(number, "enough")
    assert team.ended(number).status is TaskStatus.ABORTED
    assert time.monotonic() - began < 3
    assert team.ended(team.function("functions:again")).status is TaskStatus.COMPLETED


def test_all_that_a_function_prints_is_kept(functions: Team):
    number = functions.function("functions:noisy")
    functions.worker()
    functions.ended(number)
    console = functions.console(number)
    assert len(console) > 1_900_000
    assert console.endswith("\ufffd the end\n")


def test_services_run_many_functions_at_once(functions: Team):
    team = functions
    numbers = [team.function("functions:sleeps", seconds=3) for _ in range(8)]
    team.worker("--services", "--slots", "8")
    team.until(lambda: all(team.get(number).status is TaskStatus.RUNNING for number in numbers), 10)


def test_a_worker_that_is_killed_takes_functions_along(functions: Team):
    team = functions
    pid = team.ended_result = None
    number = team.function("functions:again")
    worker = team.worker()
    pid = team.ended(number).result["pid"]
    team.running(team.function("functions:sleeps", seconds=60))
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    team.until(lambda: not alive(pid), 1.0)


def test_on_postgres_a_function_runs_within_milliseconds_of_its_enqueueing(postgres_team: Team):
    team = postgres_team
    (Path(team.folder) / "functions.py").write_text(FUNCTIONS)
    team.worker()
    team.ended(team.function("functions:again"))
    times = []
    for _ in range(30):
        number = team.function("functions:again")
        row = team.ended(number)
        assert row.ended_at is not None
        assert row.enqueued_at is not None
        times.append(row.ended_at - row.enqueued_at)
    # Not a benchmark, which is in benchmarks/: only that it is woken, and does not poll.
    assert sorted(times)[15] < 0.2
    sleeping = team.function("functions:sleeps", seconds=60)
    team.running(sleeping)
    began = time.monotonic()
    team.store.claims.request_abort(sleeping, "enough")
    assert team.ended(sleeping).status is TaskStatus.ABORTED
    assert time.monotonic() - began < 2
    print(f"p50 {sorted(times)[15] * 1000:.1f} ms")
