"""What the client's predictions cost: one read of the trials a version of the study, one model a metric."""

from __future__ import annotations

from typing import Any

import pytest

from meristem.client import Client
from meristem.client.predictions import _graded
from meristem.controllers.insight import Insight

from .problems import random_client


@pytest.fixture
def cost(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many models were asked for, and how often all trials were read."""
    counted = {"models": 0, "reads": 0}
    init = Insight.__init__

    def fit(self: Insight, *args: Any, **options: Any) -> None:
        counted["models"] += 1
        init(self, *args, **options)

    monkeypatch.setattr(Insight, "__init__", fit)
    return counted


def counting(client: Client, cost: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    trials = client.study.store.trials
    list_page = trials.list_page

    def read(*args: Any, **options: Any) -> Any:
        cost["reads"] += 1
        return list_page(*args, **options)

    monkeypatch.setattr(trials, "list_page", read)


def filled(objective: str, count: int = 8) -> Client:
    client = random_client(objective)
    for place, (index, parameters) in enumerate(client.get_next_trials(count).items()):
        rare = {"rare": 1.0} if place < 3 else {}
        data = {"a": parameters["x1"], "b": 1 - parameters["x1"] + 0.1 * parameters["x2"]}
        client.complete_trial(index, {**data, "seconds": 1.0 + parameters["x2"], **rare})
    return client


@pytest.mark.parametrize("objective", ["-a", "a"])
def test_an_objective_has_one_model_however_it_is_asked_for(
    objective: str, cost: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = filled(objective)
    counting(client, cost, monkeypatch)
    client.get_best_parameterization()
    client.predict([{"x1": 0.5, "x2": 0.5}])
    assert cost == {"models": 4, "reads": 1}  # of a, b, seconds, and of rare, which is too rare for one


def test_a_front_costs_as_much_however_long_it_is(cost: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    client = filled("-a, -b", 12)
    counting(client, cost, monkeypatch)
    assert len(client.get_pareto_frontier()) > 3
    assert cost == {"models": 4, "reads": 1}
    client.get_pareto_frontier()
    assert cost == {"models": 4, "reads": 1}
    client.attach_trial({"x1": 0.5, "x2": 0.5})
    client.get_pareto_frontier()
    assert cost == {"models": 8, "reads": 2}


def test_metrics_may_have_names_that_no_objective_could_have() -> None:
    client = random_client("-loss")
    for index, parameters in client.get_next_trials(6).items():
        client.complete_trial(index, {"loss": parameters["x1"], "top 5, val": parameters["x2"]})
    _, prediction, _, _ = client.get_best_parameterization()
    assert prediction["top 5, val"][1] >= 0
    assert set(client.predict([{"x1": 0.5, "x2": 0.5}])[0]) == {"loss", "top 5, val"}


def test_by_next_to_nothing_nobody_beats_anybody() -> None:
    assert _graded([1.0, 1.0 + 1e-7, 3.0]) == [_graded([1.0, 1.0 + 1e-7, 3.0])[1]] * 2 + [1500]
    assert _graded([2.0, 2.0]) == [0.0, 0.0]
