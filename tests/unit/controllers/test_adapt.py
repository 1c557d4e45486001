"""Controllers that users bring: objects, functions, components in Clara's style."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from meristem.clara import Context, Outcome
from meristem.controllers.adapt import as_controller
from meristem.controllers.clara import ClaraController
from meristem.controllers.function import FunctionController
from meristem.controllers.protocol import History, Observation, Recommendation, Snapshot
from meristem.controllers.random import RandomController
from meristem.errors import InputError, ParameterError
from meristem.objective import Goals
from meristem.space import Choice, Fixed, Float, Space

SPACE = Space(
    {
        "x": Float(0.0, 1.0),
        "kind": Choice(["a", "b"], default="a"),
        "y": Float(0.0, 1.0, when={"kind": "b"}),
        "f": Fixed(7),
    }
)


def snapshot_of(observations: list[Observation] | None = None, pending: list[Observation] | None = None) -> Snapshot:
    history = History(SPACE)
    for observation in observations or []:
        history.add(observation)
    waiting = pending or []
    return Snapshot(
        space=SPACE,
        goals=Goals.parse("-loss"),
        history=history,
        pending=waiting,
        created=len(history) + len(waiting),
        seed=3,
    )


def ended(number: int, recommendation: Recommendation, score: Any = 1.0, status: str = "completed") -> Observation:
    return Observation(
        number=number,
        parameters=recommendation.parameters,
        status=status,
        loss=score if isinstance(score, float) else None,
        score=score,
        metrics={"m": 2.0},
        origin=recommendation.origin,
    )


class Climber:
    """Moves x on by its score; keeps state, as components in Clara's style do."""

    def __init__(self, limit: int = 100) -> None:
        self.limit, self.given, self.outcomes, self.closed = limit, 0, [], False

    def set_search_space(self, space: Space, ctx: Context) -> None:
        assert ctx.get_prop("_searchSpace") is space
        assert ctx.get_prop("seed") == 3

    def initial_recommendation(self, ctx: Context) -> list[Any]:
        return [
            {"x": 0.1},
            SimpleNamespace(id="second", result=SimpleNamespace(values={"x": 0.2, "kind": "a"})),
        ]

    def refine_recommendation(self, outcome: Outcome, ctx: Context) -> Any:
        self.outcomes.append(outcome)
        if len(self.outcomes) >= self.limit:
            ctx.stop_work(self, "enough")
            return None
        return Recommendation(parameters={"x": outcome.parameters["x"] + 0.01, "kind": "a", "f": 7})

    def shutdown(self, ctx: Context) -> None:
        self.closed = True


def play(controller: Any, rounds: int) -> list[Observation]:
    observations: list[Observation] = []
    for _ in range(rounds):
        for recommendation in controller.recommend(snapshot_of(observations), 1):
            observations.append(ended(len(observations) + 1, recommendation))
    return observations


def test_objects_with_recommend_are_taken_as_they_are() -> None:
    controller = RandomController()
    assert as_controller(controller) is controller


def test_functions_and_components_are_adapted() -> None:
    assert isinstance(as_controller(lambda snapshot, count: []), FunctionController)
    assert isinstance(as_controller(Climber()), ClaraController)


