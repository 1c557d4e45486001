"""What a process spends from its start to its end: wall time, CPU time of itself and its children, and memory."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LAST_WORDS = 1500  # characters of an error that are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Seconds, CPU seconds, and the most memory that one process held at once, in bytes.

    Memory is never less than what the measuring process itself has held, for Linux counts it for the moment before a
    child becomes another program; so the measuring process keeps small.
    """

    wall: float = 0.0
    cpu: float = 0.0
    memory: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(wall=self.wall + other.wall, cpu=self.cpu + other.cpu, memory=max(self.memory, other.memory))


class StepFailed(Exception):
    """A command did not succeed."""


class Stopwatch:
    """Wall seconds of the block it is used around, and CPU seconds of this process and its ended children."""

    wall = cpu = 0.0

    def __enter__(self) -> Stopwatch:
        self._cpu, self._wall = _cpu_seconds(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self._wall, _cpu_seconds() - self._cpu


def run(words: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> tuple[Spent, str]:
    """Runs a program; returns what it spent from its start to its end, and what it printed.

    Raises:
        StepFailed: It ended with another code than 0.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as told:
        began = time.perf_counter()
        process = subprocess.Popen(words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=told)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)  # it is waited for: Popen must not do so again
        out.seek(0), told.seek(0)
        printed, error = out.read().decode(errors="replace"), told.read().decode(errors="replace")
    if process.returncode:
        raise StepFailed(f"{' '.join(words)}: ended with {process.returncode}: {(error or printed)[-_LAST_WORDS:]}")
    return Spent(wall=wall, cpu=used.ru_utime + used.ru_stime, memory=used.ru_maxrss << 10), printed


def run_inner(module: str, words: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Spent:
    """Runs `python -m module …`, whose last line says how long the step took inside; memory is that of the process."""
    whole, printed = run([sys.executable, "-m", module, *words], cwd=cwd, env=env)
    inner = json.loads(printed.strip().splitlines()[-1])
    return Spent(wall=inner["wall"], cpu=inner["cpu"], memory=whole.memory)


def tell(watch: Stopwatch) -> None:
    """Prints the line that `run_inner` reads."""
    print(json.dumps({"wall": watch.wall, "cpu": watch.cpu}), flush=True)


def bytes_below(folder: Path) -> int:
    """Sum of the sizes of all files in a folder and below; 0 where there is none."""
    return sum(entry.stat(follow_symlinks=False).st_size for entry in _files(folder))


def differing(left: Path, right: Path) -> list[str]:
    """Paths of files that only one of two folders has, or that have other bytes; all are read."""
    names = [{os.path.relpath(entry.path, folder) for entry in _files(folder)} for folder in (left, right)]
    apart = names[0] ^ names[1]
    return sorted(apart | {name for name in names[0] & names[1] if not _equal(left / name, right / name)})


def _equal(left: Path, right: Path) -> bool:
    with left.open("rb") as one, right.open("rb") as other:
        while (block := one.read(1 << 20)) == other.read(1 << 20):
            if not block:
                return True
    return False


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as found:
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path))
            else:
                yield entry


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
