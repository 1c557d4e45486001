"""Reports what a Lightning module logs."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from meristem.errors import InputError
from meristem.tasks.hooks.reporting import report_scalar
from meristem.tasks.spool_folder import title_and_series
from meristem.tasks.task import Task


def lightning_logger() -> Any:
    """A logger for `Trainer(logger=…)`: metrics are reported, hyperparameters are connected to the task.

    Raises:
        InputError: Neither `lightning` nor `pytorch_lightning` is installed.
    """
    logger = _logger_class()

    class MeristemLogger(logger):  # type: ignore[misc,valid-type]
        @property
        def name(self) -> str:
            task = Task.current()
            return task.name if task else "meristem"

        @property
        def version(self) -> str:
            task = Task.current()
            return task.id if task else "0"

        def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
            for name, value in metrics.items():
                report_scalar(*title_and_series(name), value, step or 0)

        def log_hyperparams(self, params: Any, *args: Any, **named: Any) -> None:
            task = Task.current()
            if task is not None and params:
                values = vars(params) if isinstance(params, Namespace) else params
                task.connect({str(key): value for key, value in dict(values).items()}, "Lightning")

    return MeristemLogger()


def _logger_class() -> Any:
    try:
        from lightning.pytorch.loggers import Logger  # only where it is used
    except ImportError:
        try:
            from pytorch_lightning.loggers import Logger  # its older name
        except ImportError:
            raise InputError("Lightning is not installed.", fix="Install it with: pip install lightning") from None
    return Logger
