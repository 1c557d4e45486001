"""A task's code on the worker's disk, and how it is started."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from meristem.workers.environments.code import entry_command, has_code, is_checked_out, lay_out
from meristem.workers.environments.tools import NotPrepared


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


@pytest.mark.parametrize(
    ("name", "text", "mode", "command"),
    [
        ("train.py", "#!/bin/sh\n", 0o644, ["python", "train.py"]),
        ("train", "import os\n", 0o644, ["python", "train"]),
        ("t.sh", "#!/bin/sh -e\n", 0o644, ["/bin/sh", "-e", "t.sh"]),
        ("t.jl", "#!/usr/bin/env -S julia -O3\n", 0o644, ["/usr/bin/env", "-S julia -O3", "t.jl"]),
        ("program.bin", "\x7fELF", 0o755, ["./program.bin"]),
    ],
)
def test_a_script_is_started_by_what_it_is_written_in(
    tmp_path: Path, name: str, text: str, mode: int, command: list[str]
) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / name).chmod(mode)
    source = {"entry": "script", "entry_point": name, "arguments": ["a"]}
    assert entry_command(source, "python", tmp_path, tmp_path) == [*command, "a"]


def test_a_script_that_nothing_can_run_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "t.sh").write_text("echo\n")
    with pytest.raises(NotPrepared, match="first line such as #!/bin/sh"):
        entry_command({"entry": "script", "entry_point": "t.sh"}, "python", tmp_path, tmp_path)


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
