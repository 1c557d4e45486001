"""What Slurm says about jobs, read and put into words: how a trial stands, and why. Pure.

Slurm writes JSON in another shape every few releases (22.05: the state is text, the exit code a raw number; from 23.11
lists and objects); all are read. Some of its programs may lack JSON: then the lines of `scontrol -o` are read.

Source: https://slurm.schedmd.com/job_state_codes.html, job_reason_codes.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from meristem.processes.group_leader import in_words
from meristem.statuses import TrialStatus

Standing = tuple[TrialStatus, str]

_RUNNING = TrialStatus.RUNNING
_WAITS = "PENDING"
# The states that end a job. All others (RUNNING, SUSPENDED, COMPLETING, REQUEUED, …) may still become any of them.
_ENDED_BY = {
    "COMPLETED": "",
    "CANCELLED": "was cancelled in Slurm, not by Meristem",
    "FAILED": "",
    "TIMEOUT": "ran into its time limit (raise time_limit, or let the training stop earlier)",
    "OUT_OF_MEMORY": "used more memory than it was given (raise memory)",
    "NODE_FAIL": "was on a node that failed",
    "BOOT_FAIL": "was on a node that did not boot",
    "LAUNCH_FAILED": "could not be started on its node",
    "DEADLINE": "could not end before its deadline",
    "PREEMPTED": "was preempted by a job of higher priority",
    "REVOKED": "was revoked: another cluster of the federation took it",
}
_GOES_ON = {
    "CONFIGURING": "its node is being made ready",
    "POWER_UP_NODE": "its node is being switched on",
    "SUSPENDED": "is suspended",
    "STOPPED": "is suspended",
    "COMPLETING": "is ending",
    "STAGE_OUT": "is ending",
    "REQUEUED": "was put back into Slurm's queue",
    "REQUEUE_FED": "was put back into Slurm's queue",
    "REQUEUE_HOLD": "was put back into Slurm's queue and is held; let it go on with: scontrol release {job}",
    "SPECIAL_EXIT": "was put back into Slurm's queue and is held; let it go on with: scontrol release {job}",
    "RESV_DEL_HOLD": "is held since its reservation is gone; let it go on with: scontrol release {job}",
}
_BASE = frozenset({_WAITS, "RUNNING", "SUSPENDED", *_ENDED_BY})
_BACK_IN_QUEUE = frozenset({"REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"})
_NEVER_STARTS = re.compile(
    r"Held|Hold|_held|Never|BadConstraints|NotAllowed|^Invalid|Partition(Down|Inactive|\w+Limit)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job as Slurm shows it.

    Attributes:
        state: The base state, such as `RUNNING`; empty where Slurm shows only a flag, such as `COMPLETING`.
        reason: Slurm's word for why it waits or failed; empty where it has none.
        exit_code: As a shell has it: above 128 for a signal; None where Slurm does not tell it.
    """

    job_id: str
    name: str = ""
    state: str
    flags: frozenset[str] = frozenset()
    reason: str = ""
    exit_code: int | None = None

    @property
    def ended(self) -> bool:
        return self.state in _ENDED_BY and not self.flags & _BACK_IN_QUEUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What a trial's folder tells.

    Attributes:
        exit_code: Of the training, as a shell has it; None while it runs, or where it could not write it.
        claimant: The id of the job that began to run the training here; None where none did.
        terminated: Slurm sent SIGTERM to the job.
        stop_asked: Meristem asked the trial to stop.
        last_words: The end of what the training wrote to stderr; empty where it wrote nothing.
    """

    exit_code: int | None = None
    claimant: str | None = None
    terminated: bool = False
    stop_asked: bool = False
    last_words: str = ""


def standing(job: Job, traces: Traces) -> Standing:
    """How the trial stands whose job Slurm shows."""
    if job.ended:
        return _ended(job, traces)
    well = traces.exit_code == 0 and not traces.terminated and not traces.stop_asked
    if not job.state and "COMPLETING" in job.flags and well:  # a node may take long to clean up
        return TrialStatus.COMPLETED, ""
    for flag in sorted(job.flags):
        if flag in _GOES_ON:
            return _RUNNING, f"job {job.job_id} {_GOES_ON[flag].format(job=job.job_id)}"
    if job.state == _WAITS:
        return _RUNNING, _why_it_waits(job)
    return _RUNNING, f"job {job.job_id} is suspended" if job.state == "SUSPENDED" else ""


def standing_of_unlisted(job_id: str, traces: Traces) -> Standing:
    """How the trial stands whose job Slurm knows no more: its folder decides."""
    if traces.stop_asked:
        return TrialStatus.STOPPED, ""
    if traces.terminated:
        return TrialStatus.FAILED, f"Slurm ended job {job_id}, and keeps no more why (a time limit, or cancelled)"
    if traces.exit_code == 0:
        return TrialStatus.COMPLETED, ""
    if traces.exit_code is not None:
        return TrialStatus.FAILED, _code_and_words(traces.exit_code, traces)
    begun = (
        "began and left no exit code: killed, or its node went down" if traces.claimant is not None else "never began"
    )
    return TrialStatus.FAILED, f"Slurm knows job {job_id} no more; it {begun}"


def jobs_of_json(text: str) -> list[Job]:
    """The jobs in the answer of `squeue --json` or `scontrol show jobs --json`.

    Raises:
        ValueError: It is no such answer, or tells of an error. (Slurm's programs say "no jobs" beside the error, and
            exit with 0: taken at their word, every trial would be lost while the controller restarts.)
    """
    answer = json.loads(text)
    if not isinstance(answer, dict) or not isinstance(answer.get("jobs"), list):
        raise ValueError("the answer has no list of jobs")
    if answer.get("errors"):
        raise ValueError("; ".join(_error_text(error) for error in answer["errors"]))
    return [_job_of(fields) for fields in answer["jobs"] if isinstance(fields, dict) and fields.get("job_id")]


def jobs_of_lines(text: str) -> list[Job]:
    """The jobs in the answer of `scontrol -o show job`: one line each."""
    jobs = []
    for line in text.splitlines():
        # A name or comment may hold anything, but stands behind or is the first of its kind: the first match counts.
        found = {key: match[1] for key in _KEYS if (match := re.search(rf"(?:^| ){key}=(\S*)", line))}
        if "JobId" not in found or "JobState" not in found:
            continue
        code, _, signal = found.get("ExitCode", "").partition(":")
        jobs.append(
            Job(
                job_id=found["JobId"],
                name=found.get("JobName", ""),
                reason=_reason(found.get("Reason")),
                exit_code=_shell_code(int(code), int(signal)) if code.isdigit() and signal.isdigit() else None,
                **_split([found["JobState"]]),
            )
        )
    return jobs


_KEYS = ("JobId", "JobName", "JobState", "Reason", "ExitCode")


def _ended(job: Job, traces: Traces) -> Standing:
    if traces.stop_asked:
        return TrialStatus.STOPPED, ""
    if job.state == "COMPLETED":
        return TrialStatus.COMPLETED, ""
    if job.state == "CANCELLED":
        return TrialStatus.ABANDONED, f"job {job.job_id} {_ENDED_BY[job.state]}"
    if job.state != "FAILED":
        return TrialStatus.FAILED, f"job {job.job_id} {_ENDED_BY[job.state]}"
    if traces.claimant is not None:
        code = job.exit_code if traces.exit_code is None else traces.exit_code
        return TrialStatus.FAILED, _code_and_words(code, traces)
    why = f" ({job.reason})" if job.reason else ""
    return TrialStatus.FAILED, (
        f"job {job.job_id} failed before the training began{why}; is the folder shared with the nodes? "
        "slurm.log in the trial's folder may tell more"
    )


def _code_and_words(code: int | None, traces: Traces) -> str:
    return in_words(code) + (f": {traces.last_words}" if traces.last_words else "")


def _why_it_waits(job: Job) -> str:
    if not job.reason:
        return f"job {job.job_id} waits in Slurm's queue"
    if _NEVER_STARTS.search(job.reason):
        return (
            f"job {job.job_id} waits in Slurm's queue and may never start by itself ({job.reason}); "
            f"see: scontrol show job {job.job_id}"
        )
    return f"job {job.job_id} waits in Slurm's queue ({job.reason})"


def _error_text(error: Any) -> str:
    if not isinstance(error, Mapping):
        return str(error)
    return ", ".join(str(error[key]) for key in ("description", "error", "source") if error.get(key))


def _job_of(fields: Mapping[str, Any]) -> Job:
    states = fields.get("job_state")
    return Job(
        job_id=str(fields["job_id"]),
        name=str(fields.get("name") or ""),
        reason=_reason(fields.get("state_reason")),
        exit_code=_exit_code(fields.get("exit_code")),
        **_split([states] if isinstance(states, str) else states or []),
    )


def _split(words: Iterable[str]) -> dict[str, Any]:
    """The base state and the flags; `CANCELLED by 1000` is `CANCELLED`."""
    states = [word.split()[0].upper() for word in words if word.strip()]
    base = [state for state in states if state in _BASE]
    return {"state": base[0] if base else "", "flags": frozenset(states) - set(base[:1])}


def _reason(reason: Any) -> str:
    return "" if reason in (None, "None", "(null)") else str(reason)


def _exit_code(given: Any) -> int | None:
    if isinstance(given, Mapping):
        signal = given.get("signal")
        number = signal.get("id", signal.get("signal_id")) if isinstance(signal, Mapping) else None
        code = _number(given.get("return_code"))
        return None if code is None else _shell_code(code, _number(number) or 0)
    raw = _number(given)
    return None if raw is None else _shell_code(raw >> 8, raw & 0x7F)


def _number(given: Any) -> int | None:
    if isinstance(given, Mapping):
        return _number(given.get("number")) if given.get("set", True) else None
    return given if isinstance(given, int) else None


def _shell_code(code: int, signal: int) -> int:
    return 128 + signal if signal else code
