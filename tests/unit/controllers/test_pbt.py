"""Population based training as a function of the history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.controllers.pbt import PbtController
from meristem.controllers.perturbation import perturbed
from meristem.controllers.protocol import History, Observation, Recommendation, Snapshot
from meristem.errors import InputError
from meristem.objective import Goals
from meristem.space import Choice, Float, Int, Space

SPACE = Space({"lr": Float(1e-5, 1.0, log=True), "n": Int(1, 9)})
MIXED = Space(
    {
        "lr": Float(1e-4, 1.0, log=True),
        "momentum": Float(0.0, 1.0),
        "shift": Float(-5.0, 5.0),
        "layers": Int(1, 12),
        "width": Int(8, 1024, log=True),
        "size": Choice(["s", "m", "l", "xl"], ordered=True),
        "kind": Choice(["a", "b", "c"]),
        "rate": Float(0.0, 0.5, step=0.1, when={"kind": "a"}),
    },
    ["momentum + rate <= 1.2"],
)


def snapshot(history: History, pending: list[Observation] | None = None, goals: str = "-loss") -> Snapshot:
    waiting = pending or []
    return Snapshot(
        space=history.space,
        goals=Goals.parse(goals),
        history=history,
        pending=waiting,
        created=len(history) + len(waiting),
        seed=3,
    )


def ended(number: int, recommendation: Recommendation, loss: float | None) -> Observation:
    return Observation(
        number=number,
        parameters=recommendation.parameters,
        status="failed" if loss is None else "completed",
        loss=loss,
        origin=recommendation.origin,
    )


def generation(
    controller: PbtController, history: History, loss: Callable[[int], float | None] = lambda number: float(number)
) -> list[Observation]:
    """Asks for one trial at a time until something is pending only; then all of them end."""
    pending: list[Observation] = []
    while given := controller.recommend(snapshot(history, pending), 1):
        number = len(history) + len(pending) + 1
        pending.append(replace(ended(number, given[0], 0.0), status="running", loss=None))
    done = [replace(one, status="completed", loss=loss(one.number)) for one in pending]
    for one in done:
        history.add(one)
    return done


def test_a_generation_starts_when_all_of_the_last_have_ended() -> None:
    controller, history = PbtController(population=4, generations=3), History(SPACE)
    sizes = [len(generation(controller, history)) for _ in range(4)]
    assert sizes == [4, 4, 4, 0]
    assert [one.origin["generation"] for one in history] == [0] * 4 + [1] * 4 + [2] * 4
    assert [one.origin["member"] for one in history] == [0, 1, 2, 3] * 3


def test_the_good_go_on_as_they_are_and_the_worst_from_one_of_the_best() -> None:
    controller, history = PbtController(population=5, share=0.2), History(SPACE)
    first = generation(controller, history)  # trial 1 is the best, trial 5 the worst
    second = generation(controller, history)
    assert [one.origin["parent"] for one in first] == [None] * 5
    assert [one.origin["parent"] for one in second] == [1, 2, 3, 4, 1]
    assert [one.parameters for one in second[:4]] == [one.parameters for one in first[:4]]
    assert second[4].parameters not in [one.parameters for one in first]
    third = generation(controller, history)
    assert [one.origin["parent"] for one in third] == [6, 7, 8, 9, 6]


def test_the_failed_go_on_from_the_best_and_none_from_a_failed_one() -> None:
    controller, history = PbtController(population=4), History(SPACE)
    generation(controller, history, lambda number: None if number in (1, 2) else float(number))
    assert [one.origin["parent"] for one in generation(controller, history)] == [3, 3, 3, 4]


def test_where_all_failed_all_start_anew() -> None:
    controller, history = PbtController(population=3), History(SPACE)
    first = generation(controller, history, lambda number: None)
    second = generation(controller, history)
    assert [one.origin["parent"] for one in second] == [None] * 3
    factors = [new.parameters["lr"] / old.parameters["lr"] for new, old in zip(second, first, strict=True)]
    assert not any(0.7 < factor < 1.3 for factor in factors)  # drawn, not moved a little


def test_those_that_break_a_limit_are_not_copied() -> None:
    controller, history = PbtController(population=4), History(SPACE)
    for number, found in enumerate(controller.recommend(snapshot(history), 4), start=1):
        metrics = {"loss": float(number), "latency": 99.0 if number == 1 else 1.0}
        history.add(replace(ended(number, found, float(number)), metrics=metrics))
    limited = replace(snapshot(history), goals=Goals.parse("-loss", ["latency <= 10"]))
    assert [r.origin["parent"] for r in controller.recommend(limited, 4)] == [2, 2, 3, 4]


def test_it_is_a_function_of_the_history_whatever_the_batches() -> None:
    one, history = PbtController(population=4), History(SPACE)
    generation(one, history)
    together = PbtController(population=4).recommend(snapshot(history), 9)
    assert len(together) == 4
    part = one.recommend(snapshot(history), 2)
    pending = [replace(ended(5 + i, r, 0.0), status="running", loss=None) for i, r in enumerate(part)]
    assert [*part, *one.recommend(snapshot(history, pending), 9)] == together


def test_trials_of_others_and_a_small_space_are_no_obstacle() -> None:
    space = Space({"n": Int(1, 3)})
    controller, history = PbtController(population=10, generations=3), History(space)
    history.add(Observation(number=1, parameters={"n": 2}, status="completed", loss=0.0, origin={"by": "user"}))
    sizes = [len(generation(controller, history)) for _ in range(4)]
    assert sizes == [2, 2, 2, 0]


def test_parents_that_run_once_more_are_waited_for() -> None:
    controller, history = PbtController(population=2), History(SPACE)
    first = generation(controller, history)
    child = replace(ended(3, controller.recommend(snapshot(history), 1)[0], 0.0), status="running", loss=None)
    again = [replace(one, status="running", loss=None) for one in first]
    assert controller.recommend(snapshot(History(SPACE), [*again, child]), 3) == []


def test_wrong_arguments_are_all_named() -> None:
    with pytest.raises(InputError) as caught:
        PbtController(population=1, share=0.9, resample=-1, generations=0)
    assert len(caught.value.problems) == 4


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.25, 1.0]))
def test_what_is_perturbed_lies_in_the_space_and_keeps_what_it_should(seed: int, resample: float) -> None:
    point = MIXED.sample(np.random.default_rng(seed))
    found = perturbed(MIXED, point, np.random.default_rng([seed, 1]), resample=resample, keep=["layers", "kind"])
    MIXED.check(found)
    assert (found["layers"], found["kind"]) == (point["layers"], point["kind"])
    assert found["lr"] != point["lr"]
    assert perturbed(MIXED, point, np.random.default_rng(seed), resample=resample, keep=MIXED.names) == point


def test_numbers_move_by_a_factor_and_steps_by_one_at_least() -> None:
    start: dict[str, Any] = {
        "lr": 0.01, "momentum": 0.5, "shift": 0.0, "layers": 2, "width": 100, "size": "m", "kind": "b"
    }  # fmt: skip
    for seed in range(20):
        found = perturbed(MIXED, start, np.random.default_rng(seed), resample=0.0)
        assert min(abs(found["lr"] / 0.01 - factor) for factor in (0.8, 1.2)) < 0.02
        assert min(abs(found["momentum"] / 0.5 - factor) for factor in (0.8, 1.2)) < 1e-9
        assert 0 < abs(found["shift"]) < 0.5
        assert found["layers"] in (1, 3)
        assert found["width"] in (80, 120)
        assert found["size"] in ("s", "l")
        assert found["kind"] == "b"


def test_where_constraints_leave_nothing_the_point_stays() -> None:
    tight = Space({"a": Float(0.0, 1.0), "b": Float(0.0, 1.0)}, ["a + b <= 0.001"])
    start = {"a": 0.0005, "b": 0.0005}
    assert perturbed(tight, start, np.random.default_rng(0), resample=1.0) == start
