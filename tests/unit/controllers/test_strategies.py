"""Trials as a policy sees them: their places, what is read of them, which of their numbers it learns from."""

from __future__ import annotations

from typing import Any

import numpy as np

from meristem.controllers.protocol import History, Observation, Snapshot
from meristem.controllers.strategies import LENGTH, Strategies
from meristem.objective import Goals
from meristem.space import Choice, Float, Space

SPACE = Space(
    {
        "kind": Choice(["a", "b"]),
        "x": Float(0.0, 1.0),
        "rate": Float(1e-4, 1.0, log=True, default=1e-3, when={"kind": "b"}),
    }
)


def trial(number: int, loss: float | None, origin: dict[str, Any] | None = None, **parameters: Any) -> Observation:
    status = "failed" if loss is None else "completed"
    metrics = {} if loss is None else {"size": parameters["x"]}
    return Observation(
        number=number, parameters=parameters, status=status, loss=loss, metrics=metrics, origin=origin or {}
    )


def strategies_of(*ended: Observation, limits: list[str] | None = None) -> Strategies:
    history = History(SPACE)
    for one in ended:
        history.add(one)
    snapshot = Snapshot(space=SPACE, goals=Goals.parse("-loss", limits or []), history=history, created=len(ended))
    found = Strategies(snapshot, 10)
    found.read(snapshot)
    return found


def test_failed_trials_share_the_last_place_after_those_that_break_limits() -> None:
    found = strategies_of(
        trial(1, None, kind="a", x=0.1),
        trial(2, 5.0, kind="a", x=0.2),
        trial(3, -7.0, kind="a", x=0.9),
        trial(4, None, kind="a", x=0.3),
        trial(5, 4.0, kind="a", x=0.4),
        limits=["size <= 0.5"],
    )
    np.testing.assert_array_equal(found.places, [3.5, 1.0, 2.0, 3.5, 0.0])
    assert found.best(None) == [3, 2, 5]
    np.testing.assert_array_equal(found.good(10), [3.0, 0.0])


def test_failed_trials_come_last_without_limits_too() -> None:
    found = strategies_of(
        trial(1, None, kind="a", x=0.1), trial(2, 5.0, kind="a", x=0.2), trial(3, 3.0, kind="a", x=0.9)
    )
    np.testing.assert_array_equal(found.places, [2.0, 1.0, 0.0])


def test_the_best_of_a_combination_are_its_own() -> None:
    ended = [
        trial(n, float(n), kind="a" if n % 2 else "b", x=n / 10, **({} if n % 2 else {"rate": 0.1}))
        for n in range(1, 9)
    ]
    found = strategies_of(*ended)
    assert found.best(0) == [5, 3, 1]
    assert found.best(1) == [6, 4, 2]
    assert found.best(None) == [3, 2, 1]


def test_numbers_that_do_not_exist_are_where_the_defaults_are_and_do_not_count() -> None:
    found = strategies_of(trial(1, 1.0, kind="a", x=0.3))
    np.testing.assert_allclose(found.tried[0].strategy, [0.3, 0.25])
    np.testing.assert_array_equal(found.counts({"kind": "a", "x": 0.3}, [], SPACE), [True, False])


def test_numbers_that_others_fixed_teach_nothing() -> None:
    origin = {"by": "reinforcement", "phase": "policy", "after": [1], "log_density": 0.5, "fixed": ["x"]}
    found = strategies_of(trial(1, 1.0, kind="a", x=0.3), trial(2, 0.5, origin, kind="b", x=0.5, rate=0.01))
    assert found.training is not None
    (episode,) = found.training.episodes
    np.testing.assert_array_equal(episode.counts, [False, True])
    assert episode.log_density == 0.5


def test_what_is_read_ends_with_the_last_and_begins_with_what_is_not_there() -> None:
    found = strategies_of(trial(1, 1.0, kind="a", x=0.3), trial(2, 0.5, kind="a", x=0.6))
    read = found.reading([1, 2])
    assert read.there[:, 0].tolist() == [False] * (LENGTH - 2) + [True, True]
    np.testing.assert_allclose(read.strategies[-2:, 0, 0], [0.3, 0.6])


def test_of_nothing_the_defaults_are_read() -> None:
    read = strategies_of().reading([])
    np.testing.assert_allclose(read.strategies[-1, 0], [0.5, 0.25])
    assert read.there[:, 0].tolist() == [False] * (LENGTH - 1) + [True]
