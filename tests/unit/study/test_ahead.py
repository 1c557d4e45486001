"""Thinking ahead: the next recommendation is ready before there is room; a controller is not asked in vain."""

from __future__ import annotations

from typing import Any

import pytest

import meristem as ms
from meristem.controllers.protocol import History, Observation, Recommendation, Snapshot
from meristem.objective import Goals
from meristem.study.ahead import Ahead

SPACE = ms.Space({"x": ms.Int(1, 9)})


def snapshot(*ended: int, created: int = 2) -> Snapshot:
    history = History(SPACE)
    for x in ended:
        history.add(Observation(number=x, parameters={"x": x}, status="completed", loss=0.0))
    return Snapshot(space=SPACE, goals=Goals.parse("a"), history=history, created=created)


class Asked:
    """Gives what it was told to, or raises it, and counts how often it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.count = list(answers), 0

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        self.count += 1
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return [] if answer is None else [Recommendation(parameters={"x": answer})]


def test_what_is_decided_ahead_is_given_unless_it_was_tried_meanwhile() -> None:
    controller = Asked(3, 4)
    ahead = Ahead(controller)
    for _ in range(3):
        ahead.prepare(snapshot())
    assert controller.count == 1
    assert [r.parameters["x"] for r in ahead.recommend(snapshot(), 1)] == [3]
    ahead.prepare(snapshot(3))
    assert [r.parameters["x"] for r in ahead.recommend(snapshot(3, 4), 1)] == []
    assert controller.count == 3


@pytest.mark.parametrize("answer", [RuntimeError("no fit"), None])
def test_a_controller_that_fails_is_asked_again_only_once_the_history_has_grown(answer: Any) -> None:
    controller = Asked(answer, answer, answer, 5)
    ahead = Ahead(controller)
    for _ in range(5):
        ahead.prepare(snapshot(1))
    assert controller.count == 1
    for _ in range(5):
        ahead.prepare(snapshot(1, 2))
    ahead.prepare(snapshot(1, 2, created=3))
    assert controller.count == 3
    assert [r.parameters["x"] for r in ahead.recommend(snapshot(1, 2, created=3), 1)] == [5]


def test_a_controller_that_fails_says_so_when_there_is_room() -> None:
    ahead = Ahead(Asked(RuntimeError("no fit"), RuntimeError("no fit")))
    ahead.prepare(snapshot())
    with pytest.raises(RuntimeError, match="no fit"):
        ahead.recommend(snapshot(), 1)
