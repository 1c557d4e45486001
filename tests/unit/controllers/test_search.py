"""What the built-in controllers decide, beyond what all controllers promise (see the contract suite)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import qmc

from meristem.bayesopt.gp import GaussianProcess
from meristem.controllers import surrogate
from meristem.controllers.auto import AutoController
from meristem.controllers.enumeration import Enumeration, Untaken
from meristem.controllers.gp import GpController
from meristem.controllers.grid import GridController
from meristem.controllers.protocol import Controller, History, Observation, Snapshot
from meristem.controllers.random import RandomController
from meristem.controllers.sobol import SobolController
from meristem.controllers.taken import Taken
from meristem.errors import InputError
from meristem.objective import Goals
from meristem.space import Choice, Float, Int, Parameters, Space
from meristem.study.definition import build_controller

SQUARE = Space({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})


def snapshot_of(history: History, seed: int = 0, created: int | None = None) -> Snapshot:
    created = len(history) if created is None else created
    goals = Goals.parse("-loss")
    return Snapshot(space=history.space, goals=goals, history=history, created=created, seed=seed)


def search(
    controller: Controller,
    space: Space,
    loss: Callable[[Parameters], float | None],
    trials: int,
    seed: int = 0,
) -> History:
    history = History(space)
    for number in range(1, trials + 1):
        [found] = controller.recommend(snapshot_of(history, seed), 1)
        value = loss(found.parameters)
        status = "failed" if value is None else "completed"
        history.add(
            Observation(number=number, parameters=found.parameters, status=status, loss=value, origin=found.origin)
        )
    return history


def branin(p: Parameters) -> float:
    x, y = 15 * p["x"] - 5, 15 * p["y"]
    bowl = (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2
    return bowl + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def mixed_loss(p: Parameters) -> float:
    if p["model"] == "mlp":
        return (math.log10(p["lr"]) + 2.3) ** 2 + 0.1 * (p["solver"] == "sgd")
    return 1.0 + 0.05 * (p["depth"] - 6) ** 2


def bys(history: History) -> list[Any]:
    return [observation.origin["by"] for observation in history]


def test_gp_finds_the_minimum_of_branin_within_30_trials() -> None:
    history = search(GpController(), SQUARE, branin, trials=30, seed=1)
    assert history.losses().min() - 0.397887 < 0.1


def test_auto_finds_the_best_branch_of_a_conditional_space() -> None:
    space = Space(
        {
            "model": Choice(["forest", "mlp"]),
            "lr": Float(1e-5, 1.0, log=True, when={"model": "mlp"}),
            "solver": Choice(["sgd", "adam"], when={"model": "mlp"}),
            "depth": Int(1, 40, when={"model": "forest"}),
        }
    )
    assert search(AutoController(), space, mixed_loss, trials=30).losses().min() < 0.01


def test_gp_finds_a_minimum_on_the_border_of_a_constraint() -> None:
    space = Space({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)}, ["x + y <= 1"])
    history = search(GpController(), space, lambda p: (p["x"] - 0.8) ** 2 + (p["y"] - 0.6) ** 2, trials=25)
    assert history.losses().min() < 0.08 + 0.005


def test_gp_keeps_away_from_where_trials_fail() -> None:
    def loss(p: Parameters) -> float | None:
        return None if p["x"] > 0.5 else 1.0 - p["x"]

    history = search(GpController(), SQUARE, loss, trials=30)
    late = list(history)[15:]
    assert sum(trial.status == "failed" for trial in late) <= 8
    assert history.losses().min() < 0.53


def test_gp_starts_with_sobol_until_it_has_enough_losses() -> None:
    history = search(GpController(initial=3), SQUARE, branin, trials=5)
    assert bys(history) == ["sobol"] * 3 + ["gp"] * 2
    assert bys(search(GpController(), SQUARE, lambda p: None, trials=12)) == ["sobol"] * 12


def test_auto_tries_the_defaults_first_where_they_are_feasible() -> None:
    space = Space({"x": Float(0.0, 1.0, default=0.9), "y": Float(0.0, 1.0)})
    history = search(AutoController(), space, branin, trials=8)
    assert history[0].parameters == {"x": 0.9, "y": 0.5}
    assert bys(history) == ["center"] + ["sobol"] * 4 + ["gp"] * 3
    bounded = Space({"x": Float(0.0, 1.0, default=0.9), "y": Float(0.0, 1.0)}, ["x + y <= 1"])
    assert bys(search(AutoController(), bounded, branin, trials=1)) == ["sobol"]


def test_a_fit_that_fails_numerically_falls_back_to_sobol(monkeypatch: pytest.MonkeyPatch) -> None:
    history = search(GpController(), SQUARE, branin, trials=6)

    def refuse(*_: object) -> GaussianProcess:
        raise np.linalg.LinAlgError("not positive definite")

    monkeypatch.setattr(surrogate, "GaussianProcess", refuse)
    [found] = GpController().recommend(snapshot_of(history), 1)
    assert found.origin == {"by": "gp", "fallback": "sobol: not positive definite"}
    assert not history.tried(found.parameters)


def test_gp_spreads_what_is_asked_for_at_once() -> None:
    history = search(GpController(), SQUARE, branin, trials=12)
    found = [r.parameters for r in GpController().recommend(snapshot_of(history), 4)]
    gaps = [abs(a["x"] - b["x"]) + abs(a["y"] - b["y"]) for i, a in enumerate(found) for b in found[:i]]
    assert min(gaps) > 0.02


def test_gp_keeps_away_from_what_is_pending() -> None:
    history = search(GpController(), SQUARE, branin, trials=12)
    asked = snapshot_of(history)
    [first] = GpController().recommend(asked, 1)
    running = Observation(number=13, parameters=first.parameters, status="running", origin=first.origin)
    [second] = GpController().recommend(replace(asked, pending=[running]), 1)
    assert (
        abs(first.parameters["x"] - second.parameters["x"]) + abs(first.parameters["y"] - second.parameters["y"]) > 0.02
    )


def test_several_trials_share_one_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = 0
    fit = surrogate.choose_model

    def counted(*data: Any, **options: Any) -> Any:
        nonlocal fits
        fits += 1
        return fit(*data, **options)

    monkeypatch.setattr(surrogate, "choose_model", counted)
    search(GpController(initial=48), SQUARE, branin, trials=56)
    assert fits == 2


def test_gp_copes_with_more_trials_than_it_fits_to() -> None:
    rng, history = np.random.default_rng(0), History(SQUARE)
    for number in range(1, 701):
        p = SQUARE.sample(rng)
        history.add(Observation(number=number, parameters=p, status="completed", loss=branin(p)))
    [found] = GpController().recommend(snapshot_of(history), 1)
    assert "fallback" not in found.origin
    assert branin(found.parameters) < 3


def test_the_grid_is_gone_through_in_order() -> None:
    space = Space({"n": Int(1, 2), "x": Float(0.0, 1.0)})
    history = search(GridController(levels=3), space, lambda p: 0.0, trials=6)
    assert [o.parameters for o in history] == list(space.points(levels=3))
    assert [o.origin["index"] for o in history] == list(range(6))
    assert GridController(levels=3).recommend(snapshot_of(history), 1) == []


def test_the_grid_keeps_fixed_values_that_need_not_be_its_own() -> None:
    space = Space(
        {"a": Choice(["p", "q"]), "x": Float(0, 1), "y": Float(0, 1), "z": Float(0, 1, when={"a": "q"})},
        constraints=["x + y <= 1"],
    )
    controller, history = GridController(levels=3), History(space)
    found = []
    for fixed in [{"x": 0.3}] * 2 + [{"a": "q", "x": 0.3, "z": 0.7}] * 3 + [{"x": 0.3}] * 7:
        given = controller.recommend(replace(snapshot_of(history), fixed=fixed), 1)
        assert given == GridController(levels=3).recommend(replace(snapshot_of(history), fixed=fixed), 1)
        for one in given:
            found.append(one.parameters)
            history.add(Observation(number=len(history) + 1, parameters=one.parameters, status="completed", loss=0.0))
    on_p = [{"a": "p", "x": 0.3, "y": y} for y in (0.0, 0.5)]
    on_q = [{"a": "q", "x": 0.3, "y": y, "z": z} for y in (0.0, 0.5) for z in (0.0, 0.5, 1.0)]
    assert found == [*on_p, *({**on_q[0], "y": y, "z": 0.7} for y in (0.0, 0.5)), *on_q]


def test_the_grid_goes_on_in_its_order_after_fixed_values() -> None:
    controller, history = GridController(levels=2), History(SQUARE)
    found = []
    for fixed in ({}, {"x": 1.0}, {"x": 0.3}, {}, {}, {}):
        for one in controller.recommend(replace(snapshot_of(history), fixed=fixed), 1):
            found.append(tuple(one.parameters.values()))
            history.add(
                Observation(
                    number=len(history) + 1, parameters=one.parameters, status="completed", loss=0.0, origin=one.origin
                )
            )
    assert found == [(0.0, 0.0), (1.0, 0.0), (0.3, 0.0), (0.0, 1.0), (1.0, 1.0)]


def test_what_fixed_values_leave_of_a_space_is_found_to_the_last_point() -> None:
    space = Space({"x": Float(0, 1), "k": Choice(["a", "b", "c"]), "n": Int(0, 10**6)}, constraints=["x + n <= 2"])
    controller, history = RandomController(), History(space)
    fixed = {"x": 0.5, "n": 1}
    for _ in range(3):
        [one] = controller.recommend(replace(snapshot_of(history), fixed=fixed), 1)
        history.add(Observation(number=len(history) + 1, parameters=one.parameters, status="completed", loss=0.0))
    assert {o.parameters["k"] for o in history} == {"a", "b", "c"}
    assert controller.recommend(replace(snapshot_of(history), fixed=fixed), 1) == []


def test_a_narrow_rest_of_a_space_beside_fixed_values_is_found() -> None:
    space = Space({"a": Int(0, 400), "b": Int(0, 400), "c": Int(0, 400)}, constraints=["a + b >= 800", "c <= 0"])
    [one] = RandomController().recommend(replace(snapshot_of(History(space)), fixed={"a": 400}), 1)
    assert one.parameters == {"a": 400, "b": 400, "c": 0}


def test_the_grid_goes_on_without_starting_over(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = 0
    points = Space.points

    def counted(self: Space, *args: Any, **more: Any) -> Iterator[dict[str, Any]]:
        nonlocal passed
        for point in points(self, *args, **more):
            passed += 1
            yield point

    monkeypatch.setattr(Space, "points", counted)
    search(GridController(levels=20), SQUARE, lambda p: 0.0, trials=300)
    assert passed <= 310


@pytest.mark.parametrize("controller", [SobolController, GridController])
def test_a_history_is_read_once_however_often_it_is_asked(controller: Callable[[], Controller]) -> None:
    class CountingHistory(History):
        reads = 0

        def __getitem__(self, index: int) -> Observation:
            self.reads += 1
            return super().__getitem__(index)

        def __iter__(self) -> Iterator[Observation]:
            raise AssertionError("reads the whole history")

    history, asked = CountingHistory(SQUARE), controller()
    for number in range(1, 21):
        [found] = asked.recommend(snapshot_of(history), 1)
        history.add(Observation(number=number, parameters=found.parameters, status="failed", origin=found.origin))
    assert history.reads <= 20


def test_a_controller_may_serve_another_history_in_between() -> None:
    controller = SobolController()
    long, short = search(controller, SQUARE, branin, trials=9), History(SQUARE)
    assert controller.recommend(snapshot_of(short), 1) == SobolController().recommend(snapshot_of(short), 1)
    assert controller.recommend(snapshot_of(long), 1) == SobolController().recommend(snapshot_of(long), 1)


def test_sobol_fills_the_space_more_evenly_than_chance() -> None:
    def quarters(controller: Controller) -> list[int]:
        history = search(controller, SQUARE, branin, trials=64)
        cells = [(int(o.parameters["x"] * 4), int(o.parameters["y"] * 4)) for o in history]
        return sorted(cells.count((i, j)) for i in range(4) for j in range(4))

    assert quarters(SobolController()) == [4] * 16
    assert quarters(RandomController()) != [4] * 16


def test_sobol_goes_past_the_end_of_its_blocks() -> None:
    history = search(SobolController(), SQUARE, branin, trials=260)
    assert [o.origin["index"] for o in history] == list(range(260))


def test_sobol_points_are_those_of_one_sequence_whatever_the_blocks() -> None:
    whole = qmc.Sobol(2, scramble=True, rng=7).random(1024)
    history = History(SQUARE)
    for number, index in enumerate([0, 255, 256, 700], start=1):
        [found] = SobolController().recommend(snapshot_of(history, seed=7), 1)
        assert list(found.parameters.values()) == pytest.approx(list(whole[found.origin["index"]]))
        origin = {"by": "sobol", "index": index}
        history.add(Observation(number=number, parameters=found.parameters, status="failed", origin=origin))


def test_an_enumeration_goes_back_as_far_as_asked() -> None:
    space, points = Space({"n": Int(0, 4999)}), Enumeration()
    assert [points.find(space, index) for index in (3000, 2999, 0, 4999, 5000, 4999)] == [
        {"n": 3000},
        {"n": 2999},
        {"n": 0},
        {"n": 4999},
        None,
        {"n": 4999},
    ]


def test_a_pending_point_that_is_withdrawn_is_found_again() -> None:
    history, untaken = History(Space({"n": Int(0, 9)})), Untaken()
    history.add(Observation(number=1, parameters={"n": 0}, status="completed"))
    alone = snapshot_of(history)
    busy = replace(alone, pending=[Observation(number=2, parameters={"n": 1}, status="running")])
    assert untaken.find(busy, Taken(busy)) == {"n": 2}
    assert untaken.find(alone, Taken(alone)) == {"n": 1}


def test_where_constraints_leave_little_room_sobol_takes_random_points() -> None:
    space = Space({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)}, ["x + y <= 0.04"])
    given = SobolController().recommend(snapshot_of(History(space)), 3)
    assert [r.origin["by"] for r in given] == ["sobol"] * 3
    assert "random" in [r.origin.get("fallback") for r in given]
    for recommendation in given:
        space.check(recommendation.parameters)


def test_a_finite_space_with_one_feasible_point_in_a_million_is_searched_whole() -> None:
    space = Space({"x": Int(1, 1000), "y": Int(1, 1000)}, ["x + y <= 3"])
    history = search(RandomController(), space, lambda p: 0.0, trials=3)
    assert sorted((o.parameters["x"], o.parameters["y"]) for o in history) == [(1, 1), (1, 2), (2, 1)]


@pytest.mark.parametrize("levels", [0, -1, 2.5, True, "5"])
def test_levels_of_a_grid_are_whole_and_positive(levels: Any) -> None:
    with pytest.raises(InputError, match="levels"):
        GridController(levels=levels)


@pytest.mark.parametrize("initial", [0, 1.5, True, "3"])
def test_initial_trials_are_whole_and_positive(initial: Any) -> None:
    with pytest.raises(InputError, match="initial trials"):
        GpController(initial=initial)


@pytest.mark.parametrize("controller", ["random", "sobol", "auto", "gp"])
def test_a_huge_space_whose_few_feasible_points_are_used_up_ends_soon(controller: str) -> None:
    space = Space({"a": Int(0, 10**6), "b": Int(0, 10**6)}, ["a + b <= 1"])
    history, asked = History(space), build_controller(controller)[0]
    found: list[Any] = []
    for number in range(1, 5):
        given = asked.recommend(snapshot_of(history, created=number - 1), 1)
        if not given:
            break
        found.append(given[0].parameters)
        history.add(
            Observation(
                number=number, parameters=found[-1], status="completed", loss=float(number), origin=given[0].origin
            )
        )
    assert sorted((p["a"], p["b"]) for p in found) == [(0, 0), (0, 1), (1, 0)]
