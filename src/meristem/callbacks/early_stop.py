"""Early stopping of one training, for the training's own loop. It needs nothing but Python."""

from __future__ import annotations

import math


class EarlyStop:
    """Says when a training does not get better any more: call `step` with the key metric after each validation.

    Args:
        val_times_threshold: After how many validations in a row without improvement the training should stop.
        maximize: Whether the metric is made large, as Dice is.
        by: By more than this the metric must have become better to count.

    Raises:
        ValueError: One of them cannot be used.
    """

    def __init__(self, val_times_threshold: int, *, maximize: bool = True, by: float = 0.0) -> None:
        if isinstance(val_times_threshold, bool) or not isinstance(val_times_threshold, int) or val_times_threshold < 1:
            raise ValueError(f"val_times_threshold must be a whole number from 1, not {val_times_threshold!r}")
        if not by >= 0:
            raise ValueError(f"by must be at least 0, not {by!r}")
        self.val_times_threshold, self.maximize, self.by = val_times_threshold, maximize, by
        self.best: float | None = None
        self.without_improvement = 0

    def step(self, value: float) -> bool:
        """Takes note of a validation; says whether the training should stop.

        Args:
            value: The key metric. NaN is no improvement.
        """
        if self._is_better(float(value)):
            self.best, self.without_improvement = float(value), 0
        else:
            self.without_improvement += 1
        return self.without_improvement >= self.val_times_threshold

    def _is_better(self, value: float) -> bool:
        if math.isnan(value):
            return False
        if self.best is None:
            return True
        gain = value - self.best if self.maximize else self.best - value
        return gain > self.by
