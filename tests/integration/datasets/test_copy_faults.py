"""Copies beside kills, other processes, full disks and without rights: really done."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from tests.integration.datasets.copy_program import expected, paths

from meristem.datasets.copies import evict, list_copies
from meristem.datasets.copies.eviction import remove_tree

PROGRAM = Path(__file__).with_name("copy_program.py")
ROOT = Path(__file__).parents[3]
NOBODY = 65534


class Running:
    """A process that makes a copy."""

    def __init__(self, *args: object, **environment: object) -> None:
        path = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
        extra = {key: str(value) for key, value in environment.items()}
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, **extra},
            text=True,
        )
        if args[0] != "make":
            assert self._line() == "begun\n"

    def answer(self) -> dict[str, Any]:
        return json.loads(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> int:
        self.process.communicate()
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.kill()


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="meristem-copies-"))
    with Running("make", folder) as making:
        assert making.end() == 0
    yield folder
    remove_tree(folder)


@pytest.fixture
def base(made: Path, tmp_path: Path) -> Path:
    """The packs, with a cache of their own beside them."""
    remove_tree(made / "cache")
    return made


def is_whole(folder: Path) -> bool:
    found = {os.path.relpath(Path(above, name), folder) for above, _, names in os.walk(folder) for name in names}
    return found == set(paths()) and all((folder / path).read_bytes() == expected(path) for path in found)


def copied(kind: str, base: Path, folder: Path, **environment: object) -> dict[str, Any]:
    """What a process answers that copies without a pause, and has ended by then."""
    with Running(kind, base, folder, **environment) as running:
        answer = running.answer()
        assert running.end() == 0
    return answer


@pytest.mark.parametrize("kind", ["local", "own", "linked"])
def test_copies_that_are_killed_at_any_moment_go_on(base: Path, tmp_path: Path, kind: str) -> None:
    moments = random.Random(kind)
    folder = base / "cache" if kind == "local" else tmp_path / "copy"
    for _ in range(8):
        with Running(kind, base, folder, 0.001):
            time.sleep(moments.uniform(0.0, 0.7))
    path = Path(copied(kind, base, folder)["path"])
    assert is_whole(path)
    assert not list(path.glob(".meristem-*"))
    copies = base / "cache/copies"
    assert not (copies.exists() and list((copies / "incoming").iterdir()))


def test_what_a_killed_process_wrote_is_not_fetched_again(base: Path, tmp_path: Path) -> None:
    with Running("own", base, tmp_path / "copy", 0.002):
        while sum(path.stat().st_size > 0 for path in (tmp_path / "copy").rglob("f*")) < 100:
            time.sleep(0.01)
    got = copied("own", base, tmp_path / "copy")["got"]
    assert got <= copied("own", base, tmp_path / "whole")["got"] - 100
    assert is_whole(tmp_path / "copy")


def test_two_processes_make_one_copy(base: Path) -> None:
    cache = base / "cache"
    with Running("local", base, cache, 0.001) as first, Running("local", base, cache, 0.001) as second:
        answers = [first.answer(), second.answer()]
    assert answers[0]["path"] == answers[1]["path"]
    assert sorted(answer["got"] > 0 for answer in answers) == [False, True]
    told = next(answer["told"] for answer in answers if not answer["got"])
    assert "Waiting for process" in told[0]
    assert is_whole(Path(answers[0]["path"]))


def test_a_copy_is_not_evicted_while_a_process_uses_it(base: Path) -> None:
    with Running("local", base, base / "cache") as running:
        path = Path(running.answer()["path"])
        assert evict(base / "cache", 0) == []
        assert is_whole(path)
        running.kill()
    assert [copy.key for copy in evict(base / "cache", 0)] == [path.name]
    assert list_copies(base / "cache") == []


def test_copies_beside_eviction_are_whole_whenever_they_are_handed_out(base: Path) -> None:
    cache = base / "cache"
    for _ in range(3):
        with Running("local", base, cache) as first, Running("local", base, cache) as second:
            for _ in range(50):
                evict(cache, 0)
            found = {first.answer()["path"], second.answer()["path"]}
            evict(cache, 0)
            assert all(is_whole(Path(path)) for path in found)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB; what it can hold is raised by `mount -o remount`."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("kind", ["local", "own"])
def test_a_full_disk_says_what_is_needed_and_what_was_written_is_kept(base: Path, small_disk: Path, kind: str) -> None:
    answer = copied(kind, base, small_disk / "copy")
    assert str(small_disk) in answer["error"]
    assert answer["needed"] > answer["free"]
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    again = copied(kind, base, small_disk / "copy")
    assert is_whole(Path(again["path"]))
    assert again["got"] < copied("own", base, small_disk / "whole")["got"]


def test_a_limit_of_file_sizes_is_told_like_a_full_disk(base: Path, tmp_path: Path) -> None:
    answer = copied("own", base, tmp_path / "copy", COPY_LIMIT=500_000)
    assert "File too large" in answer["error"]
    assert is_whole(Path(copied("own", base, tmp_path / "copy")["path"]))


@pytest.mark.skipif(os.getuid() != 0, reason="all other tests show it where they are not run by root")
def test_read_only_copies_are_made_resumed_and_mended_without_rights_of_root(base: Path) -> None:
    cache = base / "cache"
    for folder in (base, base / "index"):
        folder.chmod(0o777)
    for file in (base / "index").iterdir():
        file.chmod(0o666)
    with Running("local", base, cache, 0.002, COPY_AS_USER=NOBODY):
        time.sleep(0.5)
    path = Path(copied("local", base, cache, COPY_AS_USER=NOBODY)["path"])
    (path / "d0/e0").chmod(0o700)
    (path / "d0/e0/f0000").unlink()
    (path / "large0").write_bytes(b"changed")
    (path / "d0/e1/new").mkdir()
    (path / "d0/e1/new").chmod(0o555)
    os.chown(path / "d0/e1/new", NOBODY, NOBODY)
    (path / "d1/e1/f0001").write_bytes(b"changed")
    assert "d1/e1/f0001" in copied("local", base, cache, COPY_AS_USER=NOBODY)["told"][0]
    assert is_whole(path)
    assert (path / "d0/e0").stat().st_mode & 0o777 == 0o555
