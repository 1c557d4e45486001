"""Calls Slurm's programs and translates what goes wrong: Slurm is away (ask again) or refuses (mend the request)."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Sequence

from meristem.errors import InputError, MeristemError
from meristem.executors.slurm_states import Job, jobs_of_json, jobs_of_lines

ANSWER_SECONDS = 60.0
# What Slurm's programs say when asking again later may help.
_AWAY = re.compile(
    r"unable to contact|timed out|connection (refused|reset|failure)|connect failure|zero bytes|temporarily unable"
    r"|temporarily unavailable|transport endpoint|communication|munge|authentication|credential|standby|in progress"
    r"|try again|not responding|retrying",
    re.IGNORECASE,
)
_UNKNOWN_JOB = re.compile(r"invalid job id|already completing or completed|job/step already", re.IGNORECASE)
_KEPT_VARIABLES = ("SLURM_CONF", "SLURM_JWT")


class SlurmAway(MeristemError):
    """Slurm gave no answer, or none that can be used; asking again later may help."""


class SlurmRefused(InputError):
    """Slurm will not take the job as it is asked for; asking again does not help."""


def submit(arguments: Sequence[str], descriptor: int | None) -> str:
    """The id of the job that `sbatch` with these arguments made.

    Args:
        descriptor: Kept open in `sbatch` while it runs, also after the death of this process.

    Raises:
        SlurmAway: No answer: the job was made or not.
        SlurmRefused: There is no job.
    """
    done = _run(["sbatch", "--parsable", *arguments], pass_fds=() if descriptor is None else (descriptor,))
    job_id = done.stdout.strip().split("\n")[-1].partition(";")[0]
    if done.returncode == 0 and job_id.isdigit():
        return job_id
    words = _words(done)
    if done.returncode == 0 or done.returncode < 0 or _AWAY.search(words):
        raise SlurmAway("sbatch did not say whether it took the job.", words)
    raise SlurmRefused("Slurm refuses the job", [words or f"sbatch ended with exit code {done.returncode}"])


def list_jobs() -> list[Job]:
    """All jobs of this user that Slurm still knows, ended ones included (for MinJobAge, mostly 300 s), in one call.

    Raises:
        SlurmAway: Slurm gave no answer that can be used.
    """
    done = _run(["squeue", "--me", "--states=all", "--json"])
    try:
        return jobs_of_json(done.stdout)
    except ValueError as error:
        words = _words(done) or str(error)
    if done.stdout.lstrip().startswith("{") or _AWAY.search(words):
        raise SlurmAway("Slurm does not tell how its jobs stand.", words)
    done = _run(["scontrol", "-o", "show", "job"])  # a Slurm that was built without JSON
    if done.returncode != 0:
        raise SlurmAway("Slurm does not tell how its jobs stand.", _words(done))
    return jobs_of_lines(done.stdout)


def find_job(job_id: str) -> Job | None:
    """One job that `list_jobs` does not have, such as another user's; None where Slurm does not know it.

    Raises:
        SlurmAway: Slurm gave no answer that can be used.
    """
    done = _run(["scontrol", "-o", "show", "job", job_id])
    found = [job for job in jobs_of_lines(done.stdout) if job.job_id == job_id]
    if found:
        return found[0]
    if done.returncode == 0 or _UNKNOWN_JOB.search(_words(done)):
        return None
    raise SlurmAway(f"Slurm does not tell how job {job_id} stands.", _words(done))


def cancel(job_ids: Collection[str], *, name: str) -> None:
    """Ends jobs: SIGTERM, and SIGKILL after the cluster's KillWait. Nothing happens to jobs that have ended
    or have another name.

    Raises:
        SlurmAway: Slurm gave no answer.
        SlurmRefused: They are another user's.
    """
    done = _run(["scancel", f"--name={name}", *job_ids])
    words = _words(done)
    if done.returncode == 0 or _UNKNOWN_JOB.search(words):
        return
    if _AWAY.search(words):
        raise SlurmAway(f"Slurm did not cancel {', '.join(job_ids)}.", words)
    raise SlurmRefused(f"Slurm does not cancel {', '.join(job_ids)}", [words])


def _run(command: Sequence[str], pass_fds: tuple[int, ...] = ()) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_SECONDS,
            env=_environment(),
            pass_fds=pass_fds,
        )
    except subprocess.TimeoutExpired:
        raise SlurmAway(f"{command[0]} gave no answer in {ANSWER_SECONDS:.0f} s.") from None
    except FileNotFoundError:
        raise SlurmRefused(
            f"There is no program {command[0]!r} here.",
            fix="Run this where Slurm's programs are, such as a login node, or put them on PATH.",
        ) from None


def _environment() -> dict[str, str]:
    """This process's environment without what would change the programs' answers.

    Meristem may itself run in a job, whose SLURM_ variables (such as SLURM_MEM_PER_CPU) would shape the new ones.
    """
    own = ("SLURM_", "SQUEUE_", "SCANCEL_", "SCONTROL_")
    return {name: v for name, v in os.environ.items() if not name.startswith(own) or name in _KEPT_VARIABLES}


def _words(done: subprocess.CompletedProcess[str]) -> str:
    lines = [re.sub(r"^\w+: (error: |fatal: )?", "", line.strip()) for line in done.stderr.strip().splitlines()]
    return "; ".join(line for line in lines if line)[:500]
