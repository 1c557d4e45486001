"""Searching for several objectives: by Gaussian processes, evolution, Optuna; with limits, thresholds, gaps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from meristem.bayesopt.hypervolume import hypervolume
from meristem.controllers.evolution import EvolutionController
from meristem.controllers.gp import GpController
from meristem.controllers.optuna import OptunaController
from meristem.controllers.protocol import Controller, History, Observation, Recommendation, Snapshot
from meristem.objective import Goals
from meristem.space import Choice, Float, Int, Space

SPACE = Space({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})
MIXED = Space(
    {
        "kind": Choice(["a", "b"]),
        "n": Int(1, 30),
        "x": Float(0.0, 1.0, when={"kind": "a"}),
        "size": Choice(["s", "m", "l"], ordered=True),
    }
)
TWO = Goals.parse("-cost, -error")
CONTROLLERS: dict[str, Callable[[], Controller]] = {
    "gp": GpController,
    "evolution": EvolutionController,
    "optuna": OptunaController,
}


def measure(parameters: Any) -> dict[str, float]:
    """A front along x at y = 0; weight is a third metric, for limits."""
    x, y = parameters["x"], parameters["y"]
    return {"cost": x + y, "error": (1.0 - x) ** 2 + y, "weight": x}


def ended(number: int, given: Recommendation, goals: Goals, metrics: dict[str, float] | None) -> Observation:
    losses = goals.losses(metrics) if metrics else None
    return Observation(
        number=number,
        parameters=given.parameters,
        status="completed" if losses else "failed",
        loss=losses[0] if losses else None,
        losses=losses or (),
        metrics=metrics or {},
        origin=given.origin,
    )


def snapshot_of(space: Space, goals: Goals, observations: list[Observation], **more: Any) -> Snapshot:
    history = History(space)
    for observation in observations:
        history.add(observation)
    waiting = len(more.get("pending", ()))
    return Snapshot(space=space, goals=goals, history=history, created=len(observations) + waiting, seed=3, **more)


def played(
    controller: Controller, goals: Goals, count: int, *, space: Space = SPACE, measured: Any = measure
) -> list[Observation]:
    observations: list[Observation] = []
    for number in range(1, count + 1):
        (given,) = controller.recommend(snapshot_of(space, goals, observations), 1)
        observations.append(ended(number, given, goals, measured(given.parameters)))
    return observations


def sampled(goals: Goals, count: int, *, measured: Any = measure) -> list[Observation]:
    rng = np.random.default_rng(0)
    points = [SPACE.sample(rng) for _ in range(count)]
    return [ended(i + 1, Recommendation(parameters=p), goals, measured(p)) for i, p in enumerate(points)]


def volume(observations: list[Observation]) -> float:
    return hypervolume(np.array([o.losses for o in observations if o.losses]), [1.1, 1.1])


def mixed(parameters: Any) -> dict[str, float]:
    size = {"s": 0.0, "m": 0.5, "l": 1.0}[parameters["size"]]
    return {"cost": parameters["n"] / 30 + size, "error": parameters.get("x", 0.7) - size, "weight": size}


def test_gp_covers_the_front_better_than_chance_would() -> None:
    trials = played(GpController(), TWO, 16)
    assert volume(trials) > volume(sampled(TWO, 16)) + 0.1
    assert volume(trials) > 0.7  # 0.826 can be had
    assert trials[-1].origin == {"by": "gp", "model": "hypervolume"}


@pytest.mark.parametrize("name", CONTROLLERS)
def test_asking_twice_gives_the_same_answer_also_by_a_fresh_controller(name: str) -> None:
    used, goals = CONTROLLERS[name](), Goals.parse("-cost, -error", ["weight <= 0.6"])
    trials = played(used, goals, 12, space=MIXED, measured=mixed)
    snapshot = snapshot_of(MIXED, goals, trials)
    first = used.recommend(snapshot, 3)
    assert used.recommend(snapshot, 3) == first
    fresh = snapshot_of(MIXED, goals, trials)
    assert CONTROLLERS[name]().recommend(fresh, 3) == first
    for recommendation in first:
        MIXED.check(recommendation.parameters)
    assert len({MIXED.key(r.parameters) for r in first}) == 3


def test_gp_keeps_to_limits_once_it_knows_them() -> None:
    goals = Goals.parse("-cost, -error", ["weight <= 0.4"])
    given = GpController().recommend(snapshot_of(SPACE, goals, sampled(goals, 14)), 5)
    assert sum(recommendation.parameters["x"] <= 0.4 for recommendation in given) >= 4


def test_gp_begins_where_nothing_keeps_the_limits_yet() -> None:
    goals = Goals.parse("-cost, -error", ["weight <= 0.05"])
    points = [{"x": x, "y": y} for x in (0.3, 0.5, 0.7, 0.9) for y in (0.2, 0.8)]
    seen = [ended(i + 1, Recommendation(parameters=p), goals, measure(p)) for i, p in enumerate(points)]
    (given,) = GpController(initial=5).recommend(snapshot_of(SPACE, goals, seen), 1)
    assert given.parameters["x"] < 0.3


def test_thresholds_keep_gp_to_the_part_of_the_front_that_is_worth_having() -> None:
    goals = Goals.parse("-cost, -error", thresholds={"cost": 0.45, "error": 0.6})
    given = GpController().recommend(snapshot_of(SPACE, goals, sampled(goals, 14)), 4)
    expected = [measure(recommendation.parameters) for recommendation in given]
    assert sum(m["cost"] < 0.55 and m["error"] < 0.8 for m in expected) >= 3
    free = GpController().recommend(snapshot_of(SPACE, TWO, sampled(TWO, 14)), 4)
    assert max(measure(r.parameters)["cost"] for r in free) > max(m["cost"] for m in expected) + 0.1


def test_gp_spreads_trials_that_run_at_once() -> None:
    batch = GpController().recommend(snapshot_of(SPACE, TWO, sampled(TWO, 12)), 4)
    places = np.array([[r.parameters["x"], r.parameters["y"]] for r in batch])
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)[np.triu_indices(4, 1)]
    assert apart.min() > 0.02


def test_what_is_pending_is_as_if_it_had_been_recommended_just_now() -> None:
    trials = sampled(TWO, 12)
    first, second = GpController().recommend(snapshot_of(SPACE, TWO, trials), 2)
    running = Observation(number=13, parameters=first.parameters, status="running", origin=first.origin)
    (again,) = GpController().recommend(snapshot_of(SPACE, TWO, trials, pending=[running]), 1)
    apart = [abs(again.parameters[name] - first.parameters[name]) for name in ("x", "y")]
    assert max(apart) > 0.02
    assert abs(again.parameters["x"] - second.parameters["x"]) < 0.2


@pytest.mark.parametrize("name", CONTROLLERS)
def test_gaps_failures_and_absurd_values_are_no_obstacle(name: str) -> None:
    goals = Goals.parse("-cost, -error", ["weight <= 0.6", "cost <= 0.9 * baseline"])
    rng = np.random.default_rng(1)
    trials = []
    for number in range(1, 25):
        point = SPACE.sample(rng)
        metrics: dict[str, float] | None = measure(point)
        if number % 4 == 0:
            metrics = None
        elif number % 4 == 1:
            metrics = {"cost": 1e300, "error": -1e300}
        elif number % 4 == 2:
            metrics = {"cost": 1.0, "error": 1.0, "weight": 1e300}
        trials.append(ended(number, Recommendation(parameters=point), goals, metrics))
    for recommendation in CONTROLLERS[name]().recommend(snapshot_of(SPACE, goals, trials), 2):
        SPACE.check(recommendation.parameters)


@pytest.mark.parametrize("count", [3, 4, 5])
def test_gp_searches_for_up_to_five_objectives(count: int) -> None:
    goals = Goals.parse(", ".join(f"-f{i}" for i in range(count)))

    def corners(parameters: Any) -> dict[str, float]:
        return {f"f{i}": abs(parameters["x"] - i / count) + parameters["y"] for i in range(count)}

    trials = sampled(goals, 14, measured=corners)
    given = GpController().recommend(snapshot_of(SPACE, goals, trials), 2)
    assert np.mean([recommendation.parameters["y"] for recommendation in given]) < 0.3


@pytest.mark.parametrize("name", CONTROLLERS)
def test_fixed_values_are_kept(name: str) -> None:
    origin = {"by": "evolution", "generation": 1}
    trials = [replace(trial, origin=origin) for trial in sampled(TWO, 12)]
    snapshot = replace(snapshot_of(SPACE, TWO, trials), fixed={"y": 0.25})
    for recommendation in CONTROLLERS[name]().recommend(snapshot, 2):
        assert recommendation.parameters["y"] == pytest.approx(0.25)


def test_earlier_studies_of_the_same_front_take_the_place_of_the_random_start() -> None:
    earlier = [replace(o, number=o.number + 100) for o in sampled(TWO, 30)]
    observations: list[Observation] = []
    controller = GpController()
    for number in range(1, 9):
        snapshot = snapshot_of(SPACE, TWO, observations, earlier=[earlier])
        (given,) = controller.recommend(snapshot, 1)
        observations.append(ended(number, given, TWO, measure(given.parameters)))
    assert [o.origin["by"] for o in observations] == ["sobol"] + ["gp"] * 7
    assert observations[1].origin["earlier"] == 30
    assert volume(observations) > volume(played(GpController(), TWO, 8)) + 0.02


def test_a_lucky_measurement_known_to_be_noisy_is_not_taken_for_part_of_the_front() -> None:
    lucky = sampled(TWO, 20)
    worst = max(range(20), key=lambda place: lucky[place].parameters["y"])
    metrics = {**lucky[worst].metrics, "cost": -1.0, "error": -1.0}
    told = ended(worst + 1, Recommendation(parameters=lucky[worst].parameters), TWO, metrics)

    def nearest(sems: dict[str, float]) -> float:
        observations = [*lucky[:worst], replace(told, sems=sems), *lucky[worst + 1 :]]
        (found,) = GpController().recommend(snapshot_of(SPACE, TWO, observations), 1)
        return max(abs(found.parameters[name] - told.parameters[name]) for name in ("x", "y"))

    assert nearest({"cost": 3.0, "error": 3.0}) > 0.3 > nearest({})


def test_a_front_in_pieces_between_limits_is_searched_beyond_the_piece_that_is_known() -> None:
    goals = Goals.parse("-cost, -error", ["gap <= 0.1"])

    def pieces(parameters: Any) -> dict[str, float]:
        gap = min(abs(parameters["x"] - 0.15), abs(parameters["x"] - 0.85))
        return {**measure(parameters), "gap": gap}

    xs = np.linspace(0.06, 0.6, 10)
    points = [{"x": float(x), "y": 0.1} for x in xs]
    observations = [ended(i + 1, Recommendation(parameters=p), goals, pieces(p)) for i, p in enumerate(points)]
    controller = GpController()
    for number in range(11, 26):
        (given,) = controller.recommend(snapshot_of(SPACE, goals, observations), 1)
        observations.append(ended(number, given, goals, pieces(given.parameters)))
    kept = [o.parameters["x"] for o in observations if o.metrics["gap"] <= 0.1]
    assert sum(x > 0.7 for x in kept) >= 3


def test_a_front_in_pieces_is_searched_beyond_the_piece_that_is_known() -> None:
    def waved(parameters: Any) -> dict[str, float]:
        x = parameters["x"]
        return {"cost": x, "error": 1.0 - x**0.5 - x * np.sin(4.0 * np.pi * x) + 2.0 * parameters["y"]}

    points = [{"x": x, "y": y} for x in (0.0, 0.03, 0.06, 0.09, 0.13, 0.17, 0.21) for y in (0.0, 0.4)]
    observations = [ended(i + 1, Recommendation(parameters=p), TWO, waved(p)) for i, p in enumerate(points)]
    controller = GpController()
    for number in range(15, 31):
        (given,) = controller.recommend(snapshot_of(SPACE, TWO, observations), 1)
        observations.append(ended(number, given, TWO, waved(given.parameters)))
    assert min(o.losses[1] for o in observations) < -0.4  # the second piece ends at -0.43, the first at 0.43
