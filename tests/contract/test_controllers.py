"""What every controller promises, for every built-in one over several kinds of space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from meristem.controllers.asha import AshaController
from meristem.controllers.auto import AutoController
from meristem.controllers.cmaes import CmaesController
from meristem.controllers.evolution import EvolutionController
from meristem.controllers.fixed_count import TestController
from meristem.controllers.gp import GpController
from meristem.controllers.grid import GridController
from meristem.controllers.hyperband import HyperbandController
from meristem.controllers.optuna import OptunaController
from meristem.controllers.pbt import PbtController
from meristem.controllers.protocol import (
    Controller,
    History,
    Observation,
    Recommendation,
    Snapshot,
)
from meristem.controllers.random import RandomController
from meristem.controllers.reinforcement import ReinforcementController
from meristem.controllers.sobol import SobolController
from meristem.objective import Goals
from meristem.space import Choice, Fixed, Float, Int, Space

CONTROLLERS: dict[str, Callable[[], Controller]] = {
    "asha": lambda: AshaController("sobol"),
    "asha of a grid": lambda: AshaController(GridController()),
    "auto": AutoController,
    "cmaes": CmaesController,
    "evolution": EvolutionController,
    "gp": GpController,
    "grid": GridController,
    "hyperband": lambda: HyperbandController("sobol", max_step=81),
    "hyperband of asha": lambda: HyperbandController(AshaController("random")),
    "pbt": PbtController,
    "optuna": OptunaController,
    "random": RandomController,
    "reinforcement": lambda: ReinforcementController(max_rounds=1000),
    "reinforcement without end": ReinforcementController,
    "sobol": SobolController,
    "test": lambda: TestController(total_recs=1000, max_recs_each_time=1000),
}
GRIDS = {"grid", "asha of a grid"}
SPACES: dict[str, Space] = {
    "continuous": Space({"x": Float(-5.0, 10.0), "lr": Float(1e-5, 1.0, log=True)}),
    "conditional": Space(
        {
            "model": Choice(["mlp", "forest"]),
            "lr": Float(1e-4, 1.0, log=True, when={"model": "mlp"}),
            "solver": Choice(["adam", "sgd"], when={"model": "mlp"}),
            "momentum": Float(0.0, 1.0, when={"solver": "sgd"}),
            "depth": Int(1, 40, when={"model": "forest"}),
            "seed": Fixed(3),
        }
    ),
    "finite": Space({"n": Int(1, 4), "kind": Choice(["a", "b", "c"]), "s": Float(0.0, 0.5, step=0.25)}),
    "large finite": Space({f"n{i}": Int(1, 100) for i in range(4)}),
    "constrained": Space({"a": Float(0.0, 1.0), "b": Float(0.0, 1.0), "n": Int(0, 9)}, ["a + b <= 0.5"]),
    "single": Space({"only": Fixed(1)}),
    "training configuration": Space(
        {
            "lr.float.$0:learning_rate": Float(1e-4, 1e-2, log=True, default=1e-3),
            "net.enum.train.model$0:channels": Choice([[16, 32], [8, 16]], default=[8, 16]),
            "net.enum.train.model$1:norm,act": Choice([["batch", None], [None, {"name": "elu"}]]),
            "transform.enum.train.pre_transforms.3$0:@disabled": Choice([True, False], default=False),
        }
    ),
}
FINITE = {
    "finite": SPACES["finite"],
    "conditional": Space({"m": Choice(["a", "b"]), "n": Int(1, 5, when={"m": "a"})}),
    "constrained": Space({"n": Int(1, 6), "m": Int(1, 6)}, ["n + m <= 5"]),
    "single": SPACES["single"],
}

WITHOUT_LIBRARY = pytest.mark.skipif(find_spec("cmaes") is None, reason="the extra cmaes is not installed")
all_controllers = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=WITHOUT_LIBRARY if name == "cmaes" else ()) for name in CONTROLLERS]
)
# Population based training tries points again, from other checkpoints: its own tests say what it promises.
all_that_never_repeat = pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=WITHOUT_LIBRARY if n == "cmaes" else ()) for n in CONTROLLERS if n != "pbt"],
)
all_spaces = pytest.mark.parametrize("kind", SPACES)


def loss_of(parameters: Any) -> float:
    return float(sum(v if isinstance(v, (int, float)) else len(str(v)) for v in parameters.values()))


def snapshot_of(space: Space, observations: list[Observation], pending: list[Observation] | None = None) -> Snapshot:
    history = History(space)
    for observation in observations:
        history.add(observation)
    waiting = pending or []
    return Snapshot(
        space=space,
        goals=Goals.parse("-loss"),
        history=history,
        pending=waiting,
        created=len(observations) + len(waiting),
        seed=5,
    )


def completed(number: int, recommendation: Recommendation, loss: float | None = None) -> Observation:
    return Observation(
        number=number,
        parameters=recommendation.parameters,
        status="completed",
        loss=loss_of(recommendation.parameters) if loss is None else loss,
        origin=recommendation.origin,
    )


def played(controller: Controller, space: Space, rounds: int, each: int = 1) -> list[Observation]:
    """The trials of a study in which every recommendation is tried, `each` at a time."""
    observations: list[Observation] = []
    for _ in range(rounds):
        for recommendation in controller.recommend(snapshot_of(space, observations), each):
            observations.append(completed(len(observations) + 1, recommendation))
    return observations


def sampled(space: Space, count: int) -> list[Recommendation]:
    rng = np.random.default_rng(2)
    return [Recommendation(parameters=space.sample(rng)) for _ in range(count)]


@all_that_never_repeat
@all_spaces
def test_all_points_lie_in_the_space_and_differ(name: str, kind: str) -> None:
    space = SPACES[kind]
    trials = played(CONTROLLERS[name](), space, rounds=8, each=2)
    for trial in trials:
        space.check(trial.parameters)
    assert trials
    assert len({space.key(trial.parameters) for trial in trials}) == len(trials)
    assert len(trials) == (16 if kind != "single" else 1)


@all_controllers
@all_spaces
def test_asking_twice_gives_the_same_answer_also_by_a_fresh_controller(name: str, kind: str) -> None:
    space, used = SPACES[kind], CONTROLLERS[name]()
    observations = played(used, space, rounds=13)
    snapshot = snapshot_of(space, observations)
    first = used.recommend(snapshot, 2)
    assert used.recommend(snapshot, 2) == first
    assert CONTROLLERS[name]().recommend(snapshot_of(space, observations), 2) == first


@all_controllers
@all_spaces
def test_at_most_as_many_as_asked_for(name: str, kind: str) -> None:
    snapshot = snapshot_of(SPACES[kind], [])
    for count in (0, 1, 3):
        given = CONTROLLERS[name]().recommend(snapshot, count)
        assert len(given) == min(count, SPACES[kind].size or count)


@all_controllers
def test_another_seed_gives_other_points_except_on_a_grid(name: str) -> None:
    space, controller = SPACES["continuous"], CONTROLLERS[name]()
    first = snapshot_of(space, [])
    one, other = (controller.recommend(replace(first, seed=seed), 3) for seed in (1, 2))
    assert ([r.parameters for r in one] == [r.parameters for r in other]) == (name in GRIDS)


@all_that_never_repeat
@all_spaces
def test_what_is_pending_is_not_proposed_again(name: str, kind: str) -> None:
    space, controller = SPACES[kind], CONTROLLERS[name]()
    observations = played(controller, space, rounds=11)
    running: list[Observation] = []
    for _ in range(5):
        for recommendation in controller.recommend(snapshot_of(space, observations, running), 1):
            number = len(observations) + len(running) + 1
            trial = completed(number, recommendation)
            running.append(replace(trial, status="running", loss=None))
    keys = [space.key(trial.parameters) for trial in [*observations, *running]]
    assert len(set(keys)) == len(keys)


@all_that_never_repeat
@pytest.mark.parametrize("kind", FINITE)
def test_a_finite_space_is_used_up_and_then_nothing_is_left(name: str, kind: str) -> None:
    space = FINITE[kind]
    trials = played(CONTROLLERS[name](), space, rounds=space.size or 0)
    assert {space.key(t.parameters) for t in trials} == {space.key(p) for p in space.points()}
    assert list(CONTROLLERS[name]().recommend(snapshot_of(space, trials), 3)) == []


@all_that_never_repeat
@pytest.mark.parametrize("kind", FINITE)
def test_asking_for_more_than_there_is_gives_all_there_is(name: str, kind: str) -> None:
    space = FINITE[kind]
    given = CONTROLLERS[name]().recommend(snapshot_of(space, []), 1000)
    assert len({space.key(r.parameters) for r in given}) == len(given) == space.size


@all_controllers
@all_spaces
def test_a_history_of_failures_only_is_no_obstacle(name: str, kind: str) -> None:
    space = SPACES[kind]
    failed = [
        Observation(number=i + 1, parameters=r.parameters, status="failed", origin=r.origin)
        for i, r in enumerate(sampled(space, 12))
    ]
    snapshot = snapshot_of(space, failed)
    for recommendation in CONTROLLERS[name]().recommend(snapshot, 2):
        space.check(recommendation.parameters)
        assert not snapshot.taken(recommendation.parameters)


@all_controllers
@all_spaces
@pytest.mark.parametrize("losses", [[1.0], [2.0] * 14, [1e300, -1e300, *[0.0] * 12]], ids=["one", "equal", "absurd"])
def test_few_repeated_and_absurd_observations_are_no_obstacle(name: str, kind: str, losses: list[float]) -> None:
    space = SPACES[kind]
    points = [point for point in sampled(space, len(losses) // 2 + 1) for _ in range(2)]
    observations = [completed(i + 1, points[i], loss) for i, loss in enumerate(losses)]
    observations.append(Observation(number=len(losses) + 1, parameters=points[0].parameters, status="failed"))
    for recommendation in CONTROLLERS[name]().recommend(snapshot_of(space, observations), 2):
        space.check(recommendation.parameters)
        numbers = [v for v in recommendation.parameters.values() if isinstance(v, (int, float))]
        assert np.isfinite(numbers).all()


@all_that_never_repeat
def test_trials_that_others_added_are_not_repeated(name: str) -> None:
    space = FINITE["finite"]
    points = list(space.points())
    others = [completed(i + 1, Recommendation(parameters=p)) for i, p in enumerate(points[::2])]
    given = CONTROLLERS[name]().recommend(snapshot_of(space, others), 100)
    assert sorted(space.key(r.parameters) for r in given) == sorted(space.key(p) for p in points[1::2])
