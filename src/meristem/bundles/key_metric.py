"""Finds the metric that is the score of a training: the one that the configuration marks with `is_key_metric`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meristem.bundles.places import Place, Problems, find_at, shown
from meristem.bundles.variables import Variables

_MARK = "is_key_metric"
# The validation's counts; a training has one of its own only to follow its progress.
_SECTIONS: tuple[Place, ...] = (("validate", "metrics"), ("train", "metrics"))


def find_key_metric(config: Mapping[str, Any], variables: Variables, problems: Problems) -> str | None:
    """The name under which the key metric is reported; None: no metric is marked. Several are a problem.

    The mark stands beside the metric's `name` or among its `args`. The reported name is the `name` among
    the args, else `log_label`, else the name of the component.
    """
    for section in _SECTIONS:
        marked = [
            (place, metric) for place, metric in _metrics(config, section) if _is_marked(variables.resolve(metric))
        ]
        if len(marked) > 1:
            places = ", ".join(shown(place) for place, _ in marked)
            problems.say(section, f"several metrics have {_MARK} ({places}); the score is one of them")
        if marked:
            return _reported_name(variables.resolve(marked[0][1]))
    return None


def _metrics(config: Mapping[str, Any], section: Place) -> list[tuple[Place, Mapping[str, Any]]]:
    found = find_at(config, section)
    listed = [((*section, index), item) for index, item in enumerate(found)] if isinstance(found, list) else None
    return [(place, item) for place, item in listed or [(section, found)] if isinstance(item, Mapping)]


def _is_marked(metric: Mapping[str, Any]) -> bool:
    args = metric.get("args")
    marks = [metric.get(_MARK), args.get(_MARK) if isinstance(args, Mapping) else None]
    return True in marks and metric.get("disabled") is not True


def _reported_name(metric: Mapping[str, Any]) -> str | None:
    args = metric.get("args")
    named = args.get("name") if isinstance(args, Mapping) else None
    names = [named, metric.get("log_label"), metric.get("name"), metric.get("path")]
    return next((name for name in names if isinstance(name, str)), None)
