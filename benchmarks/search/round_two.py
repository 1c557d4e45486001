"""Round two of the problems, all of them kept aside: no search is developed on them, and they are run at the end.

The optima are known from the literature, or found exactly: by trying all points (`channels9`), by solving for the rest
with all integers in turn (`welded_beam`), by integer programming (`lowpass6`), as the lowest place of a table, or as
the zero of a sum of squares. The greatest hypervolumes are those of dense fronts, rounded up: of a million random
points and of small steps about those undominated, some hundreds of times, 16,000 points were kept, and the volume no
longer grew in the fourth digit. For three objectives 400,000 points are still 0.1 % short; what infinitely many would
have was told from how the volume grows with their number, and agrees with the integral of the lowest third objective
over bounds on the other two.
"""

from __future__ import annotations

from benchmarks.search import designs, tuning
from benchmarks.search import functions as f
from benchmarks.search.making import box, of_values, smooth, xs
from benchmarks.search.problem import Problem

_PLAIN = [
    smooth("biggs6", f.biggs, [(0, 14)] * 6, 0.0, (1.0, 10.0, 1.0, 5.0, 4.0, 3.0)),
    smooth("alpine3", f.alpine, [(0, 10)] * 3, -22.14380126650834, [7.917052684666207] * 3),
    Problem(
        name="alloy7", kind="standard", function=of_values(f.alloy), optimum=0.0,
        space={
            "base": {"choice": ["copper", "iron", "nickel", "zinc"]},
            "quench": {"choice": ["air", "oil", "water"]},
            "hours": {"int": [1, 24]},
            **box(4, 0, 1),
        },
        best={"base": "copper", "quench": "oil", "hours": 9, "x1": 0.74, "x2": 0.19, "x3": 0.56, "x4": 0.7},
    ),
]  # fmt: skip

_NOISY = [
    smooth(
        "goldstein_noisy", f.goldstein, [(-2, 2)] * 2, -3.129125550610585, (0.0, -1.0), kind="noisy", noise={"y": 0.2}
    ),
    smooth(
        "trid5_sem", f.trid, [(-25, 10), (0, 50), (-25, 10), (0, 50), (-25, 10)], -30.0, (5.0, 8.0, 9.0, 8.0, 5.0),
        kind="noisy", noise={"y": 10.0}, tells_sem=True,
    ),
]  # fmt: skip

_LIMITED = [
    Problem(
        name="sasena", kind="constrained", space={"x1": {"float": [-5, 10]}, "x2": {"float": [0, 15]}},
        function=f.sasena, limits=["c <= 5"], optimum=-268.788504,
        best={"x1": 3.2730237741, "x2": 0.0488697576}, trials=40,
    ),
    Problem(
        name="welded_beam", kind="constrained", function=designs.welded_beam, minimize=["cost"],
        space={
            "weld": {"int": [1, 32]}, "bar": {"int": [1, 32]},
            "length": {"float": [0.1, 10]}, "height": {"float": [0.1, 10]},
        },
        limits=["shear <= 13600", "bending <= 30000", "buckling >= 6000", "deflection <= 0.25", "overlap <= 0"],
        optimum=1.88123869, best={"weld": 4, "bar": 4, "length": 2.9878957897, "height": 8.1975606129}, trials=80,
    ),
]  # fmt: skip

_HIGH = [
    smooth(
        "rastrigin4_in20", f.rastrigin, [(-2.6, 4.2)] * 4, 0.0, [0.0] * 4,
        kind="high-dimensional", dims=20, places=[4, 7, 13, 19], trials=100,
    ),
    smooth(
        "powell16_in50", f.powell, [(-3, 7)] * 16, 0.0, [0.0] * 16,
        kind="high-dimensional", dims=50, places=[2, 5, 8, 11, 15, 18, 21, 24, 27, 29, 33, 36, 40, 43, 46, 49],
        trials=100,
    ),
]  # fmt: skip

