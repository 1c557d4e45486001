"""Reads what controllers written by users give back as recommendations.

A recommendation may be a `Recommendation`, a mapping of parameters, or an object that holds such a mapping
in `parameters` or (Clara's style) in `result.values`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from meristem.controllers.protocol import Recommendation
from meristem.errors import InputError
from meristem.space import Space

_FORMS = "Give a list of mappings such as {'lr': 0.1}, or of meristem.Recommendation."


def read_recommendations(given: Any, space: Space, *, by: str) -> list[Recommendation]:
    """`given`, which may be None or a single one, as recommendations inside `space`.

    Fixed values and defaults are filled in, values of inactive parameters left out.

    Raises:
        InputError: Not of an accepted form, or not a point of the space.
    """
    if given is None:
        return []
    if _parameters_of(given) is not None:
        given = [given]
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(f"The controller {by} gave {type(given).__name__}, not recommendations.", fix=_FORMS)
    return [read_recommendation(item, space, by=by) for item in given]


def read_recommendation(item: Any, space: Space, *, by: str) -> Recommendation:
    """One of them; raises as `read_recommendations` does."""
    found = _parameters_of(item)
    if found is None:
        raise InputError(f"The controller {by} gave {type(item).__name__} as a recommendation.", fix=_FORMS)
    whole = space.complete(found)
    active = space.active(whole)
    kept = {name: value for name, value in whole.items() if name in active or name not in space.parameters}
    space.check(kept)
    origin = item.origin if isinstance(item, Recommendation) and item.origin else {"by": by}
    return Recommendation(parameters=space.normalize(kept), origin=dict(origin))


def _parameters_of(item: Any) -> Mapping[str, Any] | None:
    if isinstance(item, Mapping):
        return item
    for holder, name in ((item, "parameters"), (getattr(item, "result", None), "values")):
        found = getattr(holder, name, None)
        if isinstance(found, Mapping):
            return found
    return None
