"""Meristem keeps machine-learning models growing.

Names are loaded when first used, so that `import meristem` inside a training costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from meristem.controllers.protocol import History, Observation, Recommendation, Snapshot
    from meristem.datasets.dataset import Dataset
    from meristem.errors import InputError, MeristemError, StopTrial
    from meristem.executors.bundle import BundleExecutor
    from meristem.executors.mmar import MmarExecutor
    from meristem.executors.runner import RunnerExecutor
    from meristem.executors.runner_protocol import Metric, Runner
    from meristem.handlers.handler import Handler
    from meristem.objective import Objective
    from meristem.space import Choice, Fixed, Float, Int, Space
    from meristem.spool import Measurement, parameters, report
    from meristem.statuses import TrialStatus
    from meristem.study.protocols import Attempt, Executor, Outcome, OutcomeStatus, Report
    from meristem.study.study import Study
    from meristem.tasks.task import Task
from meristem.trial import Trial

_HOMES = {
    "Attempt": "meristem.study.protocols",
    "BundleExecutor": "meristem.executors.bundle",
    "Choice": "meristem.space",
    "Dataset": "meristem.datasets.dataset",
    "Executor": "meristem.study.protocols",
    "Fixed": "meristem.space",
    "Float": "meristem.space",
    "Handler": "meristem.handlers.handler",
    "History": "meristem.controllers.protocol",
    "InputError": "meristem.errors",
    "Int": "meristem.space",
    "Measurement": "meristem.spool",
    "MeristemError": "meristem.errors",
    "Metric": "meristem.executors.runner_protocol",
    "MmarExecutor": "meristem.executors.mmar",
    "Objective": "meristem.objective",
    "Observation": "meristem.controllers.protocol",
    "Outcome": "meristem.study.protocols",
    "OutcomeStatus": "meristem.study.protocols",
    "Recommendation": "meristem.controllers.protocol",
    "Report": "meristem.study.protocols",
    "Runner": "meristem.executors.runner_protocol",
    "RunnerExecutor": "meristem.executors.runner",
    "Snapshot": "meristem.controllers.protocol",
    "Space": "meristem.space",
    "StopTrial": "meristem.errors",
    "Study": "meristem.study.study",
    "Task": "meristem.tasks.task",
    "Trial": "meristem.trial",
    "TrialStatus": "meristem.statuses",
    "parameters": "meristem.spool",
    "report": "meristem.spool",
}

__all__ = [
    "Attempt",
    "BundleExecutor",
    "Choice",
    "Dataset",
    "Executor",
    "Fixed",
    "Float",
    "Handler",
    "History",
    "InputError",
    "Int",
    "Measurement",
    "MeristemError",
    "Metric",
    "MmarExecutor",
    "Objective",
    "Observation",
    "Outcome",
    "OutcomeStatus",
    "Recommendation",
    "Report",
    "Runner",
    "RunnerExecutor",
    "Snapshot",
    "Space",
    "StopTrial",
    "Study",
    "Task",
    "Trial",
    "TrialStatus",
    "parameters",
    "report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'meristem' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
