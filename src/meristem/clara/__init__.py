"""Clara AutoML's own component interface: what its controllers, executors and handlers are given, and derive from.

Components that were written for it run unchanged: see docs/how-to/coming-from-clara.md. Nothing here is Clara's code.
"""

from meristem.clara.context import Context
from meristem.clara.definitions import (
    FloatRange,
    Outcome,
    ProcessStatus,
    Recommendation,
    SearchResult,
    SearchSpace,
    Status,
    WorkerConfig,
)
from meristem.clara.interfaces import Controller, Executor, Handler
from meristem.clara.keys import ContextKey, MMARPropKey
from meristem.clara.vendor_paths import vendor_class
from meristem.clara.workflows import TestController
from meristem.components import make_automl_importable

__all__ = [
    "Context",
    "ContextKey",
    "Controller",
    "Executor",
    "FloatRange",
    "Handler",
    "MMARPropKey",
    "Outcome",
    "ProcessStatus",
    "Recommendation",
    "SearchResult",
    "SearchSpace",
    "Status",
    "TestController",
    "WorkerConfig",
    "make_automl_importable",
    "vendor_class",
]
