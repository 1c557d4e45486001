"""What came of an attempt, from how its process ended (pure)."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meristem.processes.group_leader import in_words
from meristem.statuses import Cause, TaskStatus

_MESSAGE_CHARACTERS = 2000
_MISSING_FILE = re.compile(r"FileNotFoundError: .*?No such file or directory: '([^']+)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an attempt's process ended.

    Attributes:
        prepared: It came to run at all.
        code: Exit code, negative for a signal; None where it is not known.
        stopped: It ended after it had been asked to.
        killed: We killed it.
        oom: The kernel killed something for memory meanwhile; None where it does not say.
        tail: The last that it printed.
        fault: What could not be written of its output.
        message: Why it ended, in its own words or those of its preparation.
        result: What a function returned.
        gone: Nothing is known: what watched over it was killed.
    """

    prepared: bool = True
    code: int | None = 0
    stopped: bool = False
    killed: bool = False
    oom: bool | None = None
    tail: str = ""
    fault: str | None = None
    message: str | None = None
    result: Any = None
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Where the task goes. `status` None: back to its queue."""

    status: TaskStatus | None
    cause: Cause | None = None
    message: str | None = None
    result: Any = None


def verdict(ended: Ended, *, abort: str | None = None, hand_back: str | None = None) -> Verdict:
    """What becomes of the attempt.

    Args:
        abort: Why somebody asked for its end, if so.
        hand_back: Why the worker wanted it to end, if so.
    """
    if abort is not None and (ended.stopped or ended.gone):
        how = "; it did not end within its grace period and was killed" if ended.killed and ended.prepared else ""
        return Verdict(status=TaskStatus.ABORTED, cause=Cause.ABORTED, message=_cut(abort + how))
    if hand_back is not None and (ended.stopped or ended.gone):
        return Verdict(status=None, cause=Cause.PREEMPTED, message=hand_back)
    if ended.gone:
        why = "the process that watched over it was killed (most likely the system ran out of memory)"
        return Verdict(status=TaskStatus.FAILED, cause=Cause.OUT_OF_MEMORY, message=why)
    if not ended.prepared:
        why = ended.message or f"its preparation ended: {in_words(ended.code)}{_last_line(ended.tail)}"
        return Verdict(status=TaskStatus.FAILED, cause=Cause.NOT_PREPARED, message=_cut(why))
    if ended.code == 0 and ended.message is None:
        return Verdict(status=TaskStatus.COMPLETED, result=ended.result, message=ended.fault)
    by_hand = ended.code == -signal.SIGKILL and ended.oom is False and not ended.killed
    if by_hand and ended.message is None:
        why = f"was killed by SIGKILL, not for lack of memory{_last_line(ended.tail)}"
        return Verdict(status=TaskStatus.FAILED, cause=Cause.CODE_FAILED, message=_cut(why))
    if (ended.code == -signal.SIGKILL or (ended.oom and ended.code)) and not (ended.killed or by_hand):
        sure = "the system ran out of memory" if ended.oom else "most likely the system ran out of memory"
        return Verdict(status=TaskStatus.FAILED, cause=Cause.OUT_OF_MEMORY, message=f"killed by SIGKILL: {sure}")
    why = ended.message or in_words(ended.code).replace(", or fewer trials in parallel", "") + _last_line(ended.tail)
    fault = f" ({ended.fault})" if ended.fault else ""
    return Verdict(status=TaskStatus.FAILED, cause=Cause.CODE_FAILED, message=_cut(why) + _hint(why) + fault)


def read_ended(told: Mapping[str, Any] | None, not_prepared: str | None) -> Ended:
    """What an attendant told (None: nothing), and why the preparation failed, if it did."""
    if told is None:
        return Ended(gone=True, code=None)
    return Ended(
        prepared=told["phase"] == "run" and not_prepared is None,
        code=told["code"],
        stopped=told["stopped"],
        killed=told["killed"],
        oom=told["oom"],
        tail=told["tail"],
        fault=told["fault"],
        message=not_prepared,
    )


def _hint(why: str) -> str:
    """Of a file that lies beside the code where it was written, and not here."""
    found = _MISSING_FILE.search(why)
    if found is None or found[1].startswith(("/", "~")):
        return ""
    return (
        f". Files that git ignores, such as data, do not come along to a worker: read {found[1]!r} from a place that "
        "all machines reach, and give its path as a parameter"
    )


def _last_line(tail: str) -> str:
    lines = [line.rpartition("\r")[2].strip() for line in tail.splitlines()]
    last = next((line for line in reversed(lines) if line), "")
    return f": {last[:500]}" if last else ""


def _cut(text: str) -> str:
    return text if len(text) <= _MESSAGE_CHARACTERS else text[: _MESSAGE_CHARACTERS - 1] + "…"