@pytest.mark.parametrize(
    ("given", "words"),
    [(RandomController, "is the class"), (5, "recommend"), (None, "cannot serve"), ("grid", "cannot serve")],
)
def test_anything_else_is_refused_with_the_accepted_forms(given: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        as_controller(given)


def test_a_component_that_lacks_a_method_is_told_which() -> None:
    class Half:
        def set_search_space(self, space: Space, ctx: Context) -> None: ...

    with pytest.raises(InputError, match=r"but not initial_recommendation, refine_recommendation"):
        as_controller(Half())


def test_a_function_gets_the_facts_that_it_names() -> None:
    def choose(*, count: int, seed: int, history: History, space: Space) -> list[dict[str, Any]]:
        return [{"x": (seed + len(history) + place) / 10} for place in range(count)]

    given = as_controller(choose).recommend(snapshot_of(), 2)
    assert [r.parameters for r in given] == [{"x": 0.3, "kind": "a", "f": 7}, {"x": 0.4, "kind": "a", "f": 7}]
    assert given[0].origin == {"by": "choose"}


def test_a_function_may_take_snapshot_and_count_and_give_any_form() -> None:
    origin = {"by": "me", "why": "because"}
    forms: list[Any] = [
        {"x": np.float64(0.5)},
        Recommendation(parameters={"x": 0.5}, origin=origin),
        [SimpleNamespace(parameters={"x": 0.5})],
        iter([{"x": 0.5}]),
    ]
    for form in forms:

        def choose(snapshot: Snapshot, count: int, form: Any = form) -> Any:
            return form

        [found] = FunctionController(choose).recommend(snapshot_of(), 1)
        assert found.parameters == {"x": 0.5, "kind": "a", "f": 7}
        assert type(found.parameters["x"]) is float
        assert found.origin == (origin if isinstance(form, Recommendation) else {"by": "choose"})


def test_a_function_that_takes_everything_gets_everything() -> None:
    seen: dict[str, Any] = {}
    assert FunctionController(lambda **facts: seen.update(facts)).recommend(snapshot_of(), 2) == []
    assert sorted(seen) == ["count", "history", "objectives", "pending", "seed", "space"]


def test_more_than_asked_for_is_cut() -> None:
    controller = FunctionController(lambda count: [{"x": 0.1}, {"x": 0.2}])
    assert len(controller.recommend(snapshot_of(), 1)) == 1
    assert controller.recommend(snapshot_of(), 0) == []


def test_values_of_inactive_parameters_are_left_out() -> None:
    controller = FunctionController(lambda count: {"x": 0.1, "kind": "a", "y": 0.5})
    assert "y" not in controller.recommend(snapshot_of(), 1)[0].parameters


@pytest.mark.parametrize("point", [{"x": 2.0}, {"x": 0.1, "z": 1}, {"kind": "b", "x": 0.1}])
def test_points_outside_the_space_are_refused(point: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        FunctionController(lambda count: point).recommend(snapshot_of(), 1)


@pytest.mark.parametrize("given", [5, "x", [5], ["x"]])
def test_what_is_no_recommendation_is_refused(given: Any) -> None:
    def choose(count: int) -> Any:
        return given

    with pytest.raises(InputError, match="The controller choose gave"):
        FunctionController(choose).recommend(snapshot_of(), 1)


def test_a_function_that_cannot_be_called_is_refused_at_once() -> None:
    def odd(space: Space, budget: float) -> None: ...

    with pytest.raises(InputError, match="it needs space, budget"):
        FunctionController(odd)


def test_a_component_is_told_each_outcome_once_with_its_own_id() -> None:
    component = Climber()
    observations = play(ClaraController(component), rounds=4)
    assert [o.parameters["x"] for o in observations] == pytest.approx([0.1, 0.2, 0.11, 0.21])
    assert [o.recommendation_id for o in component.outcomes] == [0, "second", 2]
    assert component.outcomes[0].score == -1.0  # a loss of 1: higher is better
    assert component.outcomes[0].status == "completed"
    assert component.outcomes[0].metrics == {"m": 2.0}


def test_a_fresh_component_goes_on_where_the_last_one_was() -> None:
    controller = ClaraController(Climber())
    observations = play(controller, rounds=5)
    expected = controller.recommend(snapshot_of(observations), 3)
    assert expected
    assert controller.recommend(snapshot_of(observations), 3) == expected
    assert ClaraController(Climber()).recommend(snapshot_of(observations), 3) == expected


def test_what_is_pending_is_not_handed_out_again() -> None:
    controller = ClaraController(Climber())
    first, second = controller.recommend(snapshot_of(), 5)
    running = [Observation(number=1, parameters=first.parameters, status="running", origin=first.origin)]
    assert controller.recommend(snapshot_of(pending=running), 5) == [second]


def test_trials_of_others_are_not_told_and_shift_nothing() -> None:
    component = Climber()
    others = [ended(1, Recommendation(parameters={"x": 0.9, "kind": "a", "f": 7}))]
    given = ClaraController(component).recommend(snapshot_of(others), 5)
    assert [r.parameters["x"] for r in given] == [0.1, 0.2]
    assert component.outcomes == []


def test_failures_are_told_with_claras_mark_for_no_score() -> None:
    component = Climber()
    controller = ClaraController(component)
    [first] = controller.recommend(snapshot_of(), 1)
    controller.recommend(snapshot_of([ended(1, first, score=None, status="failed")]), 1)
    assert (component.outcomes[0].score, component.outcomes[0].status) == (-1_000_000.0, "failed")


def test_a_component_that_asks_to_stop_ends_the_search_with_its_message() -> None:
    component = Climber(limit=2)
    controller = ClaraController(component)
    assert controller.stop_message is None
    observations = play(controller, rounds=9)
    assert len(observations) == 2
    assert controller.stop_message == "Climber: enough"
    assert len(component.outcomes) == 2


def test_shutdown_reaches_the_component_once_it_was_started() -> None:
    component = Climber()
    controller = ClaraController(component)
    controller.shutdown()
    assert not component.closed
    controller.recommend(snapshot_of(), 1)
    controller.shutdown()
    assert component.closed
