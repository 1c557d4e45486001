"""Early stopping as a handler of ignite, and so of MONAI's trainers.

In a bundle, among `train::handlers`:

    {"_target_": "meristem.callbacks.handlers.EarlyStopHandler", "validator": "@validate::evaluator",
     "val_times_threshold": 6}
"""

from __future__ import annotations

from typing import Any

from ignite.engine import Events

from meristem.callbacks.early_stop import EarlyStop


class EarlyStopHandler:
    """Ends a training whose key metric has not improved for `val_times_threshold` validations in a row.

    Unlike MONAI's own it is given to the trainer and names the evaluator, so that a configuration needs no circle.

    Args:
        val_times_threshold, maximize, by: As for `EarlyStop`.
        validator: The evaluator that validates.
        metric: The name of the metric; None: the evaluator's key metric.
    """

    def __init__(
        self, val_times_threshold: int, validator: Any, *, metric: str | None = None, maximize: bool = True,
        by: float = 0.0,
    ) -> None:  # fmt: skip
        self._early_stop = EarlyStop(val_times_threshold, maximize=maximize, by=by)
        self._validator, self._metric = validator, metric

    def attach(self, trainer: Any) -> None:
        """Called by the trainer that it is given to."""

        def validated(evaluator: Any) -> None:
            name = self._metric or evaluator.state.key_metric_name
            if self._early_stop.step(float(evaluator.state.metrics[name])):
                trainer.terminate()

        self._validator.add_event_handler(Events.COMPLETED, validated)
