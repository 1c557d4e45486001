"""The formulas of the problems in which something is designed: beams, brakes, filters. Everything is to be made small.

Written from the literature, each with its source.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Values = Mapping[str, Any]


def pressure_vessel(p: Values) -> dict[str, float]:
    """The cost of a tank; plates come in sixteenths of an inch. Source: Sandgren, J. Mechanical Design 112 (1990)."""
    shell, head, r, length = p["shell"] / 16, p["head"] / 16, p["radius"], p["length"]
    cost = 0.6224 * shell * r * length + 1.7781 * head * r**2 + 3.1661 * shell**2 * length + 19.84 * shell**2 * r
    volume = math.pi * r**2 * length + 4 / 3 * math.pi * r**3
    return {"cost": cost, "hoop": 0.0193 * r - shell, "cap": 0.00954 * r - head, "volume": volume / 1_296_000}


def spring(p: Values) -> dict[str, float]:
    """The weight of a coil spring. Source: Belegundu (1982); Arora, Introduction to Optimum Design (1989)."""
    wire, coil, turns = p["wire"], p["coil"], p["turns"]
    shear = (4 * coil**2 - wire * coil) / (12566 * wire**3 * (coil - wire)) + 1 / (5108 * wire**2)
    return {
        "weight": (turns + 2) * coil * wire**2,
        "deflection": coil**3 * turns / (71785 * wire**4),
        "shear": shear,
        "surge": 140.45 * wire / (coil**2 * turns),
        "width": coil + wire,
    }


def welded_beam(p: Values) -> dict[str, float]:
    """The cost of a beam with its weld; weld and bar come in sixteenths of an inch. Lengths in inches, stresses in psi.

    Source: Ragsdell and Phillips, J. Engineering for Industry 98 (1976), with the constants of Coello, Computers in
    Industry 41 (2000); thicknesses in steps as Deb and Goyal, Computer Science and Informatics 26 (1996).
    """
    weld, bar, length, height = p["weld"] / 16, p["bar"] / 16, p["length"], p["height"]
    load, arm, young, rigid = 6000.0, 14.0, 30e6, 12e6
    radius = math.hypot(length / 2, (weld + height) / 2)
    polar = 2 * math.sqrt(2) * weld * length * (length**2 / 12 + ((weld + height) / 2) ** 2)
    direct, twist = load / (math.sqrt(2) * weld * length), load * (arm + length / 2) * radius / polar
    slender = 1 - height / (2 * arm) * math.sqrt(young / (4 * rigid))
    return {
        "cost": 1.10471 * weld**2 * length + 0.04811 * height * bar * (arm + length),
        "shear": math.sqrt(direct**2 + direct * twist * length / radius + twist**2),
        "bending": 6 * load * arm / (bar * height**2),
        "buckling": 4.013 * young * height * bar**3 / (6 * arm**2) * slender,
        "deflection": 4 * load * arm**3 / (young * height**3 * bar),
        "overlap": weld - bar,
    }


_WAVES = np.concatenate([np.linspace(0, 0.3, 31), np.linspace(0.5, 1, 51)]) * math.pi
_PASSED = np.repeat([1.0, 0.0], [31, 51])
_COSINES = np.cos(np.outer(_WAVES, range(6))) * np.array([1, 2, 2, 2, 2, 2])


def lowpass(p: Values) -> float:
    """How far a symmetric filter of 11 taps, in 128ths, is off at worst: passes below 0.3 pi, stops from 0.5 pi on.

    Source: Kodek, IEEE Trans. Acoustics, Speech and Signal Processing 28 (1980).
    """
    taps = np.array([p[f"tap{i}"] for i in range(6)], dtype=float) / 128
    return float(np.max(np.abs(_COSINES @ taps - _PASSED)))


CHANNELS = ("p", "q", "r", "s")  # as named; the order in frequency is another
_ORDER = {"r": 0, "p": 1, "s": 2, "q": 3}
_TRANSMITTERS = 9


@lru_cache(maxsize=1)
def _map() -> tuple[dict[tuple[int, int], float], list[dict[str, float]]]:
    draw = random.Random(29)
    places = [(draw.random(), draw.random()) for _ in range(_TRANSMITTERS)]
    near = {(i, j): math.exp(-3 * math.dist(places[i], places[j])) for i, j in combinations(range(_TRANSMITTERS), 2)}
    return near, [{channel: 0.2 * draw.random() for channel in CHANNELS} for _ in places]


def channels(p: Values) -> float:
    """Channels for nine transmitters drawn once: near ones disturb each other on the same or the next channel.

    Source of the kind: Hale, Frequency assignment: theory and applications, Proceedings of the IEEE 68 (1980).
    """
    near, noise = _map()
    at = [p[f"c{i}"] for i in range(1, _TRANSMITTERS + 1)]
    apart = {(i, j): abs(_ORDER[at[i]] - _ORDER[at[j]]) for i, j in near}
    disturbed = sum(close * (1.0, 0.35, 0.0, 0.0)[apart[pair]] for pair, close in near.items())
    return disturbed + sum(heard[channel] for heard, channel in zip(noise, at, strict=True))


def vehicle_safety(x: Vector) -> dict[str, float]:
    """Mass, acceleration and intrusion of a car's front. Source: Liao et al., Struct. Multidisc. Optim. 35 (2008)."""
    a, b, c, d, e = (float(v) for v in x)
    return {
        "f1": 1640.2823 + 2.3573285 * a + 2.3220035 * b + 4.5688768 * c + 7.7213633 * d + 4.4559504 * e,
        "f2": 6.5856 + 1.15 * a - 1.0427 * b + 0.9738 * c + 0.8364 * d - 0.3695 * a * d + 0.0861 * a * e
        + 0.3628 * b * d - 0.1106 * a**2 - 0.3437 * c**2 + 0.1764 * d**2,
        "f3": -0.0551 + 0.0181 * a + 0.1024 * b + 0.0421 * c - 0.0073 * a * b + 0.024 * b * c - 0.0118 * b * d
        - 0.0204 * c * d - 0.008 * c * e - 0.0241 * b**2 + 0.0109 * d**2,
    }  # fmt: skip


