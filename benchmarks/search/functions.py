"""The formulas of the problems: functions of vectors or of named values. Everything is to be made small.

Written from the literature; where a function is our own, its docstring says what it is like. Those that are about
building something are in `designs`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Values = Mapping[str, Any]


def hartmann(x: Vector, weights: Sequence[Sequence[float]], centers: Sequence[Sequence[float]]) -> float:
    """Four Gaussian dents. Source: Dixon and Szegö, Towards Global Optimization 2 (1978)."""
    depths = (1.0, 1.2, 3.0, 3.2)
    return -sum(
        depth * math.exp(-sum(w * (v - c) ** 2 for w, v, c in zip(row, x, center, strict=True)))
        for depth, row, center in zip(depths, weights, centers, strict=True)
    )


def hartmann3(x: Vector) -> float:
    weights = ((3, 10, 30), (0.1, 10, 35), (3, 10, 30), (0.1, 10, 35))
    centers = ((0.3689, 0.117, 0.2673), (0.4699, 0.4387, 0.747), (0.1091, 0.8732, 0.5547), (0.0381, 0.5743, 0.8828))
    return hartmann(x, weights, centers)


def hartmann6(x: Vector) -> float:
    weights = (
        (10, 3, 17, 3.5, 1.7, 8),
        (0.05, 10, 17, 0.1, 8, 14),
        (3, 3.5, 1.7, 10, 17, 8),
        (17, 8, 0.05, 10, 0.1, 14),
    )
    centers = (
        (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
        (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
        (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
        (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
    )
    return hartmann(x, weights, centers)


def branin(x: Vector) -> float:
    """Three equal minima. Source: Dixon and Szegö (1978)."""
    valley = x[1] - 5.1 * (x[0] / math.tau) ** 2 + 5 * x[0] / math.pi - 6
    return float(valley**2 + (10 - 1.25 / math.pi) * math.cos(x[0]) + 10)


def ackley(x: Vector) -> float:
    """A narrow funnel in a rippled plain. Source: Ackley, A Connectionist Machine for Genetic Hillclimbing (1987)."""
    radius = math.sqrt(float(np.mean(np.square(x))))
    return 20 - 20 * math.exp(-radius / 5) + math.e - math.exp(float(np.mean(np.cos(math.tau * x))))


def rosenbrock(x: Vector) -> float:
    """A curved valley. Source: Rosenbrock, The Computer Journal 3 (1960)."""
    return float(np.sum(100 * np.square(x[1:] - np.square(x[:-1])) + np.square(1 - x[:-1])))


def levy(x: Vector) -> float:
    """Rippled bowls. Source: Levy and Montalvo, SIAM J. Sci. Stat. Comput. 6 (1985)."""
    w = 0.75 + 0.25 * np.asarray(x)
    first, last = math.sin(math.pi * w[0]) ** 2, (w[-1] - 1) ** 2 * (1 + math.sin(math.tau * w[-1]) ** 2)
    return float(first + np.sum((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(math.pi * w[:-1] + 1) ** 2)) + last)


def styblinski(x: Vector) -> float:
    """Two dents in each dimension, one deeper. Source: Styblinski and Tang, Neural Networks 3 (1990)."""
    return float(np.sum(x**4 - 16 * x**2 + 5 * x) / 2)


def goldstein(x: Vector) -> float:
    """Valleys beside walls, in logarithms. Source: Goldstein and Price (1971); so scaled by Picheny et al. (2013)."""
    u, v = float(x[0]), float(x[1])
    first = 1 + (u + v + 1) ** 2 * (19 - 14 * u + 3 * u**2 - 14 * v + 6 * u * v + 3 * v**2)
    second = 30 + (2 * u - 3 * v) ** 2 * (18 - 32 * u + 12 * u**2 + 48 * v - 36 * u * v + 27 * v**2)
    return (math.log(first * second) - 8.693) / 2.427


def trid(x: Vector) -> float:
    """A bowl whose neighbours pull on each other. Source: Neumaier, cited by Hedar, Kyoto University (2005)."""
    return float(np.sum((x - 1) ** 2) - np.sum(x[1:] * x[:-1]))


def biggs(x: Vector) -> float:
    """Two decays fitted by three. Source: Biggs, J. IMA 8 (1971); Moré, Garbow and Hillstrom, ACM TOMS 7 (1981), 18."""
    t = np.arange(1, 14) / 10
    wanted = np.exp(-t) - 5 * np.exp(-10 * t) + 3 * np.exp(-4 * t)
    told = x[2] * np.exp(-t * x[0]) - x[3] * np.exp(-t * x[1]) + x[5] * np.exp(-t * x[4])
    return float(np.sum((told - wanted) ** 2))


def alpine(x: Vector) -> float:
    """Waves that grow and multiply over the dimensions. Source: Clerc, The Swarm and the Queen, CEC 1999."""
    return -float(np.prod(np.sqrt(x) * np.sin(x)))


def rastrigin(x: Vector) -> float:
    """A bowl full of dents. Source: Rastrigin (1974); Mühlenbein et al., Parallel Computing 17 (1991)."""
    return float(np.sum(x**2 + 10 - 10 * np.cos(math.tau * x)))


def powell(x: Vector) -> float:
    """Groups of four, each with a flat valley. Source: Powell, The Computer Journal 5 (1962)."""
    a, b, c, d = x[0::4], x[1::4], x[2::4], x[3::4]
    return float(np.sum((a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4))


def mixed(p: Values) -> float:
    """Two categories of which one moves the best floats, the other the best integer and the steepness."""
    level, best = {
        "A": (0.6, (0.8, 0.3, 0.5)),
        "B": (0.0, (0.2, 0.7, 0.4)),
        "C": (0.9, (0.5, 0.5, 0.9)),
        "D": (0.3, (0.6, 0.9, 0.1)),
    }[p["a"]]
    steepness, best_k = {"u": (1, 3), "v": (2, 5), "w": (4, 8)}[p["b"]]
    away = [p[f"x{i}"] - c for i, c in enumerate(best, 1)]
    integers = ((p["n"] - 11) / 5) ** 2 + ((p["k"] - best_k) / 3) ** 2 / 2
    floats = 3 * steepness * sum(a * a for a in away) + 0.1 - 0.1 * math.cos(3 * math.pi * away[0])
    return level + (steepness - 1) / 10 + integers + floats


def alloy(p: Values) -> float:
    """A base that is good nearly everywhere, and one that is better in a narrow place, which the quench moves."""
    level, width, best = {
        "copper": (0.0, 0.22, (0.82, 0.27, 0.64)),
        "iron": (0.12, 1.0, (0.35, 0.6, 0.45)),
        "nickel": (0.3, 0.6, (0.5, 0.75, 0.2)),
        "zinc": (0.45, 0.8, (0.15, 0.4, 0.85)),
    }[p["base"]]
    shift, hours = {"air": (0.0, 4), "oil": (-0.08, 9), "water": (0.1, 15)}[p["quench"]]
    away = sum(((p[f"x{i}"] - shift - c) / width) ** 2 for i, c in enumerate(best, 1))
    wrong = {"air": 0.06, "oil": 0.0, "water": 0.04}[p["quench"]]
    bowl = 0.15 * ((p["hours"] - hours) / 8) ** 2 + 0.3 * (p["x4"] - 0.7) ** 2
    return level + wrong + bowl + 1.2 * (1 - math.exp(-away))


def gardner(p: Values) -> dict[str, float]:
    """A small ring of allowed points. Source: Gardner et al., ICML 2014, second simulation."""
    return {"y": math.sin(p["x1"]) + p["x2"], "c": math.sin(p["x1"]) * math.sin(p["x2"]) + 0.95}


def mishra_bird(p: Values) -> dict[str, float]:
    """Source: Mishra, Some new test functions for global optimization, SSRN 926132 (2006)."""
    x, y = p["x1"], p["x2"]
    value = math.sin(y) * math.exp((1 - math.cos(x)) ** 2) + math.cos(x) * math.exp((1 - math.sin(y)) ** 2)
    return {"y": value + (x - y) ** 2, "c": (x + 5) ** 2 + (y + 5) ** 2}


def sasena(p: Values) -> dict[str, float]:
    """Allowed on three small islands. Source: Sasena, Flexibility and Efficiency Enhancements (2002), newBranin."""
    x, y = p["x1"], p["x2"]
    return {"y": -((x - 10) ** 2) - (y - 15) ** 2, "c": branin(np.array([x, y]))}


def families(p: Values) -> float:
    """Four families of models, each with parameters of its own; like choosing a model and tuning it at once."""
    match p["model"]:
        case "linear":
            return 0.30 + 0.03 * (math.log10(p["l2"]) + 1) ** 2
        case "tree":
            return 0.18 + 0.004 * (p["depth"] - 9) ** 2 + 0.02 * math.log2(p["leaf"] / 4) ** 2
        case "kernel":
            c, gamma = math.log10(p["c"]) - 1.3, math.log10(p["gamma"]) + 2.2
            return 0.12 + 0.05 * (c + gamma) ** 2 + 0.01 * (c - gamma) ** 2
        case _:
            rate, wide = math.log10(p["rate"]) + 3.1 + 0.3 * (p["depth_net"] - 3), math.log2(p["width"] / 48)
            dropout = p["dropout"] - 0.22
            return 0.05 + 0.25 * (1 - math.exp(-(rate**2))) + 0.02 * wide**2 + dropout**2 + _deep(p["depth_net"])


def _deep(layers: int) -> float:
    return (0.2, 0.06, 0.0, 0.03)[layers - 1]


def layers(p: Values) -> float:
    """A network whose later layers exist only in deep ones; each has a width and an activation."""
    wanted = ((96, "relu"), (40, "tanh"), (24, "relu"))
    value = (0.35, 0.12, 0.0)[p["layers"] - 1] + 0.08 * (math.log10(p["rate"]) + 2.4 + 0.4 * p["layers"]) ** 2
    for i in range(p["layers"]):
        width, activation = wanted[i]
        value += 0.03 * math.log2(p[f"width{i + 1}"] / width) ** 2 + 0.05 * (p[f"activation{i + 1}"] != activation)
    return value


def learners(p: Values) -> float:
    """Learners, their variants and the variants' own choices: three levels of conditions."""
    match p["learner"]:
        case "forest":
            return 0.16 + 0.4 * (p["share"] - 0.34) ** 2 + 0.01 * math.log2(p["leaf"] / 3) ** 2
        case "network":
            width = 0.01 * math.log2(p["width"] / 90) ** 2
            if p["optimizer"] == "sgd":  # what counts is the rate over one minus momentum
                reach = math.log10(p["rate_sgd"]) - math.log10(1.02 - p["momentum"])
                return 0.11 + width + 0.06 * (reach + 0.8) ** 2
            return 0.13 + width + 0.03 * (math.log10(p["rate_adam"]) + 2.9) ** 2
        case _:
            return 0.03 + _boosting(p)


