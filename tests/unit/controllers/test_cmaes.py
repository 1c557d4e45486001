"""CMA-ES: rebuilt from the history, restarts, limits, stragglers, a clear error without the library."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from meristem.controllers.cmaes import CmaesController
from meristem.controllers.protocol import History, Observation, Recommendation, Snapshot
from meristem.errors import InputError
from meristem.objective import Goals
from meristem.space import Choice, Float, Int, Space

SMOOTH = Space({"x": Float(-5.0, 5.0), "y": Float(-5.0, 5.0)})
MIXED = Space({"x": Float(0.0, 1.0), "n": Int(1, 20), "k": Choice(["a", "b", "c"]), "big": Int(1, 10**6, log=True)})
GOALS = Goals.parse("-loss")

pytest.importorskip("cmaes")


def bowl(p: Any) -> float:
    return float((p["x"] - 1.0) ** 2 + (p["y"] + 2.0) ** 2)


def mixed(p: Any) -> float:
    return float((p["x"] - 0.7) ** 2 + abs(p["n"] - 15) / 20 + (p["k"] != "c") + abs(np.log10(p["big"]) - 3) / 6)


def ended(number: int, given: Recommendation, loss: float | None) -> Observation:
    return Observation(
        number=number,
        parameters=given.parameters,
        status="failed" if loss is None else "completed",
        loss=loss,
        metrics={} if loss is None else {"loss": loss, **given.parameters},
        origin=given.origin,
    )


def snapshot_of(
    space: Space, observations: list[Observation], goals: Goals = GOALS, pending: list[Observation] | None = None
) -> Snapshot:
    history, waiting = History(space), pending or []
    for observation in observations:
        history.add(observation)
    return Snapshot(
        space=space, goals=goals, history=history, pending=waiting, created=len(observations) + len(waiting), seed=4
    )


def played(space: Space, loss_of: Any, count: int, goals: Goals = GOALS, **args: Any) -> list[Observation]:
    controller, observations = CmaesController(**args), list[Observation]()
    history = History(space)
    for number in range(1, count + 1):
        snapshot = Snapshot(space=space, goals=goals, history=history, created=number - 1, seed=4)
        (given,) = controller.recommend(snapshot, 1)
        observations.append(ended(number, given, loss_of(given.parameters)))
        history.add(observations[-1])
    return observations


@pytest.mark.parametrize(("space", "loss_of", "close"), [(SMOOTH, bowl, 1e-3), (MIXED, mixed, 0.15)])
def test_it_closes_in_on_the_optimum(space: Space, loss_of: Any, close: float) -> None:
    losses = [trial.loss or 0.0 for trial in played(space, loss_of, 150)]
    assert min(losses) < close
    assert np.median(losses[-20:]) < np.median(losses[:20]) / 3


def test_it_goes_on_from_the_history_as_if_it_had_never_stopped() -> None:
    trials = played(MIXED, mixed, 40)
    for count in (7, 8, 20, 39):
        (given,) = CmaesController().recommend(snapshot_of(MIXED, trials[:count]), 1)
        assert given.parameters == trials[count].parameters
        assert given.origin == trials[count].origin


def test_a_run_that_has_converged_is_followed_by_one_with_a_doubled_population() -> None:
    trials = played(SMOOTH, lambda p: 0.0, 30, population=4)
    runs = [trial.origin["run"] for trial in trials]
    assert max(runs) >= 1
    assert runs == sorted(runs)
    assert runs.count(0) == 4
    assert runs.count(1) == 8
    assert {t.origin["run"] for t in played(SMOOTH, lambda p: 0.0, 30, population=4, restarts=False)} == {0}


def test_failures_count_as_worst_and_limits_come_before_losses() -> None:
    goals = Goals.parse("-loss", ["x <= 0"])
    trials = played(SMOOTH, lambda p: None if p["y"] > 2 else bowl(p), 120, goals)
    assert np.median([trial.parameters["x"] for trial in trials[-20:]]) <= 0.3
    assert all(trial.parameters["y"] < 2 for trial in trials[-10:])


def test_what_ends_after_its_generation_changes_nothing() -> None:
    trials = played(SMOOTH, bowl, 30)
    (before,) = CmaesController().recommend(snapshot_of(SMOOTH, trials), 1)
    late = Observation(
        number=31,
        parameters={"x": 0.0, "y": 0.0},
        status="completed",
        loss=-99.0,
        origin={"by": "cmaes", "run": 0, "generation": 0, "index": 9},
    )
    (after,) = CmaesController().recommend(snapshot_of(SMOOTH, [*trials, late]), 1)
    assert after == before


def test_trials_at_once_are_further_samples_of_the_generation() -> None:
    trials = played(SMOOTH, bowl, 12)
    given = CmaesController().recommend(snapshot_of(SMOOTH, trials), 9)
    assert len({r.origin["generation"] for r in given}) == 1
    assert len({r.origin["index"] for r in given}) == 9


def test_several_objectives_are_refused_with_what_to_use_instead() -> None:
    with pytest.raises(InputError, match=r"one objective only.*'evolution'"):
        CmaesController().recommend(snapshot_of(SMOOTH, [], Goals.parse("a, b")), 1)


@pytest.mark.parametrize("population", [0, 3, 2.5, True, 10**9])
def test_a_population_that_cannot_be_is_refused(population: Any) -> None:
    with pytest.raises(InputError, match="population"):
        CmaesController(population)


def test_without_the_library_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cmaes", None)
    with pytest.raises(InputError, match=r"pip install 'meristem\[cmaes\]'"):
        CmaesController()
