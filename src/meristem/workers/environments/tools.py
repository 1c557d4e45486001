"""Runs git, uv and the like while a task is prepared: what they print goes to the task's console."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

_LAST_LINES = 12


class NotPrepared(Exception):
    """A task cannot be made ready; the message says what, why, and how to mend it."""


def say(text: str) -> None:
    """A line in the task's console about how its preparation goes."""
    print(f"[meristem] {text}", flush=True)


def run(
    command: Sequence[str | Path], *, what: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Runs a program; its output goes to the console.

    Args:
        what: What did not work if it fails: "the packages cannot be installed".

    Raises:
        NotPrepared: It failed, with its last lines; or there is no such program.
    """
    code, lines = _run(command, cwd, env)
    if code:
        raise NotPrepared(f"{what}: {_joined(lines) or f'{command[0]} ended with exit code {code}'}")


def tries(command: Sequence[str | Path], *, cwd: Path | None = None) -> str | None:
    """Runs a program that may fail, silently; None where it went well, else its last lines."""
    code, lines = _run(command, cwd, None, silent=True)
    return None if code == 0 else _joined(lines) or f"exit code {code}"


def asks(command: Sequence[str | Path], *, cwd: Path | None = None) -> str | None:
    """What a program prints, stripped; None where it fails. Nothing goes to the console."""
    try:
        done = subprocess.run(
            [str(part) for part in command], cwd=cwd, capture_output=True, check=False, stdin=subprocess.DEVNULL
        )
    except OSError:
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None


def safe_path(root: Path, relative: str, what: str) -> Path:
    """A path below `root`, which neither `..`, nor symbolic links in `root`, nor git's own folder can leave.

    Raises:
        NotPrepared: It would lie elsewhere.
    """
    parts = PurePosixPath(relative.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or "\0" in relative or ".git" in [p.lower() for p in parts.parts]:
        raise NotPrepared(f"{what} {relative!r} lies outside of the task's code, and is refused.")
    path = root / parts
    if path == root:
        return root
    if not path.parent.resolve().is_relative_to(root.resolve()) or path.is_symlink():
        raise NotPrepared(f"{what} {relative!r} leads out of the task's code by a link, and is refused.")
    return path


def _run(
    command: Sequence[str | Path], cwd: Path | None, env: Mapping[str, str] | None, *, silent: bool = False
) -> tuple[int, deque[str]]:
    lines: deque[str] = deque(maxlen=_LAST_LINES)
    try:
        child = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError as error:
        raise NotPrepared(
            f"{command[0]} cannot be started: {error.strerror}. Is it installed on this worker?"
        ) from None
    assert child.stdout is not None
    with child:
        for line in child.stdout:
            if not silent:
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
            lines.append(re.sub(r"\x1b\[[0-9;]*m", "", line.decode("utf-8", "replace")).strip())
    return child.wait(), lines


def _joined(lines: Sequence[str] | deque[str]) -> str:
    return " | ".join(line for line in lines if line)[:2000]
