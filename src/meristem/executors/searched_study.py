"""What a study has to do with a training configuration that is searched: its objective, its parameters. Pure."""

from __future__ import annotations

from collections.abc import Collection

from meristem.errors import did_you_mean
from meristem.space import Space


def objective_of(metric: str, *, minimize: bool = False) -> str:
    """A metric of whatever name as the objective of a study."""
    name = metric if metric.isidentifier() else f"`{metric.replace('`', '``')}`"
    return f"-{name}" if minimize else name


def differences(space: Space, names: Collection[str], source: str) -> list[str]:
    """In what a study's parameters differ from those that are searched, as sentences."""
    own = list(space.parameters)
    problems = [
        f"the study has the parameter {name!r}, which is not searched in {source}. {did_you_mean(name, own)}"
        for name in names
        if name not in own
    ]
    return problems + [f"{name!r} is searched in {source}, but not in the study" for name in own if name not in names]
