"""`meristem data` with its bytes on S3 (moto), over a network that fails: cut and resumed, two writers."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flaky_s3 import FlakyProxy
from s3_server import S3Server

pytestmark = pytest.mark.timeout(180)

FILES, FILE_BYTES = 24, 2 << 20
MERGES = """
import sys, time
from pathlib import Path
from meristem import Dataset
draft = Dataset.get("p/n", writable_copy=True)
draft.add_files(f"{sys.argv[1]}.txt")
Path("begun").touch()
while not Path("go").exists():
    time.sleep(0.01)
draft.finalize(on_conflict="merge")
"""


class Machine:
    """A machine with a cache of its own, that reaches the store and the bucket."""

    def __init__(self, name: str, store: str, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.environment = os.environ | environment | {"MERISTEM_STORE": store}
        self.environment["MERISTEM_CACHE"] = str(self.folder / "cache")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return self.start_program("from meristem.cli.main import main; main()", *arguments)

    def start_program(self, code: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, text=True, **pipes)

    def wait_for(self, file: str) -> None:
        deadline = time.monotonic() + 60
        while not (self.folder / file).exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def run(self, *arguments: str) -> str:
        process = self.start(*arguments)
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, (arguments, out, errors)
        return out


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for i in range(FILES):
        (folder / f"{i:02}.bin").write_bytes(random.Random(i).randbytes(FILE_BYTES))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_get_from_s3_that_is_killed_in_the_middle_goes_on_where_it_was(
    s3_server: S3Server, data: Path, tmp_path: Path
) -> None:
    store, bucket = f"sqlite:///{tmp_path}/m.db", s3_server.make_bucket()
    writer = Machine("writer", store, tmp_path, s3_server.environment())
    writer.run("data", "create", "p/n")
    writer.run("store", "blobs", f"s3://{bucket}/team")
    writer.run("data", "sync", "p/n", str(data), "--commit", "-m", "first")
    with FlakyProxy(s3_server.url, faults={"stall": 1.0}, stall_seconds=0.3) as proxy:
        reader = Machine("reader", store, tmp_path, s3_server.environment(proxy.url))
        getting = reader.start("data", "get", "p/n", "--to", "out")
        out = reader.folder / "out"
        deadline = time.monotonic() + 60
        while proxy.sent_bytes < FILES * FILE_BYTES // 3:
            assert getting.poll() is None, getting.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.3)
        getting.send_signal(signal.SIGKILL)
        getting.communicate()
        first = proxy.sent_bytes
        assert contents(out).keys() < contents(data).keys() or not contents(out)
        told = json.loads(reader.run("data", "get", "p/n", "--to", "out", "--json"))
    assert told["files"] == FILES
    assert contents(out) == contents(data)
    assert proxy.sent_bytes - first < FILES * FILE_BYTES  # what had arrived was not sent again


def test_two_writers_on_one_bucket_that_fails_make_two_versions_and_lose_nothing(
    s3_server: S3Server, data: Path, tmp_path: Path
) -> None:
    store, bucket = f"sqlite:///{tmp_path}/m.db", s3_server.make_bucket()
    faults = {"slow_down": 0.05, "error": 0.05, "reset": 0.03, "lost": 0.03, "cut": 0.03}
    with FlakyProxy(s3_server.url, seed=5, faults=faults) as proxy:
        environment = s3_server.environment(proxy.url)
        machines = [Machine(name, store, tmp_path, environment) for name in ("anna", "ben")]
        machines[0].run("data", "create", "p/n")
        machines[0].run("store", "blobs", f"s3://{bucket}/team")
        machines[0].run("data", "sync", "p/n", str(data), "--commit", "-m", "first")
        both = []
        for machine in machines:
            (machine.folder / f"{machine.folder.name}.txt").write_text(machine.folder.name)
            both.append(machine.start_program(MERGES, machine.folder.name))
        for machine in machines:  # both have begun from 1.0.0 before either ends
            machine.wait_for("begun")
        for machine in machines:
            (machine.folder / "go").touch()
        for process in both:
            out, errors = process.communicate(timeout=120)
            assert process.returncode == 0, (out, errors)
        listed = json.loads(machines[0].run("data", "list", "p/n", "--json"))
        assert sorted(version["version"] for version in listed["versions"]) == ["1.0.0", "1.0.1", "1.0.2"]
        machines[1].run("data", "verify", "--all")
        machines[1].run("data", "get", "p/n", "--to", "merged")
    assert contents(machines[1].folder / "merged").keys() == contents(data).keys() | {"anna.txt", "ben.txt"}
    assert sum(proxy.done.values()) > proxy.done["passed"]
