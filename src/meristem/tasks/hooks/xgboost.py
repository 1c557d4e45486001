"""Reports XGBoost's evaluations, round by round."""

from __future__ import annotations

from typing import Any

from meristem.tasks.hooks.reporting import report_scalar


def xgboost_callback() -> Any:
    """A callback for `xgboost.train(callbacks=[…])` or an estimator's `callbacks`.

    Each metric is a diagram, with a line for each evaluation set.
    """
    from xgboost.callback import TrainingCallback  # only where it is used

    class Report(TrainingCallback):  # type: ignore[misc,unused-ignore]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            for data, metrics in evals_log.items():
                for metric, values in metrics.items():
                    last = values[-1]
                    report_scalar(metric, data, last[0] if isinstance(last, tuple) else last, epoch)
            return False

    return Report()
