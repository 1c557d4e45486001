"""The problems on which searches are compared, in two sets: DEVELOPMENT and KEPT_ASIDE.

STANDARD are six well-known problems, against which anyone may check a figure. They and all of round one, below, are
DEVELOPMENT. In round one the problems stood in pairs of one kind, of which one was kept aside (that whose name has the
smaller CRC-32) and run once at the end; having been seen, it is kept aside no longer. KEPT_ASIDE is all of round two
(`round_two`): not looked at while the search is developed, and run once at the end. No optimum lies at the centre of
its box, where several optimizers look first.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.search import designs, tuning
from benchmarks.search import functions as f
from benchmarks.search.hypervolume import hypervolume
from benchmarks.search.making import Spec, box, of_values, smooth, xs
from benchmarks.search.problem import Problem, point_at
from benchmarks.search.round_two import ROUND_TWO

HARTMANN6 = (-3.322368011415515, (0.20168951, 0.15001069, 0.47687398, 0.27533243, 0.31165162, 0.65730053))
HARTMANN3 = (-3.862782147820756, (0.11461434, 0.55564885, 0.85254695))
BRANIN = (0.39788735772973816, (3.141592653589793, 2.275))
BRANIN_BOX = [(-5.0, 10.0), (0.0, 15.0)]

_MIXED_SPACE: dict[str, Spec] = {
    "n": {"int": [0, 15]},
    "k": {"int": [1, 10]},
    "a": {"choice": ["A", "B", "C", "D"]},
    "b": {"choice": ["u", "v", "w"]},
    **box(3, 0, 1),
}

_STANDARD = [
    smooth("hartmann6", f.hartmann6, [(0, 1)] * 6, *HARTMANN6),
    smooth("branin", f.branin, BRANIN_BOX, *BRANIN, trials=30),
    smooth("ackley5", f.ackley, [(-5, 10)] * 5, 0.0, [0.0] * 5),
    smooth("rosenbrock8", f.rosenbrock, [(-5, 10)] * 8, 0.0, [1.0] * 8),
    smooth("levy10", f.levy, [(-5, 10)] * 10, 0.0, [1.0] * 10),
    Problem(
        name="mixed7", kind="standard", space=_MIXED_SPACE, function=of_values(f.mixed), optimum=0.0,
        best={"n": 11, "k": 3, "a": "B", "b": "u", "x1": 0.2, "x2": 0.7, "x3": 0.4},
    ),
]  # fmt: skip

_NOISY = [
    smooth("hartmann6_noisy", f.hartmann6, [(0, 1)] * 6, *HARTMANN6, kind="noisy", noise={"y": 0.1}),
    smooth("branin_noisy", f.branin, BRANIN_BOX, *BRANIN, kind="noisy", noise={"y": 2.0}),
    smooth(
        "hartmann3_sem", f.hartmann3, [(0, 1)] * 3, *HARTMANN3,
        kind="noisy", noise={"y": 0.2}, tells_sem=True,
    ),
    smooth(
        "levy4_sem", f.levy, [(-5, 10)] * 4, 0.0, [1.0] * 4, kind="noisy", noise={"y": 1.0}, tells_sem=True
    ),
]  # fmt: skip

_LIMITED = [
    Problem(
        name="gardner2", kind="constrained", space=box(2, 0, 6), function=f.gardner, limits=["c <= 0"],
        optimum=0.2532359, best={"x1": 4.712389, "x2": 1.2532359}, trials=40,
    ),
    Problem(
        name="mishra_bird", kind="constrained", space={"x1": {"float": [-10, 0]}, "x2": {"float": [-6.5, 0]}},
        function=f.mishra_bird, limits=["c <= 25"], optimum=-106.764537,
        best={"x1": -3.1302468, "x2": -1.5821422}, trials=40,
    ),
    Problem(
        name="pressure_vessel", kind="constrained", function=designs.pressure_vessel, minimize=["cost"],
        space={
            "shell": {"int": [1, 99]}, "head": {"int": [1, 99]},
            "radius": {"float": [10, 200]}, "length": {"float": [10, 200]},
        },
        limits=["hoop <= 0", "cap <= 0", "volume >= 1"], optimum=6059.714335,
        best={"shell": 13, "head": 7, "radius": 42.09844559, "length": 176.63659606}, trials=80,
    ),
    Problem(
        name="spring", kind="constrained", function=designs.spring, minimize=["weight"],
        space={"wire": {"float": [0.05, 0.2]}, "coil": {"float": [0.25, 1.3]}, "turns": {"float": [2, 15]}},
        limits=["deflection >= 1", "shear <= 1", "surge >= 1", "width <= 1.5"], optimum=0.0126652328,
        best={"wire": 0.05168906, "coil": 0.35671773, "turns": 11.28896600}, trials=60,
    ),
]  # fmt: skip

_HIGH = [
    smooth(
        "hartmann6_in20", f.hartmann6, [(0, 1)] * 6, *HARTMANN6,
        kind="high-dimensional", dims=20, places=[3, 8, 11, 14, 17, 20], trials=100,
    ),
    smooth(
        "styblinski5_in20", f.styblinski, [(-5, 5)] * 5, -195.830828518857, [-2.903534] * 5,
        kind="high-dimensional", dims=20, places=[2, 5, 9, 12, 18], trials=100,
    ),
    smooth(
        "branin_in50", f.branin, BRANIN_BOX, *BRANIN,
        kind="high-dimensional", dims=50, places=[17, 42], trials=100,
    ),
    smooth(
        "levy6_in50", f.levy, [(-5, 10)] * 6, 0.0, [1.0] * 6,
        kind="high-dimensional", dims=50, places=[4, 13, 22, 30, 39, 47], trials=100,
    ),
]  # fmt: skip

_ACTIVATIONS = ["logistic", "relu", "tanh"]
_CONDITIONAL = [
    Problem(
        name="families", kind="conditional", function=of_values(f.families), optimum=0.05, trials=60,
        space={
            "model": {"choice": ["linear", "tree", "kernel", "net"]},
            "l2": {"float": [1e-5, 1e3], "log": True, "when": {"model": "linear"}},
            "depth": {"int": [1, 20], "when": {"model": "tree"}},
            "leaf": {"int": [1, 64], "log": True, "when": {"model": "tree"}},
            "c": {"float": [1e-3, 1e4], "log": True, "when": {"model": "kernel"}},
            "gamma": {"float": [1e-5, 10], "log": True, "when": {"model": "kernel"}},
            "depth_net": {"int": [1, 4], "when": {"model": "net"}},
            "rate": {"float": [1e-5, 0.1], "log": True, "when": {"model": "net"}},
            "width": {"int": [4, 256], "log": True, "when": {"model": "net"}},
            "dropout": {"float": [0, 0.6], "when": {"model": "net"}},
        },
        best={"model": "net", "depth_net": 3, "rate": 10**-3.1, "width": 48, "dropout": 0.22},
    ),
    Problem(
        name="layers", kind="conditional", function=of_values(f.layers), optimum=0.0, trials=60,
        space={
            "layers": {"int": [1, 3]},
            "rate": {"float": [1e-5, 0.1], "log": True},
            "width1": {"int": [4, 256], "log": True},
            "activation1": {"choice": _ACTIVATIONS},
            "width2": {"int": [4, 256], "log": True, "when": {"layers": [2, 3]}},
            "activation2": {"choice": _ACTIVATIONS, "when": {"layers": [2, 3]}},
            "width3": {"int": [4, 256], "log": True, "when": {"layers": 3}},
            "activation3": {"choice": _ACTIVATIONS, "when": {"layers": 3}},
        },
        best={
            "layers": 3, "rate": 10**-3.6, "width1": 96, "activation1": "relu",
            "width2": 40, "activation2": "tanh", "width3": 24, "activation3": "relu",
        },
    ),
]  # fmt: skip

_DISCRETE = [
    Problem(
        name="ints8", kind="discrete", space={f"n{i}": {"int": [0, 20]} for i in range(1, 9)},
        function=of_values(f.ints), optimum=0.0,
        best=dict(zip([f"n{i}" for i in range(1, 9)], (3, 17, 8, 12, 1, 19, 6, 14), strict=True)),
    ),
    Problem(
        name="staffing6", kind="discrete", space={f"staff{i}": {"int": [1, 60]} for i in range(1, 7)},
        function=of_values(f.staffing), optimum=161.0965652714268,
        best={"staff1": 20, "staff2": 6, "staff3": 43, "staff4": 12, "staff5": 19, "staff6": 5},
    ),
    Problem(
        name="categories6", kind="discrete", function=of_values(f.categories), optimum=2.8961707185937304,
        space={f"c{i}": {"choice": list(f.CATEGORIES)} for i in range(1, 7)},
        best=dict(zip([f"c{i}" for i in range(1, 7)], "cacdda", strict=True)),
    ),
    Problem(
        name="nk8", kind="discrete", function=of_values(f.nk), optimum=0.18822999247787153,
        space={f"c{i}": {"choice": list(f.LETTERS)} for i in range(1, 9)},
        best=dict(zip([f"c{i}" for i in range(1, 9)], "yxyxyxyy", strict=True)),
    ),
]  # fmt: skip


_SEVERAL = [
    Problem(
        name="branin_currin", kind="several objectives", space=box(2, 0, 1), function=xs(f.branin_currin, 2),
        minimize=["f1", "f2"], reference=[18.0, 6.0], optimum=59.36, trials=80,
    ),
    tuning.FOREST,
    Problem(
        name="dtlz2_3", kind="several objectives", space=box(6, 0, 1), function=xs(f.dtlz2, 6, 3),
        minimize=["f1", "f2", "f3"], reference=[1.1] * 3, optimum=0.8074, trials=80,
    ),
    Problem(
        name="vehicle_safety", kind="several objectives", space=box(5, 1, 3), function=xs(designs.vehicle_safety, 5),
        minimize=["f1", "f2", "f3"], reference=[1695.0, 11.0, 0.26], optimum=26.96, trials=80,
    ),
    Problem(
        name="c2_dtlz2", kind="several objectives", space=box(4, 0, 1), function=xs(f.c2_dtlz2, 4),
        minimize=["f1", "f2"], limits=["c <= 0"], reference=[1.1] * 2, optimum=0.3823, trials=80,
    ),
    Problem(
        name="srinivas", kind="several objectives", space=box(2, -20, 20), function=f.srinivas,
        minimize=["f1", "f2"], limits=["circle <= 225", "line <= -10"], reference=[250.0, 0.0],
        optimum=30692.0, trials=80,
    ),
]  # fmt: skip


_ROUND_ONE = [*_NOISY, *_LIMITED, *_HIGH, *_CONDITIONAL, *_DISCRETE, *tuning.ROUND_ONE, *_SEVERAL]
STANDARD: Mapping[str, Problem] = {problem.name: problem for problem in _STANDARD}
DEVELOPMENT: Mapping[str, Problem] = STANDARD | {problem.name: problem for problem in _ROUND_ONE}
KEPT_ASIDE: Mapping[str, Problem] = {problem.name: problem for problem in ROUND_TWO}
PROBLEMS: Mapping[str, Problem] = DEVELOPMENT | KEPT_ASIDE


def check(problem: Problem, points: int = 500) -> None:
    """Makes sure that a problem is as stated: the optimum is reached, and neither beaten nor at the centre.

    Of several objectives: random points have a hypervolume, and it is less than what is stated to be the greatest.

    Raises:
        AssertionError: It is not.
    """
    rng = np.random.default_rng(0)
    centre = point_at(problem.space, [0.5] * len(problem.space))
    tried = [point_at(problem.space, row) for row in rng.random((points, len(problem.space)))]
    found = [problem.function(values) for values in (*tried, centre)]
    assert all(np.isfinite(list(metrics.values())).all() for metrics in found), problem.name
    if len(problem.minimize) > 1:
        reached = hypervolume([problem.losses(m) for m in found if problem.allowed(m)], problem.reference)
        assert 0 < reached < problem.optimum, f"{problem.name}: a hypervolume of {reached}"
        return
    slack = 1e-6 * max(1.0, abs(problem.optimum))
    assert problem.best is not None, problem.name
    at_best = problem.function(problem.best)
    assert problem.allowed(at_best, 1e-6), f"{problem.name}: the best point breaks {problem.excesses(at_best)}"
    assert abs(problem.losses(at_best)[0] - problem.optimum) <= slack, f"{problem.name}: {problem.losses(at_best)}"
    allowed = [problem.losses(metrics)[0] for metrics in found if problem.allowed(metrics, 0.0)]
    assert min(allowed, default=np.inf) >= problem.optimum - slack, f"{problem.name}: {min(allowed)} is better"
    if problem.allowed(found[-1]):
        assert problem.losses(found[-1])[0] > problem.optimum + slack, f"{problem.name}: the centre is best"
