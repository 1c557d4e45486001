"""Finds the metric that is the score of a training: the one that the configuration marks as its key metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meristem.bundles.places import Place, Problems, find_at, shown
from meristem.bundles.variables import Variables

_MARK = "is_key_metric"
# The validation's counts; a training has one of its own only to follow its progress.
_SECTIONS = ("validate", "train")


def find_key_metric(config: Mapping[str, Any], variables: Variables, problems: Problems) -> str | None:
    """The name under which the key metric is reported; None: there is none. Several are a problem.

    It is the one of a section's `metrics` that has `is_key_metric`, beside its `name` or among its `args`, or (Clara
    Train 4.1) the section's `key_metric`. The reported name is the `name` among the args, else `log_label`, else the
    component's name.
    """
    for section in _SECTIONS:
        marked = [
            (place, metric)
            for place, metric in _components(config, (section, "metrics"))
            if _is_marked(variables.resolve(metric))
        ]
        if len(marked) > 1:
            places = ", ".join(shown(place) for place, _ in marked)
            problems.say((section, "metrics"), f"several metrics have {_MARK} ({places}); the score is one of them")
        for _, metric in marked or _components(config, (section, "key_metric")):
            return _reported_name(variables.resolve(metric))
    return None


def _components(config: Mapping[str, Any], place: Place) -> list[tuple[Place, Mapping[str, Any]]]:
    """The component at `place`, or those that are listed there."""
    found = find_at(config, place)
    listed = [((*place, index), item) for index, item in enumerate(found)] if isinstance(found, list) else None
    return [(where, item) for where, item in listed or [(place, found)] if isinstance(item, Mapping)]


def _is_marked(metric: Mapping[str, Any]) -> bool:
    args = metric.get("args")
    marks = [metric.get(_MARK), args.get(_MARK) if isinstance(args, Mapping) else None]
    return True in marks and metric.get("disabled") is not True


def _reported_name(metric: Mapping[str, Any]) -> str | None:
    args = metric.get("args")
    named = args.get("name") if isinstance(args, Mapping) else None
    names = [named, metric.get("log_label"), metric.get("name"), metric.get("path")]
    return next((name for name in names if isinstance(name, str)), None)
