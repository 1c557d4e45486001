"""Workers run scripts: from repositories, with changes; and what cannot be prepared fails with the reason."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest
from tests.integration.workers.conftest import Team, alive, git

from meristem.statuses import Cause, TaskStatus
from meristem.store.task_rows import Held

pytestmark = pytest.mark.timeout(120)


def pids_in(text: str) -> list[int]:
    return [int(pid) for pid in re.findall(r"pid (\d+)", text)]


def test_a_script_of_a_repository_runs_with_its_uncommitted_changes_and_untracked_files(team: Team, repository: Path):
    commit = git(repository, "rev-parse", "HEAD")
    (repository / "lib" / "value.py").write_text("from extra import VALUE\n")
    diff = git(repository, "diff", "HEAD", "--binary") + "\n"
    git(repository, "checkout", "-q", ".")
    put = team.store.blobs.put
    number = team.add(
        repository=str(repository),
        commit=commit,
        working_dir="sub",
        entry="script",
        entry_point="train.py",
        arguments=["--lr", "1"],
        python_path=["lib"],
        diff={"blob": put(diff.encode())},
        untracked={"lib/extra.py": {"blob": put(b"VALUE = 'changed'\n")}},
    )
    team.worker()
    row = team.ended(number)
    assert row.status is TaskStatus.COMPLETED, row.message
    assert "value: changed ['--lr', '1']" in team.console(number)


def test_what_cannot_be_prepared_fails_with_the_reason_and_the_worker_goes_on(team: Team, repository: Path):
    commit = git(repository, "rev-parse", "HEAD")
    bad_diff = {"blob": team.store.blobs.put(b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-no\n+yes\n")}
    code = {"repository": str(repository), "entry": "script", "entry_point": "sub/train.py"}
    gone = team.add(**code, commit="0123456789" * 4)
    unapplied = team.add(**code, commit=commit, diff=bad_diff)
    missing = team.add(**{**code, "entry_point": "nothing.py"}, commit=commit)
    unreachable = team.add(repository="file:///no/such/repository", commit=commit, entry="script", entry_point="x.py")
    lost_blob = team.script("print(1)", untracked={"x.py": {"blob": "0" * 64}})
    good = team.script("print('fine')")
    team.worker()
    assert team.ended(good).status is TaskStatus.COMPLETED
    for number, reason in (
        (gone, "no commit 0123456789"),
        (unapplied, "do not apply to"),
        (missing, "'nothing.py' is not in the code"),
        (unreachable, "cannot be fetched"),
        (lost_blob, "no blob"),
    ):
        row = team.ended(number)
        assert (row.status, row.cause) == (TaskStatus.FAILED, Cause.NOT_PREPARED), row
        assert reason in (row.message or "")


def test_failures_of_code_are_told_by_exit_code_and_last_line(team: Team):
    number = team.script("import sys\nprint('before')\nsys.exit('it is all wrong')")
    killed = team.script("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    team.worker()
    row = team.ended(number)
    assert (row.status, row.cause) == (TaskStatus.FAILED, Cause.CODE_FAILED)
    assert "exit code 1: it is all wrong" in (row.message or "")
    assert "SIGSEGV" in (team.ended(killed).message or "")


def test_an_abort_reaches_a_script_within_two_seconds_and_one_that_ignores_it_is_killed(team: Team):
    polite = team.script("import time\nprint('begun', flush=True)\ntime.sleep(60)")
    stubborn = team.script(
        "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('pid', os.getpid(), flush=True)\nwhile True: time.sleep(1)"
    )
    team.worker("--slots", "2", "--grace", "2")
    team.until(lambda: "begun" in team.console(polite) and "pid" in team.console(stubborn))
    began = time.monotonic()
    team.store.claims.request_abort(polite, "enough of it")
    team.store.claims.request_abort(stubborn, "and of this")
    row = team.ended(polite)
    assert time.monotonic() - began < 2.5
    assert (row.status, row.cause, row.message) == (TaskStatus.ABORTED, Cause.ABORTED, "enough of it")
    row = team.ended(stubborn, 6)
    assert row.status is TaskStatus.ABORTED
    assert "killed" in (row.message or "")
    assert not any(alive(pid) for pid in pids_in(team.console(stubborn)))


def test_daemons_that_a_script_leaves_behind_end_with_it(team: Team):
    number = team.script(
        "import os, sys, time\n"
        "for _ in range(2):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork() == 0:\n"
        "            os.write(1, b'pid %d\\n' % os.getpid())\n"  # in one write: both write at once
        "            time.sleep(600)\n"
        "        os._exit(0)\n"
        "time.sleep(2)"
    )
    team.worker()
    assert team.ended(number).status is TaskStatus.COMPLETED
    found = pids_in(team.console(number))
    assert len(found) == 2
    assert not any(alive(pid) for pid in found)


def test_output_of_any_kind_is_kept_and_secrets_are_masked(team: Team):
    number = team.script(
        "import os, sys\nos.write(1, b'\\xff\\xfe broken\\n')\nprint('token is', 'hunter' + '2hunter2')\n"
        "print('OTHER_TOKEN' in os.environ)\nprint('OPEN_SECRET' in os.environ)\nsys.exit('bad hunter2hunter2')"
    )
    team.worker("--pass", "OPEN_SECRET", env={"OPEN_SECRET": "hunter2hunter2", "OTHER_TOKEN": "x" * 9})
    row = team.ended(number)
    console = team.console(number)
    assert "\ufffd\ufffd broken" in console
    assert "token is ****" in console
    assert "False\nTrue" in console
    assert "bad ****" in (row.message or "")
    assert "hunter2hunter2" not in team.log()


def test_a_flood_of_output_neither_fills_the_disk_nor_holds_the_script_up(team: Team):
    number = team.script(
        "import os\nline = b'x' * 999 + b'\\n'\nfor _ in range(300):\n    os.write(1, line * 1000)\nprint('the end')"
    )
    team.worker()
    most = 0
    end = time.monotonic() + 60
    while team.get(number).status in (TaskStatus.QUEUED, TaskStatus.RUNNING) and time.monotonic() < end:
        sizes = [f.stat().st_blocks * 512 for f in (team.folder / "workers").rglob("console.log")]
        most = max([most, *sizes])
        time.sleep(0.05)
    assert team.ended(number).status is TaskStatus.COMPLETED
    assert most < 80 << 20
    assert team.console(number).rstrip().endswith("the end")


def test_a_worker_that_is_killed_takes_its_scripts_along_and_another_runs_them(team: Team):
    number = team.script("import os, time\nprint('pid', os.getpid(), flush=True)\ntime.sleep(2)\nprint('done')")
    first = team.worker(name="first")
    team.until(lambda: "pid" in team.console(number))
    pid = pids_in(team.console(number))[0]
    first.send_signal(signal.SIGKILL)
    first.wait()
    team.until(lambda: not alive(pid), 1.0)
    team.worker(name="second")
    row = team.ended(number)
    assert row.status is TaskStatus.COMPLETED
    assert (row.attempt, row.charged) == (2, 1)
    assert "done" in team.console(number)


def test_a_worker_told_to_end_lets_scripts_finish_and_told_twice_hands_them_back(team: Team):
    number = team.script("import time\nprint('begun', flush=True)\ntime.sleep(1.5)")
    waiting = team.script("print('never')")
    worker = team.worker()
    team.until(lambda: "begun" in team.console(number))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    assert team.get(number).status is TaskStatus.COMPLETED
    assert team.get(waiting).status is TaskStatus.QUEUED
    long = team.script("import time\nprint('begun', flush=True)\ntime.sleep(60)")
    worker = team.worker()
    team.until(lambda: "begun" in team.console(long))
    worker.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    row = team.get(long)
    assert (row.status, row.cause, row.charged) == (TaskStatus.QUEUED, Cause.PREEMPTED, 0)


def test_a_drain_by_the_store_ends_a_worker(team: Team):
    worker = team.worker(name="drained")
    team.until(lambda: bool(team.store.workers.list()))
    team.store.workers.drain("drained")
    assert worker.wait(10) == 0


def test_a_disk_that_is_full_fails_the_task_and_not_the_worker(team: Team):
    number = team.script("print('x' * 10)\n", untracked={"big": {"blob": team.store.blobs.put(b"0" * (3 << 20))}})
    small = team.function("platform:python_version")
    team.worker(limit="ulimit -f 2048")
    row = team.ended(number)
    assert (row.status, row.cause) == (TaskStatus.FAILED, Cause.NOT_PREPARED), row
    assert team.ended(small).status is TaskStatus.COMPLETED


def test_a_worker_that_slept_through_its_lease_ends_what_is_anothers_by_now_and_begins_anew(team: Team):
    number = team.script("import os, time\nprint('pid', os.getpid(), flush=True)\ntime.sleep(4)\nprint('done')")
    first = team.worker(name="first")
    team.until(lambda: "pid" in team.console(number))
    slept = pids_in(team.console(number))[0]
    session = team.store.workers.get("first").id
    first.send_signal(signal.SIGSTOP)
    team.worker(name="second")
    team.until(lambda: team.get(number).attempt == 2, 10)
    first.send_signal(signal.SIGCONT)
    team.until(lambda: not alive(slept), 4)
    team.until(lambda: team.store.workers.get("first").id != session, 5)
    row = team.ended(number)
    assert (row.status, row.attempt) == (TaskStatus.COMPLETED, 2)
    ends = [event for event in team.store.task_log.of(number) if event.kind == "task_ended"]
    assert len(ends) == 1


def test_daemons_of_a_script_die_with_a_worker_that_is_killed(team: Team):
    number = team.script(
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        print('pid', os.getpid(), flush=True)\n        time.sleep(600)\n    os._exit(0)\ntime.sleep(600)"
    )
    worker = team.worker()
    team.until(lambda: "pid" in team.console(number))
    [daemon] = pids_in(team.console(number))
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    team.until(lambda: not alive(daemon), 3.0)


def test_a_silent_script_whose_attempt_was_lost_is_killed(team: Team):
    number = team.script("import os, time\nprint('pid', os.getpid(), flush=True)\ntime.sleep(600)")
    team.worker()
    team.until(lambda: "pid" in team.console(number))
    [pid] = pids_in(team.console(number))
    session = team.store.workers.get("w").id
    held = Held(number=number, fence=team.get(number).fence)
    team.store.claims.hand_back(session, [held], message="taken away")  # as if another had given it back
    team.until(lambda: not alive(pid), 5.0)


def test_code_of_a_repository_without_a_commit_is_its_head_and_the_task_then_says_which(team: Team, repository: Path):
    team.worker()
    url = f"file://{repository}"
    (team.folder / "value.py").write_text("def tell(): return 'of the folder of the worker'\n")
    (repository / "value.py").write_text("def tell(): return 'of the repository'\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "second")
    head = git(repository, "rev-parse", "HEAD")
    script = team.add(entry="script", entry_point="train.py", working_dir="sub", repository=url, python_path=["lib"])
    function = team.add(entry="function", entry_point="value:tell", repository=url)
    for number in (script, function):
        assert team.ended(number).status is TaskStatus.COMPLETED, team.get(number).message
        assert team.get(number).source["commit"] == head
    assert team.get(function).result == "of the repository"
