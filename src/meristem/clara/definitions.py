"""The values that Clara's components exchange: search spaces, recommendations, outcomes, statuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from meristem.space import Parameters, Space

NO_SCORE = -1_000_000.0  # what Clara's trainer gives as the score of a training that never validated


class Status(StrEnum):
    """How a job stands, as in `JOB_STATUS`: the words that Meristem has for trials."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    ABANDONED = "abandoned"


class ProcessStatus(StrEnum):
    """How a job's process stands, as `check_process` tells it."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FloatRange:
    """A number from `min` to `max`."""

    min: float
    max: float


class SearchSpace:
    """What may be chosen, by parameter range locator (PRL).

    Args:
        targets: PRL to range. Where the PRL says `.enum`, a list of choices, each of them a list with one value for
            each argument. Where it says `.float`, a list whose first element has `min` and `max`.
        space: What it stands for in Meristem; all that a `Space` has can then be asked of this object, too.
    """

    def __init__(self, targets: Mapping[str, Any] | None = None, *, space: Space | None = None) -> None:
        self.targets: dict[str, Any] = dict(targets or {})
        self.space = space

    def __getattr__(self, name: str) -> Any:
        space = self.__dict__.get("space")
        if space is None or name.startswith("__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(space, name)

    def __repr__(self) -> str:
        return f"SearchSpace({self.targets!r})"


class SearchResult:
    """A point of a search space.

    Args:
        space: Where it lies.
        values: PRL to the position of a choice (`.enum`) or to a number (`.float`).
    """

    def __init__(self, space: Any, values: Mapping[str, Any]) -> None:
        self.space = space
        self.values: dict[str, Any] = dict(values)

    def dump(self) -> str:
        """One line `PRL => value` for each value."""
        return "\n".join(f"{prl} => {value}" for prl, value in self.values.items())

    def __repr__(self) -> str:
        return f"SearchResult({self.values!r})"


class Recommendation:
    """What a controller asks to be tried.

    Args:
        rec_id: The controller's own id of it.
        search_result: The point.
    """

    def __init__(self, rec_id: Any, search_result: SearchResult) -> None:
        self.rec_id = rec_id
        self.result = search_result

    @property
    def id(self) -> Any:
        return self.rec_id

    def __repr__(self) -> str:
        return f"Recommendation({self.rec_id!r}, {self.result!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a controller is told of an ended job.

    Attributes:
        score: Higher is better (see `meristem.clara.scores`); -1000000.0 where the job failed.
        recommendation_id: The controller's own id of its recommendation (its `id` or `rec_id`), else its
            position among all that the controller has recommended, from 0.
        status: `completed`, `failed`, `stopped` or `abandoned`.
        parameters: As Meristem names them.
    """

    score: Any
    recommendation_id: Any
    status: str = Status.COMPLETED
    parameters: Parameters = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


class WorkerConfig:
    """One worker, which runs one job at a time.

    Args:
        name: Such as `W1`.
        gpus: The ids of its GPUs.
    """

    def __init__(self, name: str, gpus: list[Any]) -> None:
        self.name, self.gpus = name, list(gpus)

    def gpu_list_string(self) -> str:
        """The ids with a comma between them."""
        return ",".join(map(str, self.gpus))
