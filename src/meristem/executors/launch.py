"""Starts one command in its own folder and session, and finds one again that a dead engine started.

In the folder: `parameters.json`, `stdout.log`, `stderr.log`, `pid` and, at the end, `exit_code`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from meristem import present
from meristem.executors.command_outcome import STDERR_FILE, STDOUT_FILE
from meristem.executors.placeholders import Command, fill_arguments, fill_shell, variable_of
from meristem.present import PRESENT_VARIABLE
from meristem.processes.group_leader import GroupLeader
from meristem.spool import PARAMETERS_FILE, PARAMETERS_VARIABLE, REPORT_FILE, REPORT_VARIABLE, STOP_FILE
from meristem.study.protocols import Attempt

PID_FILE, EXIT_CODE_FILE = "pid", "exit_code"

# Written by the command's own parent, so that they are right also when the engine dies meanwhile.
# With a handler (not ignored, which children would inherit) the shell outlives a SIGTERM to its
# group and still writes how the command ended. Variables are named so as to change none of the user's.
_WRAPPER = """
trap : HUP INT TERM
meristem_folder_=$1
shift
echo $$ > "$meristem_folder_/pid.tmp" && mv "$meristem_folder_/pid.tmp" "$meristem_folder_/pid"
"$@"
meristem_code_=$?
echo $meristem_code_ > "$meristem_folder_/exit_code.tmp" &&
    mv "$meristem_folder_/exit_code.tmp" "$meristem_folder_/exit_code"
exit $meristem_code_
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a command is, and where it runs.

    Attributes:
        names: All parameters of the space; those that are inactive in a trial become empty text.
        as_it_is: The command is a list of arguments without placeholders: braces in it are meant.
    """

    command: Command
    cwd: Path
    env: Mapping[str, str]
    names: frozenset[str] = frozenset()
    as_it_is: bool = False


def launch(surroundings: Surroundings, attempt: Attempt, gpus: Sequence[str]) -> GroupLeader:
    """Starts the command for `attempt`.

    Raises:
        OSError: The folder cannot be written, or the command line is too long.
        ValueError: A value holds NUL, which no command line can.
    """
    folder = attempt.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (PID_FILE, EXIT_CODE_FILE, STOP_FILE, REPORT_FILE):
        (folder / stale).unlink(missing_ok=True)
    parameters = json.dumps(dict(attempt.parameters), default=str, ensure_ascii=False)
    (folder / PARAMETERS_FILE).write_text(parameters, encoding="utf-8", errors="surrogatepass")
    arguments, variables = _filled(surroundings, attempt, folder)
    with open(folder / STDOUT_FILE, "wb") as stdout, open(folder / STDERR_FILE, "wb") as stderr:
        child = subprocess.Popen(
            ["/bin/sh", "-c", _WRAPPER, "sh", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=surroundings.cwd,
            env={**os.environ, **surroundings.env, **_environment(attempt, folder, gpus), **variables},
            start_new_session=True,
        )
    return GroupLeader(child.pid, child=child)


def find_running(folder: Path) -> GroupLeader | None:
    """The process that runs in `folder`, or None where it has ended or its pid is another's by now."""
    pid = read_number(folder / PID_FILE)
    if pid is None or pid <= 1:
        return None
    leader: GroupLeader | None = None
    with suppress(ProcessLookupError):
        leader = GroupLeader(pid)
    if leader is None:
        return None
    with suppress(psutil.Error):  # the folder stands in the wrapper's command line
        if str(folder.absolute()) in psutil.Process(pid).cmdline() and os.getpgid(pid) == pid:
            return leader
    leader.release()
    return None


def read_number(path: Path) -> int | None:
    """The whole number in a file, or None where it is missing or unfinished."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def text_of(value: Any) -> str:
    """A parameter's value as commands get it: text as it is, all else as in JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def _filled(surroundings: Surroundings, attempt: Attempt, folder: Path) -> tuple[list[str], dict[str, str]]:
    if surroundings.as_it_is:
        return [str(part) for part in surroundings.command], {}
    values = dict.fromkeys(sorted(surroundings.names), "")  # inactive parameters stay empty
    values |= {"trial": str(attempt.number), "folder": str(folder)}
    values |= {name: text_of(value) for name, value in attempt.parameters.items()}
    if not isinstance(surroundings.command, str):
        return fill_arguments(surroundings.command, values), {}
    line, variables = fill_shell(surroundings.command, values)
    return ["/bin/sh", "-c", line], variables


def _environment(attempt: Attempt, folder: Path, gpus: Sequence[str]) -> dict[str, str]:
    environment = {
        REPORT_VARIABLE: str(folder / REPORT_FILE),
        PARAMETERS_VARIABLE: str(folder / PARAMETERS_FILE),
        "MERISTEM_TRIAL": str(attempt.number),
        "MERISTEM_STUDY": attempt.study,
        PRESENT_VARIABLE: present.variable_of(present.trial(attempt.study, attempt.number)),
        "MERISTEM_FOLDER": str(folder),
        "MERISTEM_PYTHON": sys.executable,
        "MERISTEM_PARENT_FOLDER": str(attempt.parent_folder or ""),
    }
    for name, value in attempt.parameters.items():
        environment[variable_of(name)] = text_of(value)
    if gpus:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    return environment


def command_problems(command: object, cwd: object) -> list[str]:
    """What is wrong with a command and the folder to run it in, as sentences."""
    problems = []
    if isinstance(command, str):
        if not command.strip():
            problems.append("'command' is empty")
    elif not isinstance(command, Sequence) or not command:
        problems.append(f"'command' must be text for the shell or a list of arguments, not {command!r:.60}")
    elif odd := [part for part in command if isinstance(part, bool) or not isinstance(part, (str, int, float))]:
        problems.append(f"the argument {odd[0]!r:.60} of 'command' is neither text nor a number")
    if cwd is not None and not (isinstance(cwd, (str, Path)) and Path(cwd).is_dir()):
        problems.append(f"'cwd' is {cwd!r:.200}, which is no folder")
    return problems
