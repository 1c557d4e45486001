"""What a closed loop asks of its user: a runner that deploys trials elsewhere, metrics that fetch what came of them.

A runner stands for a system outside: a cluster, a test platform, a laboratory. Its methods may take long, raise and
be called from several threads. Trials go on there when Meristem ends, and are polled on when it is started again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from meristem.space import Parameters
from meristem.statuses import TrialStatus

Metadata = Mapping[str, Any]
Status = TrialStatus | str
Value = float | tuple[float, float]


@runtime_checkable
class Runner(Protocol):
    """Deploys trials to a system outside and tells how they stand.

    Beside these two methods a runner may have

    - `stop_trial(number, metadata)`: ends a trial early;
    - `find_trial(key)`: the metadata of a trial that was deployed under this key, or None. A crash between a launch and
      its record leaves in doubt whether the trial runs; who can answer this loses nothing and launches nothing twice.
      The runner then takes the key: `run_trial(number, parameters, key=…)`;
    - `poll_trials(metadata_by_number)`: the statuses of many trials in one call, by number, instead of `poll_trial`.
    """

    def run_trial(self, number: int, parameters: Parameters) -> Metadata:
        """Deploys a trial and returns at once what it can be found by again, as a JSON object.

        An exception means that nothing was deployed; it is tried again a few times.
        """
        ...

    def poll_trial(self, number: int, metadata: Metadata) -> Status | tuple[Status, str]:
        """How the trial stands: `running`, `completed`, `failed`, `stopped` or `abandoned`; and why, if it likes."""
        ...


@runtime_checkable
class Metric(Protocol):
    """Fetches the values of one metric.

    Attributes:
        name: As objectives and limits name it.
    """

    name: str

    def fetch(self, number: int, metadata: Metadata) -> tuple[float, Value]:
        """The latest step (progression) and the value there, or a pair (mean, standard error).

        An exception means that there is nothing yet or that the source is away; it is asked again.
        """
        ...
