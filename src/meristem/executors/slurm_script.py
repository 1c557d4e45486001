"""What a trial's folder holds for its Slurm job, and what the job leaves there.

Before: `parameters.json`, `environment.sh` (variables), `command.sh` (what is run). By the job: `claim` (which job runs
the trial), `stdout.log`, `stderr.log`, `slurm.log`, `terminated` (Slurm sent SIGTERM), `exit_code`. Parameters' values
stand only in `parameters.json` and, quoted, in `environment.sh` and `command.sh`: `sbatch` refuses some characters in a
job's script.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from meristem import present
from meristem.errors import InputError
from meristem.executors.command_outcome import STDERR_FILE, STDOUT_FILE
from meristem.executors.launch import EXIT_CODE_FILE, read_number, text_of
from meristem.executors.placeholders import Command, fill_arguments, fill_shell, variable_of
from meristem.executors.slurm_states import Traces
from meristem.present import PRESENT_VARIABLE
from meristem.space import Parameters
from meristem.spool import PARAMETERS_FILE, PARAMETERS_VARIABLE, REPORT_FILE, REPORT_VARIABLE, STOP_FILE

SCRIPT_FILE, CLAIM_FILE, SLURM_LOG = "job.sh", "claim", "slurm.log"
_COMMAND_FILE, _ENVIRONMENT_FILE, _TERMINATED_FILE = "command.sh", "environment.sh", "terminated"
_LAST_WORDS_BYTES = 4096

# The claim is a symbolic link that points to the job's id: made whole or not at all, by one job only, on every shared
# file system. Should a lost answer of sbatch ever leave two jobs of one trial, one runs it and the other ends at once.
# A requeued job finds its own claim and runs again. With a handler, the shell outlives a SIGTERM and waits for its
# child. Slurm signals one process after the other: a child that ends at once may be ahead of its shell's own signal.
SCRIPT = f"""#!/bin/sh
# Runs one trial of Meristem in the folder that is given.
meristem_folder_=$1
if [ ! -d "$meristem_folder_" ]; then
    echo "$(hostname): there is no folder $meristem_folder_; it must lie on a file system that the nodes share" >&2
    exit 1
fi
if [ -e "$meristem_folder_/{STOP_FILE}" ]; then
    exit 0
fi
ln -s "$SLURM_JOB_ID" "$meristem_folder_/{CLAIM_FILE}" 2> /dev/null
if [ "$(readlink "$meristem_folder_/{CLAIM_FILE}")" != "$SLURM_JOB_ID" ]; then
    echo "job $SLURM_JOB_ID: another job runs this trial"
    exit 0
fi
rm -f "$meristem_folder_/{EXIT_CODE_FILE}" "$meristem_folder_/{_TERMINATED_FILE}"
meristem_terminated_=
trap 'meristem_terminated_=yes' HUP INT TERM
trap : USR1 USR2
. "$meristem_folder_/{_ENVIRONMENT_FILE}"
/bin/sh "$meristem_folder_/{_COMMAND_FILE}" >> "$meristem_folder_/{STDOUT_FILE}" 2>> "$meristem_folder_/{STDERR_FILE}"
meristem_code_=$?
sleep 0.1
if [ -n "$meristem_terminated_" ]; then
    : > "$meristem_folder_/{_TERMINATED_FILE}"
fi
echo $meristem_code_ > "$meristem_folder_/{EXIT_CODE_FILE}.tmp" &&
    mv "$meristem_folder_/{EXIT_CODE_FILE}.tmp" "$meristem_folder_/{EXIT_CODE_FILE}"
exit $meristem_code_
"""


def write_job(
    folder: Path, command: Command, number: int, parameters: Parameters, names: Collection[str], env: Mapping[str, str]
) -> None:
    """Writes all that the job of trial `number` reads.

    Args:
        names: All parameters of the space; those that are inactive become empty text.
        env: Variables beside those of the trial.

    Raises:
        InputError: A value holds NUL, which no command line and no variable can.
        OSError: The folder cannot be written.
    """
    values = dict.fromkeys(sorted(names), "") | {"trial": str(number), "folder": str(folder)}
    values |= {name: text_of(value) for name, value in parameters.items()}
    if bad := [name for name, value in values.items() if "\0" in value]:
        raise InputError(f"Trial {number} cannot be run.", [f"the value of {bad[0]!r} contains NUL"])
    if isinstance(command, str):
        line, variables = fill_shell(command, values)
    else:
        line, variables = shlex.join(fill_arguments(command, values)), {}
    variables = {**env, **_variables(folder, number, parameters), **variables}
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    for name, text in {
        PARAMETERS_FILE: json.dumps(dict(parameters), default=str, ensure_ascii=False),
        _ENVIRONMENT_FILE: exports,
        _COMMAND_FILE: line + "\n",
        SCRIPT_FILE: SCRIPT,
    }.items():
        (folder / name).write_bytes(text.encode(errors="surrogatepass"))


def traces_in(folder: Path) -> Traces:
    try:
        names = set(os.listdir(folder))  # also makes NFS forget for which files it remembers that they are missing
    except OSError:
        names = set()
    code = read_number(folder / EXIT_CODE_FILE) if EXIT_CODE_FILE in names else None
    return Traces(
        exit_code=code,
        claimant=claimant_of(folder),
        terminated=_TERMINATED_FILE in names,
        stop_asked=STOP_FILE in names,
        last_words=_last_words(folder / STDERR_FILE) if code else "",
    )


def claimant_of(folder: Path) -> str | None:
    """The id of the job that runs, or ran, the trial of this folder; None where none began."""
    try:
        return os.readlink(folder / CLAIM_FILE)
    except OSError:
        return None


def _variables(folder: Path, number: int, parameters: Parameters) -> dict[str, str]:
    here = present.here()
    variables = {
        **({PRESENT_VARIABLE: present.variable_of(here)} if here else {}),
        REPORT_VARIABLE: str(folder / REPORT_FILE),
        PARAMETERS_VARIABLE: str(folder / PARAMETERS_FILE),
        "MERISTEM_TRIAL": str(number),
        "MERISTEM_FOLDER": str(folder),
        "MERISTEM_PYTHON": sys.executable,
    }
    return variables | {variable_of(name): text_of(value) for name, value in parameters.items()}


def _last_words(path: Path) -> str:
    """The last line that is not empty, 200 characters of it."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LAST_WORDS_BYTES))
            lines = file.read().decode(errors="replace").replace("\0", "").split("\n")
    except OSError:
        return ""
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")
