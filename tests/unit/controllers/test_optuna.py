"""Any sampler of Optuna: as good as under Optuna itself, rebuilt from the history, with clear errors."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import optuna
import pytest

import meristem as ms
from meristem.controllers.optuna import OptunaController
from meristem.controllers.protocol import History, Observation, Snapshot
from meristem.errors import InputError
from meristem.objective import Goals
from meristem.space import Choice, Float, Int, Space

SPACE = Space(
    {
        "kind": Choice(["a", {"deep": True}, None]),
        "x": Float(0.0, 1.0, when={"kind": "a"}),
        "n": Int(2, 9, step=3),
        "rate": Float(1e-4, 1.0, log=True),
        "share": Float(0.1, 0.75, step=0.3),
        "size": Choice(["s", "m", "l"], ordered=True),
        "same": Float(3.0, 3.0),
    }
)
GOALS = Goals.parse("-loss")


def loss_of(p: Any) -> float:
    return float(abs(np.log10(p["rate"]) + 2) + abs(p["n"] - 5) + (p["kind"] != "a") + abs(p.get("x", 0) - 0.2))


def played(controller: OptunaController, count: int, space: Space = SPACE, goals: Goals = GOALS) -> list[Observation]:
    observations, history = list[Observation](), History(space)
    for number in range(1, count + 1):
        snapshot = Snapshot(space=space, goals=goals, history=history, created=number - 1, seed=2)
        (given,) = controller.recommend(snapshot, 1)
        space.check(given.parameters)
        loss = loss_of(given.parameters)
        observations.append(
            Observation(
                number=number,
                parameters=given.parameters,
                status="completed",
                loss=loss,
                metrics={"loss": loss, "weight": given.parameters["rate"]},
                origin=given.origin,
            )
        )
        history.add(observations[-1])
    return observations


def snapshot_of(observations: list[Observation], goals: Goals = GOALS) -> Snapshot:
    history = History(SPACE)
    for observation in observations:
        history.add(observation)
    return Snapshot(space=SPACE, goals=goals, history=history, created=len(observations), seed=2)


@pytest.mark.parametrize("sampler", ["TPESampler", "NSGAIISampler", "QMCSampler", "RandomSampler", "CmaEsSampler"])
def test_samplers_go_on_from_the_history_as_if_they_had_never_stopped(sampler: str) -> None:
    if sampler == "CmaEsSampler":
        pytest.importorskip("cmaes")
    args = {"population_size": 5} if sampler == "NSGAIISampler" else {}
    args |= {"warn_independent_sampling": False} if sampler in ("QMCSampler", "CmaEsSampler") else {}
    trials = played(OptunaController(sampler, args), 16)
    for count in (0, 6, 15):
        (given,) = OptunaController(sampler, args).recommend(snapshot_of(trials[:count]), 1)
        assert given.parameters == trials[count].parameters
    assert all(trial.origin["sampler"] == sampler for trial in trials)
    assert "fallback" not in trials[-1].origin


def test_tpe_learns_in_a_conditional_space() -> None:
    losses = [trial.loss or 0.0 for trial in played(OptunaController(sampler_args={"multivariate": False}), 40)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.5


def test_a_seed_among_the_arguments_varies_it_without_repeating_points() -> None:
    one, other = (played(OptunaController("RandomSampler", {"seed": seed}), 4) for seed in (0, 1))
    assert len({SPACE.key(trial.parameters) for trial in one}) == 4
    assert [t.parameters for t in one] != [t.parameters for t in other]


def test_limits_are_told_to_samplers_that_know_them() -> None:
    goals = Goals.parse("-loss", ["weight <= 0.003"])
    trials = played(OptunaController(), 40, goals=goals)
    assert np.mean([trial.metrics["weight"] <= 0.003 for trial in trials[-15:]]) >= 0.5  # a third of the space keeps it


def test_failed_pending_and_foreign_trials_are_no_obstacle() -> None:
    trials = played(OptunaController(), 5)
    failed = Observation(number=6, parameters=trials[0].parameters, status="failed")
    foreign = Observation(number=7, parameters=trials[1].parameters, status="completed", loss=1.0)
    given = OptunaController().recommend(snapshot_of([*trials, failed, foreign]), 3)
    assert len({SPACE.key(r.parameters) for r in given}) == 3


def test_an_unknown_sampler_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"no sampler 'TPESampller'.*'TPESampler'"):
        OptunaController("TPESampller")


def test_arguments_that_the_sampler_refuses_are_reported_at_once() -> None:
    with pytest.raises(InputError, match=r"populations_size.*It takes: .*population_size"):
        OptunaController("NSGAIISampler", {"populations_size": 3})


def test_without_the_library_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"pip install 'meristem\[optuna\]'"):
        OptunaController()


@pytest.mark.parametrize(("sampler", "package"), [("GPSampler", "torch"), ("CmaEsSampler", "cmaes")])
def test_a_sampler_whose_package_is_not_installed_is_refused_when_the_study_is_made(
    sampler: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=f"{sampler} needs the package {package}, .* pip install {package}"):
        ms.Study(
            "s", space={"x": ms.Float(0, 1)}, objective="-loss",
            controller={"name": "optuna", "args": {"sampler": sampler}},
        )  # fmt: skip


def test_a_package_that_a_sampler_misses_only_when_it_is_asked_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = OptunaController("RandomSampler")

    def lacking(*given: Any, **more: Any) -> Any:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(optuna.samplers.RandomSampler, "infer_relative_search_space", lacking)
    with pytest.raises(InputError, match="RandomSampler needs the package torch, which is not installed"):
        controller.recommend(snapshot_of([]), 1)
