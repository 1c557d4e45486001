"""Studies of many kinds, filled without running anything; each is made once."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

import meristem as ms
from meristem.reports.evidence import Evidence
from meristem.reports.report import Report

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def mixed(count: int) -> ms.Study:
    """Conditional, logarithmic and mixed parameters, limits, failures, NaN, a metric that is sometimes missing."""
    space = {
        "rate": ms.Float(1e-5, 1, log=True), "layers": ms.Int(1, 6), "model": ms.Choice(["mlp", "cnn", "transformer"]),
        "dropout": ms.Float(0, 0.8, when={"model": ["mlp", "cnn"]}), "width": ms.Int(8, 1024, log=True),
        "heads": ms.Choice([1, 2, 4, 8], ordered=True, when={"model": "transformer"}), "optimizer": ms.Fixed("adam"),
    }  # fmt: skip
    limits = ["latency <= 60", "size <= 1.5 * baseline"]
    study = ms.Study(
        "mixed", space=space, objective="accuracy", outcome_constraints=limits, controller="random", seed=1
    )
    draw = random.Random(1)
    study.enqueue(study.space.center(), baseline=True)
    for number in range(count):
        trial = study.ask()
        p = trial.parameters
        if p["rate"] > 0.3 and number:
            study.tell(trial, failed=f"RuntimeError: loss is nan at step {draw.randrange(100)}")
        elif number % 9 == 8:
            study.tell(trial, accuracy=math.nan, latency=1.0)
        else:
            accuracy = (
                0.9 - 0.04 * (math.log10(p["rate"]) + 3) ** 2 - 0.1 * (p["model"] == "mlp") + draw.gauss(0, 0.005)
            )
            known: dict[str, Any] = {} if number % 7 == 6 else {"size": float(p["width"] * p["layers"])}
            study.tell(trial, accuracy=accuracy, latency=p["width"] / 10, **known)
    return study


def two(count: int, **options: Any) -> ms.Study:
    """Two objectives with a limit and known errors of measuring."""
    thresholds = options.pop("thresholds", {"f": 1.5, "g": -1.5})
    space = {"x": ms.Float(0, 1), "y": ms.Float(0, 1)}
    study = ms.Study("two", space=space, objective="-f, g", outcome_constraints=["h >= 0.1"], thresholds=thresholds,
                     controller="sobol", seed=1)  # fmt: skip
    for _ in range(count):
        trial = study.ask()
        x, y = trial["x"], trial["y"]
        study.tell(trial, f=(x**2 + y**2, 0.02), g=-((x - 1) ** 2) - (y - 1) ** 2, h=x - y + 0.5)
    return study


def plain(values: list[float], **options: Any) -> ms.Study:
    """One parameter, `loss` as given."""
    given = {"space": {"x": ms.Float(0, 1)}, "objective": "-loss", "controller": "random", "seed": 1, **options}
    study = ms.Study("plain", **given)
    for value in values:
        study.attach({"x": 1} if options else {"x": (value * 0.37) % 1.0}, loss=value)
    return study


def failed() -> ms.Study:
    study = plain([])
    for number in range(12):
        study.tell(study.ask(), failed=f"boom {number}")
    return study


def curved() -> ms.Study:
    """Trials that report at steps; some are stopped early."""
    study = plain([])
    for number in range(12):
        trial = study.ask()
        steps = 4 if number % 3 == 2 else 10
        for step in range(1, steps + 1):
            trial.report(step=step, loss=number + 1.0 / step)
        if steps == 4:
            study.abandon(trial)
        else:
            study.tell(trial, loss=float(number))
    return study


def hostile() -> ms.Study:
    space = {HOSTILE: ms.Float(0, 1), "<b>x</b>&\"'|[a](javascript:1)": ms.Choice(["<i>a", "</style>", HOSTILE])}
    study = ms.Study(HOSTILE, space=space, objective="-m&\"'/x", controller="random", seed=0)
    for number in range(8):
        study.tell(study.ask(), **{"m&\"'/x": float(number), HOSTILE: 1.0})
    for _ in range(4):
        study.tell(study.ask(), failed=HOSTILE)
    return study


def wide() -> ms.Study:
    space = {f"a_rather_long_parameter_name_number_{i}_that_goes_on": ms.Float(0, 1) for i in range(25)}
    study = ms.Study("wide", space=space, objective="-loss", controller="random", seed=0)
    for number in range(4):
        study.tell(study.ask(), loss=float(number))
    return study


STUDIES = {
    "mixed": lambda: mixed(30),
    "one": lambda: plain([1.0]),
    "same": lambda: plain([1.0] * 8),
    "two": lambda: two(16),
    "two without thresholds": lambda: two(6, thresholds=None),
    "none": lambda: plain([]),
    "nothing to choose": lambda: plain([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], space={"x": ms.Fixed(1)}),
    "failed": failed,
    "curved": curved,
    "hostile": hostile,
    "wide": wide,
}


class Made:
    """Studies, what was read of them, and reports, each made when it is first asked for."""

    def __init__(self) -> None:
        self._studies: dict[str, ms.Study] = {}
        self._evidence: dict[str, Evidence] = {}
        self._reports: dict[str, Report] = {}

    def study(self, name: str) -> ms.Study:
        if name not in self._studies:
            self._studies[name] = STUDIES[name]()
        return self._studies[name]

    def evidence(self, name: str) -> Evidence:
        if name not in self._evidence:
            self._evidence[name] = Evidence(self.study(name))
        return self._evidence[name]

    def report(self, name: str) -> Report:
        if name not in self._reports:
            self._reports[name] = self.study(name).report()
        return self._reports[name]


@pytest.fixture(scope="session")
def made() -> Made:
    return Made()
