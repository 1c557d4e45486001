"""The controller `test`: so many recommendations, so many at a time, then the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from meristem.components import build, known_names, spec_of
from meristem.controllers.fixed_count import TestController
from meristem.controllers.protocol import History, Observation, Recommendation, Snapshot
from meristem.controllers.reinforcement import ReinforcementController
from meristem.errors import InputError, UnknownComponent
from meristem.objective import Goals
from meristem.space import Float, Space

SPACE = Space({"x": Float(0.0, 1.0)})


def running(number: int, given: Recommendation) -> Observation:
    return Observation(number=number, parameters=given.parameters, status="running", origin=given.origin)


def snapshot_of(ended: list[Observation], pending: list[Observation]) -> Snapshot:
    history = History(SPACE)
    for one in ended:
        history.add(one)
    count = len(ended) + len(pending)
    return Snapshot(space=SPACE, goals=Goals.parse("-loss"), history=history, pending=pending, created=count, seed=3)


def test_so_many_at_first_and_so_many_more_for_each_that_ends_until_all_are_given() -> None:
    controller, ended, pending, given = TestController(10, 3), list[Observation](), list[Observation](), list[int]()
    while True:
        found = controller.recommend(snapshot_of(ended, pending), 100)
        if not found and not pending:
            break
        given.append(len(found))
        pending += [running(len(ended) + len(pending) + i, one) for i, one in enumerate(found, 1)]
        ended.append(replace(pending.pop(0), status="completed", loss=0.5))
    assert given == [3, 3, 3, 1, 0, 0, 0, 0, 0, 0]
    assert len({SPACE.key(one.parameters) for one in ended}) == 10


def test_failed_trials_count() -> None:
    ended = [
        Observation(number=i + 1, parameters={"x": i / 10}, status="failed", origin={"by": "test", "index": i})
        for i in range(4)
    ]
    assert len(TestController(5, 2).recommend(snapshot_of(ended, []), 10)) == 1
    assert TestController(4, 2).recommend(snapshot_of(ended, []), 10) == []


def test_trials_of_others_do_not_count() -> None:
    ended = [Observation(number=1, parameters={"x": 0.5}, status="completed", loss=1.0, origin={"by": "user"})]
    assert len(TestController(2, 2).recommend(snapshot_of(ended, []), 10)) == 2


@pytest.mark.parametrize(
    "args", [{"total_recs": 0, "max_recs_each_time": 1}, {"total_recs": 2, "max_recs_each_time": True}]
)
def test_counts_that_are_none_are_refused(args: dict[str, int]) -> None:
    with pytest.raises(InputError, match="whole number of at least 1"):
        TestController(**args)


def test_names_of_mmar_configurations_are_accepted_but_not_advertised() -> None:
    reinforcement = build(
        "controller", spec_of("controller", {"name": "ReinforcementController", "args": {"max_rounds": 5}})
    )
    assert isinstance(reinforcement, ReinforcementController)
    args = {"total_recs": 2, "max_recs_each_time": 1}
    assert isinstance(
        build("controller", spec_of("controller", {"name": "TestController", "args": args})), TestController
    )
    assert not [name for name in known_names("controller") if name.endswith("Controller")]
    with pytest.raises(UnknownComponent, match="no controller 'SomeController'"):
        build("controller", spec_of("controller", "SomeController"))