def _boosting(p: Values) -> float:
    value = 0.08 * math.log10(p["rate"] * p["rounds"] / 12.5) ** 2 + 0.02 * math.log10(p["rate"] / 0.025) ** 2
    if p["grower"] == "depthwise":
        return value + 0.05 + 0.003 * (p["depth"] - 5) ** 2
    value += 0.015 * math.log2(p["leaves"] / 23) ** 2
    return value + (0.07 if p["bagging"] == "off" else 0.5 * (p["bag"] - 0.72) ** 2)


_BEST_INTS = (3, 17, 8, 12, 1, 19, 6, 14)


def ints(p: Values) -> float:
    """An ill-conditioned bowl with ripples on integers, neighbours coupled."""
    away = np.array([p[f"n{i}"] - c for i, c in enumerate(_BEST_INTS, 1)], dtype=float) / 10
    scales = np.array([1, 4, 0.5, 2, 8, 1, 3, 0.25])
    bowl = float(scales @ away**2 + 0.8 * np.sum((away[1:] - away[:-1]) ** 2))
    return bowl + 0.15 * float(np.sum(1 - np.cos(4 * math.pi * away)))


_STATIONS = ((11.3, 1.0, 6.0), (4.2, 3.0, 2.0), (23.7, 0.6, 9.0), (7.8, 1.5, 4.0), (15.1, 0.9, 1.0), (2.4, 4.0, 8.0))


