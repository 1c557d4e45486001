"""Where hooks report to: the task of this process, else `meristem.report`, which knows the study's trial."""

from __future__ import annotations

from meristem import spool
from meristem.tasks.spool_folder import scalar_name
from meristem.tasks.task import Task


def report_scalar(title: str, series: str, value: float, step: int) -> None:
    task = Task.current()
    if task is not None:
        task.report_scalar(title, series, value, step)
    else:
        spool.report(step=step, **{scalar_name(title, series): value})
