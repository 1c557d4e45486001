"""What the Gaussian process search does under limits, noise, fixed values, earlier studies, absurd spaces."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from meristem.bayesopt.fitting import Fitter
from meristem.controllers.auto import AutoController
from meristem.controllers.gp import GpController
from meristem.controllers.pareto_surrogate import ParetoSurrogate
from meristem.controllers.pins import Pins
from meristem.controllers.protocol import Controller, History, Observation, Snapshot
from meristem.controllers.random import RandomController
from meristem.controllers.sobol import SobolController
from meristem.controllers.surrogate import Surrogate
from meristem.errors import InputError
from meristem.objective import Goals
from meristem.space import Choice, Float, Int, Parameters, Space

SQUARE = Space({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})
Measure = Callable[[Parameters], dict[str, float]]


def snapshot_of(history: History, goals: Goals, **more: Any) -> Snapshot:
    return Snapshot(space=history.space, goals=goals, history=history, created=len(history), **more)


def search(
    measure: Measure,
    trials: int,
    goals: str = "-loss",
    limits: tuple[str, ...] = (),
    space: Space = SQUARE,
    controller: Controller | None = None,
    sem: float | None = None,
    **more: Any,
) -> History:
    controller, parsed, history = controller or AutoController(), Goals.parse(goals, limits), History(space)
    for number in range(1, trials + 1):
        [found] = controller.recommend(snapshot_of(history, parsed, **more), 1)
        space.check(found.parameters)
        add(history, parsed, found.parameters, measure(found.parameters), sem, found.origin, number)
    return history


def add(
    history: History,
    goals: Goals,
    parameters: Parameters,
    metrics: dict[str, float],
    sem: float | None = None,
    origin: Any = None,
    number: int = 0,
) -> None:
    losses = goals.losses(metrics)
    history.add(
        Observation(
            number=number or len(history) + 1,
            parameters=parameters,
            status="completed",
            loss=None if losses is None else losses[0],
            metrics=metrics,
            sems={} if sem is None else dict.fromkeys(metrics, sem),
            origin=origin or {},
        )
    )


def bowl(p: Parameters) -> dict[str, float]:
    return {"loss": (p["x"] - 0.3) ** 2 + (p["y"] - 0.6) ** 2}


def test_it_finds_the_best_point_on_the_edge_of_a_limit() -> None:
    def measure(p: Parameters) -> dict[str, float]:
        return {**bowl(p), "size": 1000 * (1 - p["x"])}

    history = search(measure, 18, limits=("size <= 400",))
    kept = [o.loss for o in history if o.metrics["size"] <= 400 and o.loss is not None]
    assert 0.09 <= min(kept) < 0.095


def test_while_nothing_keeps_the_limits_it_searches_for_what_does() -> None:
    def measure(p: Parameters) -> dict[str, float]:
        return {"loss": p["x"], "cost": (p["x"] - 0.87) ** 2 + (p["y"] - 0.13) ** 2}

    history = search(measure, 20, limits=("cost <= 0.003",))
    aims = [o.origin.get("aim") for o in history if o.origin["by"] == "gp"]
    assert aims[0] == "feasibility"
    assert aims[-1] is None
    assert min(o.metrics["cost"] for o in history) <= 0.003


def test_a_limit_relative_to_the_baseline_counts_once_that_is_known() -> None:
    def measure(p: Parameters) -> dict[str, float]:
        return {"loss": -p["x"], "cost": p["x"]}

    history = search(measure, 16, limits=("cost <= 0.5 * baseline",), baseline={"cost": 1.0})
    assert sum(o.metrics["cost"] > 0.52 for o in list(history)[8:]) <= 2
    unknown = search(measure, 12, limits=("cost <= 0.5 * baseline",))
    assert max(o.metrics["cost"] for o in unknown) > 0.9


def test_known_noise_keeps_a_lucky_measurement_from_leading_the_search() -> None:
    rng = np.random.default_rng(0)
    goals, history = Goals.parse("-loss"), History(SQUARE)
    for _ in range(40):
        p = SQUARE.sample(rng)
        add(history, goals, p, {"loss": bowl(p)["loss"] + 0.05 * rng.standard_normal()}, sem=0.05)
    add(history, goals, {"x": 0.95, "y": 0.05}, {"loss": -0.4}, sem=0.5)
    [found] = GpController().recommend(snapshot_of(history, goals), 1)
    assert np.hypot(found.parameters["x"] - 0.3, found.parameters["y"] - 0.6) < 0.4


@pytest.mark.parametrize("controller", [AutoController, GpController, SobolController, RandomController])
def test_fixed_values_are_kept_by_every_recommendation(controller: Callable[[], Controller]) -> None:
    space = Space(
        {
            "x": Float(0.0, 1.0),
            "lr": Float(1e-4, 1.0, log=True),
            "model": Choice(["tree", "mlp"]),
            "depth": Int(1, 9, when={"model": "tree"}),
            "width": Int(1, 99, when={"model": "mlp"}),
        }
    )

    def measure(p: Parameters) -> dict[str, float]:
        return {"loss": p["x"] + 0.01 * p["width"]}

    history = search(measure, 14, space=space, controller=controller(), fixed={"lr": 0.0123, "model": "mlp"})
    assert {(o.parameters["lr"], o.parameters["model"]) for o in history} == {(0.0123, "mlp")}
    assert all("depth" not in o.parameters for o in history)


def test_in_a_small_space_fixed_values_leave_only_what_has_them() -> None:
    space = Space({"a": Choice(["p", "q", "r"]), "n": Int(1, 6)})
    controller, history, goals = GpController(initial=2), History(space), Goals.parse("-loss")
    for _ in range(6):
        [found] = controller.recommend(snapshot_of(history, goals, fixed={"a": "q"}), 1)
        add(history, goals, found.parameters, {"loss": (found.parameters["n"] - 4) ** 2})
    assert sorted(o.parameters["n"] for o in history) == [1, 2, 3, 4, 5, 6]
    assert controller.recommend(snapshot_of(history, goals, fixed={"a": "q"}), 1) == []


def test_pins_know_who_has_them() -> None:
    pins = Pins(SQUARE, {"x": 0.25, "other": 1})
    assert pins
    assert pins.hold({"x": 0.25, "y": 0.5})
    assert not pins.hold({"x": 0.5})
    np.testing.assert_array_equal(pins.place(np.array([[0.9, 0.1]])), [[0.25, 0.1]])
    assert not Pins(SQUARE, {})


def earlier_study(shift: float = 0.0, scale: float = 7.0, count: int = 30) -> list[Observation]:
    rng, goals, history = np.random.default_rng(1), Goals.parse("-loss"), History(SQUARE)
    for _ in range(count):
        p = SQUARE.sample(rng)
        add(history, goals, p, {"loss": 3 + scale * ((p["x"] - 0.3 - shift) ** 2 + (p["y"] - 0.6) ** 2)})
    return list(history)


def test_an_earlier_study_of_the_same_thing_replaces_the_random_start() -> None:
    history = search(bowl, 5, earlier=[earlier_study()])
    assert [o.origin["by"] for o in history] == ["center"] + ["gp"] * 4
    assert history[1].origin["earlier"] == 30
    assert history.losses()[:3].min() < 0.02
    alone = search(bowl, 5)
    assert history.losses().min() < alone.losses().min()


def test_an_earlier_study_of_something_else_does_not_mislead_for_long() -> None:
    history = search(bowl, 15, earlier=[earlier_study(scale=-7.0)])
    assert history.losses().min() < 0.01


def test_earlier_trials_that_do_not_fit_the_space_are_left_out() -> None:
    strange = [replace(o, parameters={"z": 1.0}) for o in earlier_study()]
    outside = [replace(o, parameters={"x": 7.0, "y": 0.0}) for o in earlier_study()[:3]]
    history = search(bowl, 4, earlier=[strange, [*earlier_study(), *outside], []])
    assert history[2].origin["earlier"] == 30


def test_the_model_is_told_and_can_be_fixed() -> None:
    space = Space({name: Float(0.0, 1.0) for name in "wxyz"})
    free = search(bowl, 6, space=space, controller=GpController(initial=5))
    assert free[5].origin["kernel"] == "product + sum"
    fixed = search(bowl, 6, space=space, controller=GpController(initial=5, transform="bent", kernel="product"))
    assert fixed[5].origin == {"by": "gp", "transform": "bent", "kernel": "product"}
    logarithm = search(bowl, 6, space=space, controller=GpController(initial=5, transform="log"))
    assert logarithm[5].origin["transform"].startswith("log")


def test_integers_limits_and_unordered_choices_get_more_trials_to_begin_with() -> None:
    plain = {f"x{i}": Float(0.0, 1.0) for i in range(8)}

    def begun(space: dict[str, Any], expected: int, **given: Any) -> list[str]:
        found = search(
            lambda p: {"loss": p["x0"], "size": p["x1"]}, expected + 1, space=Space(space), controller=GpController(),
            **given,
        )  # fmt: skip
        return [str(o.origin["by"]) for o in found]

    assert begun(plain, 5) == ["sobol"] * 5 + ["gp"]
    assert begun({**plain, "n": Int(1, 5)}, 10) == ["sobol"] * 10 + ["gp"]
    assert begun(plain, 10, limits=("size <= 0.9",)) == ["sobol"] * 10 + ["gp"]
    assert begun({**plain, "c": Choice(["a", "b", "c", "d"])}, 14) == ["sobol"] * 14 + ["gp"]


@pytest.mark.parametrize("arguments", [{"transform": "powerful"}, {"kernel": "matern"}, {"transform": 3}])
def test_unknown_variants_are_refused(arguments: Any) -> None:
    with pytest.raises(InputError, match="is not known"):
        GpController(**arguments)


def test_scale_and_shift_of_the_losses_change_no_recommendation() -> None:
    first = search(bowl, 14, controller=GpController())
    second = search(lambda p: {"loss": 4096 * bowl(p)["loss"] - 64}, 14, controller=GpController())
    for a, b in zip(first, second, strict=True):
        assert list(a.parameters.values()) == pytest.approx(list(b.parameters.values()), abs=1e-4)


@pytest.mark.parametrize(
    ("space", "losses"),
    [
        (Space({"x": Float(0.0, 1e-300), "y": Float(-1e300, 1e300)}), "x"),
        (Space({"x": Float(1e-308, 1e308, log=True), "n": Int(1, 10**12, log=True)}), "x"),
        (Space({"one": Choice(["only"]), "x": Float(0.0, 1.0)}), "x"),
        (Space({f"p{i}": Float(0.0, 1.0) for i in range(500)}), "p0"),
        (Space({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)}, ["x + y <= 0.2"]), "x"),
        (Space({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)}, [lambda p: p["x"] > p["y"]]), "x"),
    ],
    ids=["widths", "logs", "one choice", "500 parameters", "little room", "callable"],
)
def test_absurd_spaces_are_searched(space: Space, losses: str) -> None:
    history = search(
        lambda p: {"loss": float(np.log1p(abs(p[losses])))}, 5, space=space, controller=GpController(initial=3)
    )
    assert [o.origin["by"] for o in history] == ["sobol"] * 3 + ["gp"] * 2
    assert "transform" in history[4].origin


@pytest.mark.parametrize(
    "losses",
    [
        [1.0] * 12,
        [1e12] + [1.0, 2.0, 3.0] * 4,
        [-1e12] + [1.0, 2.0, 3.0] * 4,
        [1e308, -1e308, 0.0] * 4,
        [5e-324, 0.0] * 6,
    ],
    ids=["constant", "outlier", "lucky outlier", "extremes", "tiny"],
)
def test_absurd_losses_are_survived(losses: list[float]) -> None:
    rng, goals, history = np.random.default_rng(0), Goals.parse("-loss"), History(SQUARE)
    for loss in losses:
        add(history, goals, SQUARE.sample(rng), {"loss": loss})
    found = GpController().recommend(snapshot_of(history, goals), 2)
    assert len(found) == 2
    assert all("fallback" not in r.origin for r in found)


@pytest.mark.parametrize("sem", [1e300, 1e-300, 0.0, float("nan"), float("inf")])
def test_absurd_standard_errors_are_survived(sem: float) -> None:
    rng, history = np.random.default_rng(0), History(SQUARE)
    goals = Goals.parse("-loss", ("size <= 0.5",))
    for _ in range(12):
        p = SQUARE.sample(rng)
        add(history, goals, p, {**bowl(p), "size": p["x"]}, sem=sem)
    [found] = GpController().recommend(snapshot_of(history, goals), 1)
    assert "fallback" not in found.origin


def test_hundreds_of_trials_of_one_point_are_survived() -> None:
    rng, goals, history = np.random.default_rng(0), Goals.parse("-loss"), History(SQUARE)
    for _ in range(600):
        add(history, goals, {"x": 0.5, "y": 0.5}, {"loss": rng.standard_normal()})
    [found] = GpController().recommend(snapshot_of(history, goals), 1)
    assert found.parameters != {"x": 0.5, "y": 0.5}


def test_asking_twice_gives_the_same_with_limits_noise_and_earlier_studies() -> None:
    def measure(p: Parameters) -> dict[str, float]:
        return {**bowl(p), "size": p["x"]}

    more: dict[str, Any] = {"earlier": [earlier_study()], "fixed": {"y": 0.5}}
    history = search(measure, 9, limits=("size <= 0.4",), sem=0.01, **more)
    asked = snapshot_of(history, Goals.parse("-loss", ("size <= 0.4",)), **more)
    controller = GpController()
    first = controller.recommend(asked, 3)
    controller.recommend(snapshot_of(History(SQUARE), Goals.parse("-loss")), 1)
    assert controller.recommend(asked, 3) == first == GpController().recommend(asked, 3)


def believed_under_a_limit(objective: str) -> Any:
    space = Space({"x": Float(0, 1)})
    history, goals = History(space), Goals.parse(objective, ["size <= 0.5"])
    for number in range(1, 9):
        x = number / 8
        metrics = {"loss": x, "other": 1 - x} | ({"size": x} if number != 2 else {})
        losses = goals.losses(metrics) or ()
        history.add(
            Observation(
                number=number, parameters={"x": x}, status="completed", loss=losses[0],
                losses=losses if len(losses) > 1 else (), metrics=metrics,
            )
        )  # fmt: skip
    history.add(Observation(number=9, parameters={"x": 0.01}, status="failed"))
    pending = [
        Observation(number=10, parameters={"x": 0.95}, status="running"),
        Observation(number=11, parameters={"x": 0.2}, status="running"),
    ]
    snapshot = Snapshot(space=space, goals=goals, history=history, pending=pending, created=11, seed=1)
    surrogate = Surrogate(space) if goals.single else ParetoSurrogate(space)
    return surrogate.believe(snapshot)


def test_what_is_not_known_to_keep_a_limit_what_failed_and_pending_trials_beyond_it_are_no_best() -> None:
    belief = believed_under_a_limit("-loss")
    expected = [True, False, True, True, False, False, False, False]
    assert belief.feasible.tolist() == [*expected, False, False, True]
    several = believed_under_a_limit("-loss, -other")
    assert several.feasible.tolist() == [*expected, False, False, True]


def test_a_standard_error_of_infinity_is_the_largest_of_all_and_not_none() -> None:
    def after(sem: float) -> float:
        space = Space({"x": Float(0.0, 1.0)})
        history = History(space)
        for number, x in enumerate(np.linspace(0.05, 0.95, 10), 1):
            lucky = number == 10
            history.add(
                Observation(
                    number=number, parameters={"x": float(x)}, status="completed",
                    loss=-9.0 if lucky else (x - 0.2) ** 2, metrics={"loss": 0.0},
                    sems={"loss": sem if lucky else 0.01},
                )
            )  # fmt: skip
        snapshot = Snapshot(space=space, goals=Goals.parse("-loss"), history=history, created=10, seed=1)
        [found] = GpController().recommend(snapshot, 1)
        return float(found.parameters["x"])

    assert after(np.inf) == pytest.approx(after(1e9), abs=0.02)
    assert abs(after(np.inf) - 0.95) > 0.3 > abs(after(0.01) - 0.95)


def test_limits_are_fitted_as_seldom_as_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    space = Space({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})
    goals = Goals.parse("-loss", ["size <= 1"])
    rng, history = np.random.default_rng(0), History(space)
    inner, refits = Fitter.fit, 0

    def refitted(self: Fitter, *data: Any, **more: Any) -> Any:
        nonlocal refits
        refits += 1
        return inner(self, *data, **more)

    monkeypatch.setattr(Fitter, "fit", refitted)
    controller = GpController(transform="bent")
    for number in range(1, 60):
        p = space.sample(rng)
        metrics = {"loss": p["x"], "size": p["x"] + p["y"]}
        history.add(
            Observation(number=number, parameters=p, status="completed", loss=p["x"], losses=(), metrics=metrics)
        )
        if number >= 48:
            controller.recommend(Snapshot(space=space, goals=goals, history=history, created=number, seed=1), 1)
    assert refits <= 2 * 4  # the loss and the limit, every fourth trial


def test_two_threads_that_ask_at_once_leave_the_processors_as_they_were() -> None:
    space = Space({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})
    rng, history = np.random.default_rng(0), History(space)
    for number in range(1, 31):
        p = space.sample(rng)
        history.add(Observation(number=number, parameters=p, status="completed", loss=p["x"]))
    snapshot = Snapshot(space=space, goals=Goals.parse("-loss"), history=history, created=30, seed=1)
    GpController().recommend(snapshot, 1)
    before = [pool["num_threads"] for pool in threadpool_info()]
    threads = [threading.Thread(target=GpController().recommend, args=(snapshot, n)) for n in (1, 3, 2, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [pool["num_threads"] for pool in threadpool_info()] == before