def staffing(p: Values) -> float:
    """How many to employ at each of six stations: wages against waiting, which grows near full load."""
    total = 0.0
    for i, (load, wage, patience) in enumerate(_STATIONS, 1):
        spare = p[f"staff{i}"] - load
        waiting = patience * load / spare if spare > 0.05 * load else patience * (20 + 2 * (0.05 * load - spare))
        total += wage * p[f"staff{i}"] + min(waiting, patience * 100)
    return total


CATEGORIES = ("a", "b", "c", "d")
LETTERS = ("x", "y", "z")


@lru_cache(maxsize=1)
def _effects() -> tuple[list[list[float]], dict[tuple[int, int], list[list[float]]]]:
    draw = random.Random(61)
    single = [[draw.random() for _ in CATEGORIES] for _ in range(6)]
    pairs = {(i, j): [[0.8 * draw.random() for _ in CATEGORIES] for _ in CATEGORIES] for i, j in _PAIRS}
    return single, pairs


_PAIRS = ((0, 1), (0, 3), (1, 4), (2, 5), (3, 4))


def categories(p: Values) -> float:
    """Six choices of four with effects of their own and in pairs, drawn once."""
    single, pairs = _effects()
    at = [CATEGORIES.index(p[f"c{i}"]) for i in range(1, 7)]
    return sum(row[a] for row, a in zip(single, at, strict=True)) + sum(t[at[i]][at[j]] for (i, j), t in pairs.items())


