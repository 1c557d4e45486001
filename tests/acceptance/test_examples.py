"""Each example runs as it is written, and ends with exactly its budget also when it is killed half-way."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def meristem(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "meristem.cli.main", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def shown(folder: Path, name: str) -> Any:
    return json.loads(meristem(folder, "study", "show", name, "--json").stdout)


@pytest.mark.parametrize(
    ("example", "name", "trials"), [("command", "awk-polynomial", 12), ("bring_your_own", "bring-your-own", 12)]
)
def test_an_example_that_is_killed_goes_on_to_its_budget(tmp_path: Path, example: str, name: str, trials: int) -> None:
    folder = tmp_path / example
    shutil.copytree(EXAMPLES / example, folder, ignore=shutil.ignore_patterns("meristem*", "journal.md"))
    run = [sys.executable, "-m", "meristem.cli.main", "run", "study.yaml", "--trials", str(trials)]
    engine = subprocess.Popen(run, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    deadline = time.monotonic() + 60
    while len(list(folder.glob("meristem-trials/*/*/exit_code"))) < 3:
        assert engine.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    engine.kill()
    engine.wait()
    done = meristem(folder, "study", "resume", name, "--json")
    assert done.returncode == 0, done.stderr
    view = shown(folder, name)
    assert (view["status"], view["counts"]) == ("completed", {"completed": trials})
    assert view["best"]["parameters"]


def test_the_quickstart_finds_something_and_compares_it_with_the_defaults(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "quickstart" / "digits.py"), "--trials", "6"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    assert "held-out test set" in done.stdout
    assert "meristem study show" in done.stdout


def test_the_code_of_the_readme_runs(tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", (EXAMPLES.parent / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    search, task, data = code
    done = run_code(tmp_path, search.replace("trials=20", "trials=6"))
    assert done.returncode == 0, done.stderr
    assert "'model'" in done.stdout
    done = run_code(tmp_path, task)
    assert done.returncode == 0, done.stderr
    assert "meristem task import" in done.stderr
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "tuesday.csv").write_text("a,b\n1,2\n")
    done = run_code(tmp_path, f"{data}\nprint(*folder.iterdir())")
    assert done.returncode == 0, done.stderr
    assert "tuesday.csv" in done.stdout


def run_code(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    script = folder / "readme.py"
    script.write_text(code, encoding="utf-8")
    environment = {**os.environ, "MERISTEM_OFFLINE": "1", "MERISTEM_CACHE": str(folder / "cache")}
    command = [sys.executable, script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("data", ["nowhere", None])
def test_five_days_of_labelling_become_five_versions_that_hold_what_was_there(tmp_path: Path, data: str | None) -> None:
    script = [sys.executable, str(EXAMPLES / "occupancy_data" / "run.py"), *(["--data", data] if data else [])]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "100"}
    done = subprocess.run(
        script, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"│ (1\.0\.\d) +│ +(\d) │ +([\d,]+) │ (\S+ \S+) ", done.stdout)
    assert rows == [
        ("1.0.0", "1", "1,440", "+1 ~0"),
        ("1.0.1", "2", "2,880", "+1 ~1"),
        ("1.0.2", "3", "4,320", "+1 ~2"),
        ("1.0.3", "4", "5,760", "+1 ~2"),
        ("1.0.4", "5", "7,200", "+1 ~2"),
    ]
    right = re.search(r"trained on version 1\.0\.4, 7,200 rows; right on ([\d.]+)%", done.stdout)
    assert right is not None
    assert float(right[1]) > 90
    assert "every byte is as it was" in done.stdout
    assert list(tmp_path.iterdir()) == []
