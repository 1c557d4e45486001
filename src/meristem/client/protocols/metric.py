"""IMetric: fetches what came of a deployed trial."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any


class IMetric(ABC):
    """Fetches the values of one metric.

    Args:
        name: As the objective and the outcome constraints name it.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def fetch(self, trial_index: int, trial_metadata: Mapping[str, Any]) -> tuple[int, float | tuple[float, float]]:
        """The progression (such as an epoch) and the value there, or a pair (mean, standard error).

        An exception means that there is nothing yet, or that the source is away: it is asked again.
        """
