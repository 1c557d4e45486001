"""Tries a given number of random points and ends: for trying out a configuration before a real search."""

from __future__ import annotations

from meristem.controllers.positions import Position
from meristem.controllers.protocol import Recommendation, Snapshot
from meristem.controllers.random import RandomController
from meristem.controllers.taken import Taken
from meristem.errors import InputError

_BY = "test"


class TestController:
    """Random points, none of them twice, as Clara's controller of this name gives them.

    Args:
        total_recs: How many in all.
        max_recs_each_time: How many at first, and how many more at most for each trial that ends.
    """

    __test__ = False  # not a test, whatever pytest thinks of the name
    ends_by_itself = True

    def __init__(self, total_recs: int, max_recs_each_time: int) -> None:
        given = {"total_recs": total_recs, "max_recs_each_time": max_recs_each_time}
        wrong = [
            f"{name} must be a whole number of at least 1, not {value!r}"
            for name, value in given.items()
            if type(value) is not int or value < 1
        ]
        if wrong:
            raise InputError("The controller 'test' cannot be built", wrong)
        self.total_recs, self.max_recs_each_time = total_recs, max_recs_each_time
        self._position = Position(_BY)
        self._random = RandomController()

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        given = self._position.next(snapshot)
        under_way = sum(1 for pending in snapshot.pending if pending.origin.get("by") == _BY)
        due = min(self.total_recs, self.max_recs_each_time * (1 + given - under_way))
        taken, recommended = Taken(snapshot), list[Recommendation]()
        for place in range(min(count, due - given)):
            point = self._random.draw(snapshot, taken, place)
            if point is None:
                break
            taken.add(point)
            recommended.append(Recommendation(parameters=point, origin={"by": _BY, "index": given + place}))
        return recommended
