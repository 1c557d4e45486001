"""What a user of the client describes: parameters and where the study is kept. Read in `spaces` and `opening`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from meristem.client.types import TParameterValue


@dataclass
class RangeParameterConfig:
    """A number from one bound to the other, both included.

    Args:
        step_size: Only the lower bound plus multiples of it.
        scaling: `"log"` for orders of magnitude.
    """

    name: str
    bounds: tuple[float, float]
    parameter_type: Literal["float", "int"]
    step_size: float | None = None
    scaling: Literal["linear", "log"] | None = None


@dataclass
class ChoiceParameterConfig:
    """One of several values.

    Args:
        is_ordered: Whether near values are alike; by default where they are numbers.
        log_scale: Accepted and not needed: ordered values are equally far apart, whatever they are.
        dependent_parameters: By value: the names of the parameters that exist only with it.
    """

    name: str
    values: Sequence[float] | Sequence[int] | Sequence[str] | Sequence[bool]
    parameter_type: Literal["float", "int", "str", "bool"]
    is_ordered: bool | None = None
    log_scale: bool | None = None
    dependent_parameters: Mapping[TParameterValue, Sequence[str]] | None = None


@dataclass
class DerivedParameterConfig:
    """A value computed from others. It takes no part in a search, and `configure_experiment` refuses it with advice."""

    name: str
    expression_str: str
    parameter_type: Literal["float", "int", "str", "bool"]


@dataclass
class StorageConfig:
    """Where studies are kept.

    Args:
        url: Such as `sqlite:///meristem.db`, a file name, or a PostgreSQL URL.
        creator, registry_bundle: Not taken: a store is opened by its URL, and runners and metrics are never stored.
    """

    creator: Callable[..., Any] | None = None
    url: str | None = None
    registry_bundle: Any = None


ParameterConfig = RangeParameterConfig | ChoiceParameterConfig | DerivedParameterConfig
