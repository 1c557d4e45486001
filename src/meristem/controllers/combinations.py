"""The combinations of a space's choices: which there are, and with which of them a trial agrees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from meristem.errors import SpaceError
from meristem.space import Choice, Parameters, Space
from meristem.space.values import identity


class Combinations:
    """All combinations of the unordered choices of `space`, that of the defaults first.

    A choice that exists only where a number has a certain value is part of all of them; one whose condition is on
    another choice is part of those that meet it.

    Attributes:
        names: The choices.
        all: The combinations, as the values of the choices that are part of them. Without choices there is one, empty.

    Raises:
        SpaceError: There are more than `most`.
    """

    def __init__(self, space: Space, most: int) -> None:
        chosen = {n: p for n, p in space.parameters.items() if isinstance(p, Choice) and not p.ordered}
        self._chosen = chosen
        self.names = tuple(chosen)
        inner = {name: replace(choice, when=_on_choices(choice.when, chosen)) for name, choice in chosen.items()}
        within = Space(inner) if inner else None
        count = within.size or 0 if within else 1
        if count > most:
            raise SpaceError(
                f"The choices of the space make {count:,} combinations, of which the controller 'reinforcement' tries "
                f"every one before it searches the numbers; it is set to at most {most:,}.",
                fix="Choose 'auto' or 'gp', which need not try them all, leave out choices, or allow more with "
                f"most_combinations: {count}.",
            )
        listed = [dict(point) for point in within.points()] if within else [{}]
        center = within.center() if within else {}
        self.all: list[dict[str, Any]] = sorted(listed, key=lambda point: point != center)

    def choices(self, name: str) -> list[Any]:
        """The values of one choice."""
        return list(self._chosen[name].choices)

    def agreeing(self, parameters: Parameters) -> list[int]:
        """The places of combinations that have the values which `parameters` has of the choices."""
        given = {name: identity(parameters[name]) for name in self.names if name in parameters}
        return [
            place
            for place, combination in enumerate(self.all)
            if all(name in combination and identity(combination[name]) == value for name, value in given.items())
        ]


def _on_choices(when: Mapping[str, Any] | None, chosen: Mapping[str, Choice]) -> dict[str, Any] | None:
    """The part of a condition that is on other choices."""
    return {parent: values for parent, values in (when or {}).items() if parent in chosen} or None