def rocket_injector(x: Vector) -> dict[str, float]:
    """Heat at the face, length of burning, heat at the tip of an injector.

    Source: Vaidyanathan et al., AIAA 2003-296; Tanabe and Ishibuchi, Applied Soft Computing 89 (2020), RE3-4-7.
    """
    a, h, o, t = (float(v) for v in x)
    return {
        "f1": 0.692 + 0.477 * a - 0.687 * h - 0.08 * o - 0.065 * t - 0.167 * a**2 - 0.0129 * h * a + 0.0796 * h**2
        - 0.0634 * o * a - 0.0257 * o * h + 0.0877 * o**2 - 0.0521 * t * a + 0.00156 * t * h + 0.00198 * t * o
        + 0.0184 * t**2,
        "f2": 0.153 - 0.322 * a + 0.396 * h + 0.424 * o + 0.0226 * t + 0.175 * a**2 + 0.0185 * h * a - 0.0701 * h**2
        - 0.251 * o * a + 0.179 * o * h + 0.015 * o**2 + 0.0134 * t * a + 0.0296 * t * h + 0.0752 * t * o
        + 0.0192 * t**2,
        "f3": 0.37 - 0.205 * a + 0.0307 * h + 0.108 * o + 1.019 * t - 0.135 * a**2 + 0.0141 * h * a + 0.0998 * h**2
        + 0.208 * o * a - 0.0301 * o * h - 0.226 * o**2 + 0.353 * t * a - 0.0497 * t * o - 0.423 * t**2
        + 0.202 * h * a**2 - 0.281 * o * a**2 - 0.342 * h**2 * a - 0.245 * h**2 * o + 0.281 * o**2 * h
        - 0.184 * t**2 * a - 0.281 * h * a * o,
    }  # fmt: skip


def disc_brake(p: Values) -> dict[str, float]:
    """The mass of a brake and how long it takes to stop. Source: Ray and Liew, Engineering Optimization 34 (2002).

    Pressure and heat are told without their divisor, which is 0 where the radii are equal.
    """
    inner, outer, force, plates = p["inner"], p["outer"], p["force"], p["plates"]
    squares, cubes = outer**2 - inner**2, outer**2 + outer * inner + inner**2  # the cubes by (outer - inner)
    reach = cubes / (outer + inner)
    return {
        "mass": 4.9e-5 * squares * (plates - 1),
        "time": 9.82e6 / (force * plates * reach),
        "gap": outer - inner,
        "length": 2.5 * (plates + 1),
        "pressure": force - 0.4 * 3.14 * squares,
        "heat": 2.22e-3 * force * reach - squares,
        "moment": 2.66e-2 * force * plates * reach,
    }
