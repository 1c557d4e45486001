"""An ignite handler that reports validations to the study that runs the training.

The `bundle` executor copies this file into a trial's folder and adds the handler to the bundle's evaluator, so that
the environment of the training needs no Meristem. Hence it imports nothing of it, and suits old versions of Python.
"""

import json
import os
import time
from typing import Any

from ignite.engine import Events


class ReportValidations:
    """Appends the key metric to the trial's report after each validation; does nothing without a study.

    Args:
        metric: Its name among the evaluator's metrics.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric

    def attach(self, engine: Any) -> None:
        """Called by the evaluator that it is given to."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        path = os.environ.get("MERISTEM_REPORT")
        if path is None or self.metric not in engine.state.metrics or int(os.environ.get("RANK", "0")) != 0:
            return
        # The evaluator's epoch is that of the trainer which validates with it.
        fields = {"at": time.time(), "step": engine.state.epoch, self.metric: float(engine.state.metrics[self.metric])}
        with open(path, "a", encoding="utf-8") as report:
            report.write(json.dumps(fields) + "\n")