_BOOSTING, _LEAFWISE, _NETWORK = {"learner": "boosting"}, {"grower": "leafwise"}, {"learner": "network"}
_CONDITIONAL = [
    Problem(
        name="learners", kind="conditional", function=of_values(f.learners), optimum=0.03, trials=60,
        space={
            "learner": {"choice": ["boosting", "forest", "network"]},
            "share": {"float": [0.05, 1], "when": {"learner": "forest"}},
            "leaf": {"int": [1, 64], "log": True, "when": {"learner": "forest"}},
            "width": {"int": [8, 512], "log": True, "when": _NETWORK},
            "optimizer": {"choice": ["adam", "sgd"], "when": _NETWORK},
            "rate_adam": {"float": [1e-5, 0.1], "log": True, "when": {"optimizer": "adam"}},
            "rate_sgd": {"float": [1e-4, 1], "log": True, "when": {"optimizer": "sgd"}},
            "momentum": {"float": [0, 0.99], "when": {"optimizer": "sgd"}},
            "rate": {"float": [1e-3, 1], "log": True, "when": _BOOSTING},
            "rounds": {"int": [10, 1000], "log": True, "when": _BOOSTING},
            "grower": {"choice": ["depthwise", "leafwise"], "when": _BOOSTING},
            "depth": {"int": [1, 16], "when": {"grower": "depthwise"}},
            "leaves": {"int": [2, 256], "log": True, "when": _LEAFWISE},
            "bagging": {"choice": ["off", "on"], "when": _LEAFWISE},
            "bag": {"float": [0.2, 1], "when": {"bagging": "on"}},
        },
        best={
            "learner": "boosting", "rate": 0.025, "rounds": 500,
            "grower": "leafwise", "leaves": 23, "bagging": "on", "bag": 0.72,
        },
    ),
]  # fmt: skip

_DISCRETE = [
    Problem(
        name="lowpass6", kind="discrete", space={f"tap{i}": {"int": [-30, 60]} for i in range(6)},
        function=of_values(designs.lowpass), optimum=0.0849033715928873,
        best={f"tap{i}": tap for i, tap in enumerate((52, 38, 12, -7, -9, 1))}, trials=60,
    ),
    Problem(
        name="channels9", kind="discrete", space={f"c{i}": {"choice": list(designs.CHANNELS)} for i in range(1, 10)},
        function=of_values(designs.channels), optimum=3.4160352481619616,
        best={f"c{i}": channel for i, channel in enumerate("psqprsrrq", 1)}, trials=60,
    ),
]  # fmt: skip

_SEVERAL = [
    Problem(
        name="kursawe3", kind="several objectives", space=box(3, -4, 5.5), function=xs(f.kursawe, 3),
        minimize=["f1", "f2"], reference=[-14.0, 1.0], optimum=37.348, trials=80,
    ),
    Problem(
        name="rocket_injector", kind="several objectives", space=box(4, 0, 1), function=xs(designs.rocket_injector, 4),
        minimize=["f1", "f2", "f3"], reference=[1.05] * 3, optimum=1.0134, trials=80,
    ),
    Problem(
        name="disc_brake", kind="several objectives", function=designs.disc_brake, minimize=["mass", "time"],
        space={
            "inner": {"float": [55, 80]}, "outer": {"float": [75, 110]},
            "force": {"float": [1000, 3000]}, "plates": {"int": [2, 20]},
        },
        limits=["gap >= 20", "length <= 30", "pressure <= 0", "heat <= 0", "moment >= 900"],
        reference=[3.0, 18.0], optimum=40.914, trials=80,
    ),
]  # fmt: skip

ROUND_TWO = [
    *_PLAIN, *_NOISY, *_LIMITED, *_HIGH, *_CONDITIONAL, *_DISCRETE, *tuning.ROUND_TWO, *_SEVERAL,
]  # fmt: skip
