"""Controllers that propose through another one and bring the rule that stops trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from meristem.controllers.asha import AshaController
from meristem.controllers.grid import GridController
from meristem.controllers.hyperband import HyperbandController
from meristem.controllers.protocol import Controller, History, Observation, Recommendation, Snapshot
from meristem.controllers.sobol import SobolController
from meristem.errors import InputError, UnknownComponent
from meristem.objective import Goals
from meristem.space import Float, Int, Space
from meristem.stopping.halving import Asha, Hyperband

SPACE = Space({"x": Float(0.0, 1.0), "n": Int(1, 30)})


def snapshot(history: History, pending: Sequence[Observation] = ()) -> Snapshot:
    return Snapshot(
        space=SPACE,
        goals=Goals.parse("-loss"),
        history=history,
        pending=pending,
        created=len(history) + len(pending),
        seed=4,
    )


def observed(number: int, recommendation: Recommendation) -> Observation:
    return Observation(
        number=number,
        parameters=recommendation.parameters,
        status="stopped" if number % 3 else "completed",
        loss=float(recommendation.parameters["x"]),
        origin=recommendation.origin,
    )


def played(controller: Controller, rounds: int) -> list[Recommendation]:
    history, found = History(SPACE), []
    for number in range(1, rounds + 1):
        recommendation = controller.recommend(snapshot(history), 1)[0]
        history.add(observed(number, recommendation))
        found.append(recommendation)
    return found


@pytest.mark.parametrize("inner", [SobolController, GridController])
@pytest.mark.parametrize("outer", [AshaController, HyperbandController])
def test_the_inner_controller_goes_on_as_if_it_were_alone(inner: Any, outer: Any) -> None:
    alone, within = played(inner(), 9), played(outer(inner()), 9)
    assert [r.parameters for r in within] == [r.parameters for r in alone]
    assert [r.origin["inner"] for r in within] == [r.origin for r in alone]


def test_the_inner_controller_sees_what_is_pending_as_its_own() -> None:
    seen: list[Any] = []

    class Watching(SobolController):
        def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
            seen.extend(observation.origin for observation in snapshot.pending)
            return super().recommend(snapshot, count)

    controller, history = AshaController(Watching()), History(SPACE)
    first, second = controller.recommend(snapshot(history), 2)
    pending = [replace(observed(1, first), status="running", loss=None)]
    assert controller.recommend(snapshot(history, pending), 1)[0] == second
    assert seen == [first.origin["inner"]]


def test_another_history_starts_over() -> None:
    controller = AshaController("sobol")
    history = History(SPACE)
    for number in range(1, 5):
        history.add(observed(number, controller.recommend(snapshot(history), 1)[0]))
    assert controller.recommend(snapshot(history), 1)[0].origin["inner"]["index"] == 4
    other = History(SPACE)
    for number in range(1, 7):
        other.add(Observation(number=number, parameters={"x": number / 10, "n": 1}, status="failed"))
    assert controller.recommend(snapshot(other), 1)[0].origin["inner"]["index"] == 0
    assert controller.recommend(snapshot(history), 1)[0].origin["inner"]["index"] == 4


def test_origins_of_others_are_left_as_they_are() -> None:
    seen: list[Any] = []

    def watch(history: History, count: int) -> list[dict[str, Any]]:
        seen.extend(observation.origin for observation in history)
        return []

    history = History(SPACE)
    origins: list[dict[str, Any]] = [{}, {"by": "user", "inner": {"a": 1}}, {"by": "asha", "inner": 3}]
    for number, origin in enumerate(origins, start=1):
        point = {"x": number / 10, "n": 1}
        history.add(Observation(number=number, parameters=point, status="completed", loss=1.0, origin=origin))
    AshaController(watch).recommend(snapshot(history), 1)
    assert seen == origins


class Component:
    """In Clara's style: gives one point, asks to stop at the first outcome, and is told of the end."""

    ended = False

    def set_search_space(self, space: Any, ctx: Any) -> None: ...

    def initial_recommendation(self, ctx: Any) -> Any:
        return [{"x": 0.5, "n": 3}]

    def refine_recommendation(self, outcome: Any, ctx: Any) -> None:
        ctx.stop_work(self, "enough")

    def shutdown(self, ctx: Any) -> None:
        self.ended = True


@pytest.mark.parametrize("outer", [AshaController, HyperbandController])
def test_the_wish_to_stop_and_the_end_of_the_study_pass_through(outer: Any) -> None:
    component, history = Component(), History(SPACE)
    controller = outer(component)
    history.add(observed(1, controller.recommend(snapshot(history), 1)[0]))
    assert controller.stop_message is None
    assert controller.recommend(snapshot(history), 1) == []
    assert controller.stop_message == "Component: enough"
    controller.shutdown()
    assert component.ended
    outer("random").shutdown()


def test_asha_brings_its_rule() -> None:
    controller = AshaController("random", reduction=4, min_step=2, max_step=50)
    assert isinstance(controller.stopping, Asha)
    assert (controller.stopping.rungs.first, controller.stopping.rungs.reduction) == (2.0, 4.0)
    assert AshaController({"name": "gp", "args": {"initial": 3}}).recommend(snapshot(History(SPACE)), 1)


def test_hyperband_names_the_bracket_that_its_rule_knows() -> None:
    controller = HyperbandController("random", max_step=27, reduction=3)
    rule = controller.stopping
    assert isinstance(rule, Hyperband)
    assert not rule.by_number
    given = controller.recommend(snapshot(History(SPACE)), 20)
    assert [r.origin["bracket"] for r in given] == [rule.bracket(number) for number in range(1, 21)]
    assert {r.origin["bracket"] for r in given} == {0, 1, 2}


@pytest.mark.parametrize("given", ["no_such", 3, {"name": "gp", "args": {"initials": 3}}])
def test_proposals_that_are_no_controller_are_refused(given: Any) -> None:
    with pytest.raises((InputError, UnknownComponent)):
        AshaController(given)
