"""Evolution: generations from the history, limits first, better than chance, parents on record."""

from __future__ import annotations

from typing import Any

import pytest

from meristem.controllers.evolution import EvolutionController
from meristem.controllers.protocol import History, Observation, Recommendation, Snapshot
from meristem.errors import InputError
from meristem.objective import Goals
from meristem.space import Choice, Float, Int, Space

SPACE = Space(
    {"x": Float(0.0, 1.0), "n": Int(0, 100), "kind": Choice(["a", "b", "c"]), "y": Float(0, 1, when={"kind": "a"})}
)
GOALS = Goals.parse("-loss", ["weight <= 5"])


def measure(p: Any) -> dict[str, float]:
    loss = (p["x"] - 0.3) ** 2 + abs(p["n"] - 70) / 100 + (0.0 if p["kind"] == "b" else 0.5)
    return {"loss": loss, "weight": p["n"] / 10.0}


def ended(number: int, given: Recommendation, status: str = "completed") -> Observation:
    metrics = measure(given.parameters) if status == "completed" else {}
    return Observation(
        number=number,
        parameters=given.parameters,
        status=status,
        loss=metrics.get("loss"),
        metrics=metrics,
        origin=given.origin,
    )


def snapshot_of(observations: list[Observation], pending: list[Observation] | None = None) -> Snapshot:
    history, waiting = History(SPACE), pending or []
    for observation in observations:
        history.add(observation)
    return Snapshot(
        space=SPACE, goals=GOALS, history=history, pending=waiting, created=len(observations) + len(waiting), seed=1
    )


def played(count: int, population: int | None = None) -> list[Observation]:
    controller, observations = EvolutionController(population), list[Observation]()
    for number in range(1, count + 1):
        (given,) = controller.recommend(snapshot_of(observations), 1)
        observations.append(ended(number, given))
    return observations


def test_generations_follow_one_another_with_parents_on_record() -> None:
    trials = played(25, population=8)
    assert [trial.origin["generation"] for trial in trials] == [0] * 8 + [1] * 8 + [2] * 8 + [3]
    assert not any("parents" in trial.origin for trial in trials[:8])
    for trial in trials[8:]:
        assert all(1 <= number < trial.number for number in trial.origin.get("parents", []))


def test_later_generations_are_better_and_keep_the_limit() -> None:
    trials = played(120, population=12)
    first, last = trials[:24], trials[-24:]
    assert min(t.loss or 0 for t in last if t.metrics["weight"] <= 5) < 0.25
    assert sum(t.metrics["weight"] <= 5 for t in last) > sum(t.metrics["weight"] <= 5 for t in first)


def test_a_free_worker_never_waits_for_a_generation() -> None:
    trials = played(8, population=8)
    running = [
        ended(9 + i, r, "running") for i, r in enumerate(EvolutionController(8).recommend(snapshot_of(trials), 8))
    ]
    given = EvolutionController(8).recommend(snapshot_of(trials, running), 4)
    assert [r.origin["generation"] for r in given] == [2] * 4


def test_failed_trials_have_no_offspring() -> None:
    trials = played(8, population=8)
    failed = [ended(t.number, Recommendation(parameters=t.parameters, origin=t.origin), "failed") for t in trials[:4]]
    given = EvolutionController(8).recommend(snapshot_of([*failed, *trials[4:]]), 6)
    assert all(number > 4 for r in given for number in r.origin["parents"])


@pytest.mark.parametrize("population", [0, 1, 2.5, True, "many"])
def test_a_population_that_cannot_be_is_refused(population: Any) -> None:
    with pytest.raises(InputError, match="population"):
        EvolutionController(population)
