"""Reports LightGBM's evaluations, round by round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meristem.tasks.hooks.reporting import report_scalar


def lightgbm_callback() -> Callable[[Any], None]:
    """A callback for `lightgbm.train(callbacks=[…])` or an estimator's `fit`.

    Each metric is a diagram, with a line for each evaluation set; of `lightgbm.cv`, the means.
    """

    def report(environment: Any) -> None:
        for data, metric, value, *_ in environment.evaluation_result_list or ():
            report_scalar(str(metric).removeprefix(f"{data} "), str(data), value, environment.iteration)

    report.order = 25  # type: ignore[attr-defined]  # after the recording of evaluations, before early stopping
    return report
