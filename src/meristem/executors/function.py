"""The `function` executor: trials are calls of one Python function.

It chooses where they run: each in a process of its own from a warm pool (`warm_pool`), or in
threads of this process (`in_process`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from meristem.errors import InputError
from meristem.executors.in_process import InProcess
from meristem.executors.warm_pool import WarmPool
from meristem.processes.gpus import gpus_of, parse_gpus, slot_count
from meristem.study.protocols import Attempt, Report


class FunctionExecutor:
    """Calls `function(trial)` for each trial; what it returns is the trial's score.

    Args:
        function: Takes a trial, returns a number or a dict of metrics.
        isolate: Each trial in its own process, so that a crash, an exit or a lack of memory fails
            that trial alone and any trial can be stopped by force. False: in threads of this
            process, where a trial can only be asked to stop.
        slots: How many trials at once; None: as many as the engine asks for.
        gpus: GPU ids, `,` within a slot and `:` between slots: `"0,1:2,3"`. Isolated functions see
            theirs in `CUDA_VISIBLE_DEVICES`, others in `trial.gpus`.

    Raises:
        InputError: `function` cannot be called, or slots and GPUs do not fit.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        *,
        isolate: bool = True,
        slots: int | None = None,
        gpus: str | None = None,
    ) -> None:
        if not callable(function):
            raise InputError(
                f"The function executor got {function!r:.80}, which cannot be called.",
                fix="Give it a function that takes a trial: study.run(train). A study file starts programs "
                "with the command executor instead.",
            )
        groups = None if gpus is None else parse_gpus(gpus)
        self._gpus = groups
        self._slots = slot_count(slots, groups)
        self._runner: WarmPool | InProcess = (WarmPool if isolate else InProcess)(function, groups)

    @property
    def slots(self) -> int | None:
        return self._slots

    def describe_slot(self, slot: int) -> dict[str, Any]:
        """Its GPUs, where any were given."""
        return {"gpus": list(gpus_of(self._gpus, slot))} if self._gpus else {}

    def open(self, slots: int) -> None:
        """Gets ready to hold `slots` attempts at once.

        Raises:
            InputError: The function cannot be sent to a worker process.
        """
        self._runner.open(slots)

    def start(self, attempt: Attempt) -> None:
        self._runner.start(attempt)

    def adopt(self, attempt: Attempt) -> bool:
        """Never: a function dies with its engine."""
        return False

    def poll(self, timeout: timedelta) -> Sequence[Report]:
        return self._runner.poll(timeout)

    def stop(self, number: int, grace: timedelta) -> None:
        self._runner.stop(number, grace)

    def close(self) -> None:
        self._runner.close()
