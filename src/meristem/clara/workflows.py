"""A controller that Clara ships for trying things out."""

from __future__ import annotations

import random
from typing import Any

from meristem.clara.context import Context
from meristem.clara.definitions import Outcome, Recommendation, SearchResult, SearchSpace
from meristem.clara.interfaces import Controller


class TestController(Controller):
    """Recommends random points, then no more.

    Args:
        total_recs: How many in all.
        max_recs_each_time: How many at once at most, at the beginning and after each outcome.
    """

    __test__ = False  # pytest takes every class of such a name for tests

    def __init__(self, total_recs: int, max_recs_each_time: int) -> None:
        self.total_recs, self.max_recs_each_time = total_recs, max_recs_each_time
        self._given = 0
        self._space: Any = None
        self._random = random.Random()

    def set_search_space(self, space: SearchSpace, ctx: Context) -> None:
        self._space = space
        self._random = random.Random(ctx.get_prop("seed"))

    def initial_recommendation(self, ctx: Context) -> list[Recommendation]:
        return self._some()

    def refine_recommendation(self, outcome: Outcome, ctx: Context) -> list[Recommendation]:
        return self._some()

    def _some(self) -> list[Recommendation]:
        count = min(self.max_recs_each_time, self.total_recs - self._given)
        first, self._given = self._given, self._given + count
        return [Recommendation(first + place, SearchResult(self._space, self._draw())) for place in range(count)]

    def _draw(self) -> dict[str, Any]:
        return {
            prl: self._random.randrange(len(range_))
            if ".enum" in prl
            else self._random.uniform(range_[0].min, range_[0].max)
            for prl, range_ in self._space.targets.items()
        }
