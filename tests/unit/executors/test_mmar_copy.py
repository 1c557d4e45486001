"""Copies of an MMAR: whole, apart from the original, and honest about what they are not."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from meristem.executors.mmar_copy import copy_mmar, key_content, links_leading_out


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """An MMAR with a model, data, links, runs of its own, and names that are not plain."""
    base = tmp_path / "base mmar é"
    for name in ("config", "commands", "resources", "models", "data", "automl/old/W1_1_J1"):
        (base / name).mkdir(parents=True)
    files = {
        "config/config_train.json": "{}", "config/environment.json": "{}", "config/data list.json": "[]",
        "config/other.json": "{}", "commands/train.sh": "echo", "resources/log.config": "x",
        "models/model.pt": "weights",
        "data/volume.bin": "voxels", "automl/old/W1_1_J1/log.txt": "old", "readme.md": "hello",
    }  # fmt: skip
    for name, text in files.items():
        (base / name).write_text(text)
    (base / "commands/train.sh").chmod(0o755)
    (base / "models/latest.pt").symlink_to("model.pt")
    (base / "models/absolute.pt").symlink_to(base / "models/model.pt")
    (tmp_path / "outside").mkdir()
    (base / "shared").symlink_to(tmp_path / "outside")
    return base


def contents(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_all_is_copied_but_the_runs(base: Path, tmp_path: Path) -> None:
    copy_mmar(base, tmp_path / "runs/W1_1_J1")
    copied = contents(tmp_path / "runs/W1_1_J1")
    assert copied == {name: text for name, text in contents(base).items() if not name.startswith("automl")}
    assert os.access(tmp_path / "runs/W1_1_J1/commands/train.sh", os.X_OK)


def test_whatever_a_trial_does_to_its_files_the_original_stays_as_it_was(base: Path, tmp_path: Path) -> None:
    before = contents(base)
    target = tmp_path / "job"
    copy_mmar(base, target)
    for path in list(target.rglob("*")):
        if path.is_file() and path.resolve().is_relative_to(target):
            with open(path, "r+b") as file:  # in place, as a checkpoint is written over
                file.write(b"changed by the trial")
    (target / "data/volume.bin").unlink()
    assert contents(base) == before


def test_links_within_lead_to_the_copy_and_links_out_are_told(base: Path, tmp_path: Path) -> None:
    target = tmp_path / "job"
    copy_mmar(base, target)
    for name in ("latest.pt", "absolute.pt"):
        assert (target / "models" / name).resolve() == (target / "models/model.pt").resolve()
    assert (target / "shared").resolve() == tmp_path / "outside"
    assert links_leading_out(base) == [f"shared -> {tmp_path / 'outside'}"]


def test_the_key_content_is_configurations_commands_and_resources(base: Path, tmp_path: Path) -> None:
    copy_mmar(base, tmp_path / "job", wanted=key_content("data list.json"))
    assert sorted(contents(tmp_path / "job")) == [
        "commands/train.sh", "config/config_train.json", "config/data list.json", "config/environment.json",
        "resources/log.config",
    ]  # fmt: skip


def test_files_that_may_only_be_read_can_be_written_in_the_copy(base: Path, tmp_path: Path) -> None:
    (base / "config/config_train.json").chmod(0o444)
    copy_mmar(base, tmp_path / "job")
    assert (tmp_path / "job/config/config_train.json").stat().st_mode & 0o200


def test_a_copy_that_breaks_off_leaves_nothing(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    monkeypatch.setattr("fcntl.ioctl", full)
    with pytest.raises(OSError, match="No space left"):
        copy_mmar(base, tmp_path / "runs/job")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_job_of_an_earlier_run_may_be_copied(base: Path, tmp_path: Path) -> None:
    copy_mmar(base, tmp_path / "first", begin=lambda part: (part / "meristem").mkdir())
    (tmp_path / "first/meristem/exit_code").write_text("0")
    copy_mmar(tmp_path / "first", tmp_path / "second", begin=lambda part: (part / "meristem").mkdir())
    assert list((tmp_path / "second/meristem").iterdir()) == []


def test_what_is_no_file_is_left_out(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(base)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("ear")
    os.mkfifo(base / "pipe")
    copy_mmar(base, tmp_path / "job")
    assert not (tmp_path / "job/ear").exists()
    assert not (tmp_path / "job/pipe").exists()
