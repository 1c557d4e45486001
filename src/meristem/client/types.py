"""What goes through the client's hands, under Ax's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

TParameterValue: TypeAlias = int | float | str | bool
TParameterization: TypeAlias = Mapping[str, TParameterValue]
TOutcome: TypeAlias = Mapping[str, float | tuple[float, float]]  # by metric: a value, or (mean, standard error)
TPrediction: TypeAlias = dict[str, tuple[float, float]]  # by metric: mean and variance, or standard error
