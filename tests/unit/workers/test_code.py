"""A task's code on the worker's disk, and how it is started."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from meristem.workers.environments.code import has_code, is_checked_out, lay_out


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / "train.py").write_text("print(1)\n")
    who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)
    return folder


def test_a_repository_without_branch_and_commit_means_the_head_of_its_default_branch(
    repository: Path, tmp_path: Path
) -> None:
    source = {"repository": f"file://{repository}", "entry": "script", "entry_point": "train.py"}
    folder, commit = lay_out(source, tmp_path / "blobs", tmp_path / "cache", tmp_path / "code")
    assert (folder / "train.py").exists()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True)
    assert commit == head.stdout.decode().strip()


def test_where_the_code_comes_from() -> None:
    assert is_checked_out({"repository": "u"})
    assert has_code({"repository": "u", "entry": "function"})
    assert not is_checked_out({"repository": "u", "script": {"blob": "b"}})  # before its first commit
    assert not has_code({"entry": "function", "root": "/somewhere"})


def test_a_mirror_without_the_commit_says_so_in_one_line(
    repository: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A commit that was never pushed comes from the folder in which it was made."""
    pushed = tmp_path / "pushed.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(repository), str(pushed)], check=True)
    who = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run([*who, "commit", "-q", "--allow-empty", "-m", "two"], cwd=repository, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True)
    commit = head.stdout.decode().strip()
    source = {"repository": f"file://{pushed}", "root": str(repository), "commit": commit}
    assert lay_out(source, tmp_path / "blobs", tmp_path / "cache", tmp_path / "code")[1] == commit
    said = capfd.readouterr()
    assert "fatal" not in said.out + said.err
    assert "never pushed" in said.out
