"""A study under Ax's names: where a script for Ax imports from `ax.api`, it imports from here.

`from meristem.client import Client, RangeParameterConfig, IMetric, IRunner, TrialStatus`, or with Ax's module
paths: `ax.api.configs` is `meristem.client.configs`, `ax.api.protocols.runner` is `meristem.client.protocols.runner`.
"""

from meristem.client.client import Client
from meristem.client.configs import (
    ChoiceParameterConfig,
    DerivedParameterConfig,
    RangeParameterConfig,
    StorageConfig,
)
from meristem.client.protocols import IMetric, IRunner, TrialStatus
from meristem.client.types import TOutcome, TParameterization, TParameterValue

__all__ = [
    "ChoiceParameterConfig",
    "Client",
    "DerivedParameterConfig",
    "IMetric",
    "IRunner",
    "RangeParameterConfig",
    "StorageConfig",
    "TOutcome",
    "TParameterValue",
    "TParameterization",
    "TrialStatus",
]