@lru_cache(maxsize=1)
def _landscape() -> list[dict[tuple[int, int, int], float]]:
    draw = random.Random(83)
    return [{key: draw.random() for key in product(range(3), repeat=3)} for _ in range(8)]


def nk(p: Values) -> float:
    """Eight letters, each worth what it and its two neighbours say. Source: Kauffman and Weinberger (1989), K = 2."""
    at = [LETTERS.index(p[f"c{i}"]) for i in range(1, 9)]
    return sum(site[at[i], at[(i + 1) % 8], at[(i + 2) % 8]] for i, site in enumerate(_landscape())) / 8


def branin_currin(x: Vector) -> dict[str, float]:
    """Source: Belakaria et al., NeurIPS 2019 (MESMO); Currin et al., JASA 86 (1991)."""
    u, v = float(x[0]), float(x[1])
    damp = 1 - math.exp(-0.5 / v) if v > 0 else 1.0
    currin = damp * (2300 * u**3 + 1900 * u**2 + 2092 * u + 60) / (100 * u**3 + 500 * u**2 + 4 * u + 20)
    return {"f1": branin(np.array([15 * u - 5, 15 * v])), "f2": currin}


def dtlz2(x: Vector, objectives: int) -> dict[str, float]:
    """A part of a sphere. Source: Deb et al., Scalable multi-objective test problems, CEC 2002.

    The best distance parameters are moved from 0.5 to 0.35, so that the centre is not on the front.
    """
    angles, rest = x[: objectives - 1] * math.pi / 2, x[objectives - 1 :]
    radius = 1 + float(np.sum((rest - 0.35) ** 2))
    found = {}
    for i in range(objectives):
        value = radius * float(np.prod(np.cos(angles[: objectives - 1 - i])))
        found[f"f{i + 1}"] = value * math.sin(angles[objectives - 1 - i]) if i else value
    return found


def c2_dtlz2(x: Vector) -> dict[str, float]:
    """DTLZ2 of two objectives, allowed near three places only. Source: Jain and Deb, IEEE Trans. EC 18 (2014)."""
    found = dtlz2(x, 2)
    f1, f2, r2 = found["f1"], found["f2"], 0.2**2
    ends = min((f1 - 1) ** 2 + f2**2, f1**2 + (f2 - 1) ** 2) - r2
    middle = (f1 - math.sqrt(0.5)) ** 2 + (f2 - math.sqrt(0.5)) ** 2 - r2
    return {**found, "c": min(ends, middle)}


def srinivas(p: Values) -> dict[str, float]:
    """Source: Srinivas and Deb, Evolutionary Computation 2 (1994)."""
    x, y = p["x1"], p["x2"]
    return {
        "f1": 2 + (x - 2) ** 2 + (y - 1) ** 2,
        "f2": 9 * x - (y - 1) ** 2,
        "circle": x**2 + y**2,
        "line": x - 3 * y,
    }


def kursawe(x: Vector) -> dict[str, float]:
    """A front in pieces, one of them a point. Source: Kursawe, PPSN 1 (1991)."""
    f1 = -10 * float(np.sum(np.exp(-0.2 * np.sqrt(x[:-1] ** 2 + x[1:] ** 2))))
    return {"f1": f1, "f2": float(np.sum(np.abs(x) ** 0.8 + 5 * np.sin(x**3)))}
