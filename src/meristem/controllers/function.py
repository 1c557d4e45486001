"""Lets a plain function decide what to try next."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from meristem.controllers.given import read_recommendations
from meristem.controllers.protocol import Recommendation, Snapshot
from meristem.errors import InputError

_FACTS = ("space", "objectives", "history", "pending", "count", "seed")


class FunctionController:
    """Calls `function`, whose parameters say what it wants to know.

    Args:
        function: Either `(snapshot, count)`, or any of `space`, `objectives`, `history`, `pending`, `count`
            and `seed` by name. It gives mappings of parameters or `Recommendation`s: one, several or none.

    Raises:
        InputError: It cannot be called in either way.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._name = getattr(function, "__name__", type(function).__name__)
        self._facts = _wanted_facts(function, self._name)

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        if count < 1:
            return []
        if self._facts is None:
            given = self._function(snapshot, count)
        else:
            known = {name: getattr(snapshot, name) for name in _FACTS if name != "count"} | {"count": count}
            given = self._function(**{name: known[name] for name in self._facts})
        return read_recommendations(given, snapshot.space, by=self._name)[:count]


def _wanted_facts(function: Callable[..., Any], name: str) -> tuple[str, ...] | None:
    """The facts to hand over by name; None for `(snapshot, count)`."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return _FACTS
    by_name = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    wanted = tuple(p.name for p in by_name if p.name in _FACTS)
    needed = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
    if all(p in by_name and p.name in _FACTS for p in needed):
        return wanted
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(places) >= 2 and places[0].name not in _FACTS and all(p in places[:2] for p in needed):
        return None
    raise InputError(
        f"The function {name} cannot serve as a controller: it needs "
        f"{', '.join(p.name for p in needed)}, which is not what it can be given.",
        fix=f"Write it as {name}(snapshot, count), or with any of the parameters {', '.join(_FACTS)}.",
    )
