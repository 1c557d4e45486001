"""Reinforcement: combinations first, then the policy, in parallel, resumed, ended, and the choice re-opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from meristem.controllers.protocol import History, Observation, Recommendation, Snapshot
from meristem.controllers.random import RandomController
from meristem.controllers.reinforcement import ReinforcementController
from meristem.errors import InputError, SpaceError
from meristem.objective import Goals
from meristem.space import Choice, Float, Int, Space

MIXED = Space(
    {
        "loss_name": Choice(["dice", "ce", "focal"]),
        "augment": Choice([False, True], default=True),
        "lr": Float(1e-5, 1e-1, log=True, default=1e-3),
        "width": Int(8, 64, log=True),
        "p": Float(0.0, 1.0),
    }
)
NUMBERS = Space({"x": Float(0.0, 1.0), "n": Int(1, 100)})
CHOICES = Space({"a": Choice(["x", "y"]), "b": Choice([1, 2, 3])})
Loss = Callable[[Any], float | None]


def snapshot_of(
    space: Space,
    ended: list[Observation],
    pending: list[Observation] | None = None,
    goals: str = "-loss",
    seed: int = 4,
) -> Snapshot:
    history, waiting = History(space), pending or []
    for one in ended:
        history.add(one)
    count = len(ended) + len(waiting)
    return Snapshot(space=space, goals=Goals.parse(goals), history=history, pending=waiting, created=count, seed=seed)


def running(number: int, given: Recommendation) -> Observation:
    return Observation(number=number, parameters=given.parameters, status="running", origin=given.origin)


def ended_as(trial: Observation, loss: float | None) -> Observation:
    return replace(trial, status="failed" if loss is None else "completed", loss=loss)


def played(
    space: Space, loss: Loss, count: int, *, controller: Any = None, slots: int = 1, seed: int = 4
) -> list[Observation]:
    """Trials in the order in which they end, `slots` at a time, of which the oldest ends first."""
    controller = controller or ReinforcementController()
    history, pending, created = History(space), list[Observation](), 0
    while len(history) < count:
        snapshot = Snapshot(
            space=space, goals=Goals.parse("-loss"), history=history, pending=list(pending), created=created, seed=seed
        )
        for given in controller.recommend(snapshot, slots - len(pending)):
            created += 1
            pending.append(running(created, given))
        if not pending:
            break
        trial = pending.pop(0)
        history.add(ended_as(trial, loss(trial.parameters)))
    return list(history)


def mixed_loss(p: Any) -> float:
    base = {"dice": 0.1, "ce": 0.3, "focal": 0.2}[p["loss_name"]] + (0.0 if p["augment"] else 0.1)
    return float(base + (p["p"] - 0.8) ** 2 + abs(p["width"] - 48) / 100)


def phases(trials: list[Observation]) -> list[str]:
    return [str(trial.origin["phase"]) for trial in trials]


def test_all_combinations_come_first_with_the_defaults_of_the_numbers() -> None:
    trials = played(MIXED, mixed_loss, 7)
    assert phases(trials[:6]) == ["grid"] * 6
    assert trials[0].parameters == MIXED.center()
    assert {(t.parameters["lr"], t.parameters["width"], t.parameters["p"]) for t in trials[:6]} == {(1e-3, 22, 0.5)}
    assert len({(t.parameters["loss_name"], t.parameters["augment"]) for t in trials[:6]}) == 6
    assert phases(trials[6:]) == ["policy"]


def test_free_workers_go_on_with_the_policy_while_the_last_combinations_run() -> None:
    controller = ReinforcementController()
    six = controller.recommend(snapshot_of(MIXED, []), 6)
    trials = [running(number, given) for number, given in enumerate(six, 1)]
    ended = [ended_as(trial, mixed_loss(trial.parameters)) for trial in trials[:2]]
    more = controller.recommend(snapshot_of(MIXED, ended, trials[2:]), 3)
    assert {given.origin["phase"] for given in more} <= {"policy", "chance", "exchange"}
    assert len(more) == 3


def test_workers_get_work_also_before_anything_has_ended() -> None:
    given = ReinforcementController().recommend(snapshot_of(MIXED, []), 20)
    assert len({MIXED.key(one.parameters) for one in given}) == 20
    assert given[6].origin["phase"] in ("policy", "chance")
    assert all(one.origin.get("after", []) == [] for one in given)


def test_asking_for_several_is_asking_for_one_after_the_other() -> None:
    ended, controller = played(MIXED, mixed_loss, 20), ReinforcementController()
    at_once = controller.recommend(snapshot_of(MIXED, ended), 5)
    singly, pending = list[Recommendation](), list[Observation]()
    for _ in range(5):
        singly += controller.recommend(snapshot_of(MIXED, ended, pending), 1)
        pending.append(running(len(ended) + len(singly), singly[-1]))
    assert singly == at_once


def test_without_choices_the_defaults_are_tried_and_then_the_policy_draws() -> None:
    trials = played(NUMBERS, lambda p: p["x"], 10)
    assert trials[0].parameters == NUMBERS.center()
    assert phases(trials)[0] == "grid"
    assert set(phases(trials)[1:]) <= {"policy", "chance", "exchange"}


def test_without_numbers_it_is_a_grid_that_ends() -> None:
    trials = played(CHOICES, lambda p: p["b"], 100)
    assert len(trials) == 6
    assert set(phases(trials)) == {"grid"}


def test_a_fresh_controller_goes_on_from_the_history_as_the_old_one_does() -> None:
    used = ReinforcementController()
    ended = played(MIXED, lambda p: None if p["p"] > 0.9 else mixed_loss(p), 30, controller=used, slots=3)
    pending = [running(99, Recommendation(parameters=MIXED.center()))]
    snapshot = snapshot_of(MIXED, ended, pending)
    assert used.recommend(snapshot, 3) == ReinforcementController().recommend(snapshot, 3)
    for cut in (3, 6, 11):
        shorter = snapshot_of(MIXED, ended[:cut])
        assert used.recommend(shorter, 2) == ReinforcementController().recommend(shorter, 2)


def test_draws_say_after_which_trials_they_were_made_the_best_last() -> None:
    trials = played(MIXED, mixed_loss, 40)
    losses = {trial.number: trial.loss or 0.0 for trial in trials}
    drawn = [trial for trial in trials if trial.origin["phase"] == "policy"]
    assert len(drawn) > 25
    for trial in drawn:
        after = [losses[number] for number in trial.origin["after"]]
        assert 1 <= len(after) <= 3
        assert after == sorted(after, reverse=True)
        assert all(number < trial.number for number in trial.origin["after"])


@pytest.mark.parametrize("seed", range(3))
def test_a_combination_that_was_bad_only_with_the_defaults_gets_another_try(seed: int) -> None:
    space = Space({"loss_name": Choice(["dice", "ce", "focal"]), "x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})

    def loss(p: Any) -> float:
        if p["loss_name"] != "focal":
            return float(0.25 + 0.1 * (p["x"] - 0.6) ** 2 + (0.05 if p["loss_name"] == "ce" else 0.0))
        return float(2 * (p["x"] - 0.9) ** 2 + 0.1 * (p["y"] - 0.5) ** 2)

    trials = played(space, loss, 80, seed=seed)
    assert max(trials[:3], key=lambda t: t.loss or 0.0).parameters["loss_name"] == "focal"
    assert min(trials, key=lambda t: t.loss or 0.0).parameters["loss_name"] == "focal"


def test_another_combination_is_tried_with_the_best_numbers_so_far() -> None:
    trials = {trial.number: trial for trial in played(MIXED, mixed_loss, 60)}
    exchanged = [trial for trial in trials.values() if trial.origin["phase"] == "exchange"]
    assert exchanged
    for trial in exchanged:
        source = trials[trial.origin["numbers_of"]]
        assert all(trial.parameters[name] == source.parameters[name] for name in ("lr", "width", "p"))
        assert trial.parameters != source.parameters


def test_most_trials_are_spent_on_the_best_combination() -> None:
    trials = played(MIXED, lambda p: mixed_loss(p) + 0.5 * (p["loss_name"] != "dice") + 0.5 * (not p["augment"]), 50)
    best = [t for t in trials[6:] if (t.parameters["loss_name"], t.parameters["augment"]) == ("dice", True)]
    assert len(best) > 22


@pytest.mark.parametrize("slots", [1, 4])
def test_it_finds_better_numbers_than_chance(slots: int) -> None:
    found = {
        controller: sum(
            min(t.loss or 0.0 for t in played(MIXED, mixed_loss, 60, controller=controller(), slots=slots, seed=seed))
            for seed in range(2)
        )
        for controller in (ReinforcementController, RandomController)
    }
    assert found[ReinforcementController] < found[RandomController]


def test_failed_trials_count_as_the_worst() -> None:
    trials = played(MIXED, lambda p: None if p["loss_name"] == "dice" else mixed_loss(p), 40)
    assert sum(t.parameters["loss_name"] == "dice" for t in trials[6:]) < 12
    failed = {trial.number for trial in trials if trial.loss is None}
    assert not failed & {number for trial in trials for number in trial.origin.get("after", [])}


def test_limits_come_before_losses() -> None:
    history = History(MIXED)
    controller = ReinforcementController()
    for number in range(1, 41):
        snapshot = Snapshot(
            space=MIXED, goals=Goals.parse("-loss", ["width <= 20"]), history=history, created=number - 1, seed=4
        )
        (given,) = controller.recommend(snapshot, 1)
        trial, width = running(number, given), float(given.parameters["width"])
        history.add(replace(ended_as(trial, mixed_loss(given.parameters)), metrics={"width": width}))
    drawn = [t for t in list(history)[25:] if t.origin["phase"] == "policy"]
    assert sum(t.parameters["width"] <= 20 for t in drawn) > 0.5 * len(drawn)  # without the limit 48 is best


def test_where_the_defaults_break_a_constraint_others_are_tried() -> None:
    space = Space({"a": Float(0, 1), "b": Float(0, 1), "kind": Choice(["u", "v"])}, ["a + b <= 0.5"])
    trials = played(space, lambda p: p["a"], 12)
    assert phases(trials)[:2] == ["grid", "grid"]
    for trial in trials:
        space.check(trial.parameters)


def test_a_combination_that_no_constraint_allows_is_left_out() -> None:
    space = Space({"kind": Choice(["u", "v"]), "x": Float(0, 1)}, [lambda p: p["kind"] == "u"])
    trials = played(space, lambda p: p["x"], 12)
    assert {t.parameters["kind"] for t in trials} == {"u"}
    assert phases(trials).count("policy") > 8


@pytest.mark.parametrize("fixed", [{"lr": 0.01}, {"loss_name": "ce"}, {"loss_name": "focal", "p": 0.25, "width": 9}])
def test_fixed_values_are_kept_in_both_phases(fixed: dict[str, Any]) -> None:
    for count in (0, 12):
        ended = played(MIXED, mixed_loss, count) if count else []
        controller = ReinforcementController()
        snapshot = replace(snapshot_of(MIXED, ended), fixed=fixed)
        given = controller.recommend(snapshot, 7)
        assert len(given) == 7
        for one in given:
            MIXED.check(one.parameters)
            assert {name: one.parameters[name] for name in fixed} == fixed
        more = [running(number, one) for number, one in enumerate(given, count + 1)]
        after = snapshot_of(MIXED, [*ended, *(ended_as(t, mixed_loss(t.parameters)) for t in more)])
        assert controller.recommend(after, 2) == ReinforcementController().recommend(after, 2)


def test_it_asks_to_stop_once_max_rounds_trials_have_ended() -> None:
    controller = ReinforcementController(max_rounds=9)
    assert controller.ends_by_itself
    trials = played(MIXED, lambda p: None if p["p"] > 0.7 else mixed_loss(p), 100, controller=controller, slots=4)
    assert len(trials) == 9
    assert controller.stop_message == "max_rounds is 9, and 9 trials have ended"


def test_it_does_not_ask_to_stop_while_the_last_rounds_run() -> None:
    controller = ReinforcementController(max_rounds=3)
    pending = [running(i, given) for i, given in enumerate(controller.recommend(snapshot_of(MIXED, []), 5), 1)]
    assert len(pending) == 3
    assert controller.recommend(snapshot_of(MIXED, [], pending), 5) == []
    assert controller.stop_message is None


def test_abandoned_trials_are_no_rounds() -> None:
    ended = [replace(t, status="abandoned", loss=None) for t in played(MIXED, mixed_loss, 3)]
    assert len(ReinforcementController(max_rounds=3).recommend(snapshot_of(MIXED, ended), 9)) == 3


def test_without_max_rounds_it_needs_a_budget() -> None:
    assert not ReinforcementController().ends_by_itself


@pytest.mark.parametrize(
    "args", [{"max_rounds": 0}, {"max_rounds": 2.5}, {"max_rounds": True}, {"most_combinations": 0}]
)
def test_arguments_that_are_no_counts_are_refused(args: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="whole number of at least 1"):
        ReinforcementController(**args)


def test_several_objectives_are_refused() -> None:
    with pytest.raises(InputError, match="one objective only"):
        ReinforcementController().recommend(snapshot_of(MIXED, [], goals="-loss, -size"), 1)


def test_too_many_combinations_are_refused() -> None:
    with pytest.raises(SpaceError, match="6 combinations"):
        ReinforcementController(most_combinations=5).recommend(snapshot_of(MIXED, []), 1)


def test_origins_that_others_wrote_are_no_obstacle() -> None:
    odd: list[dict[str, Any]] = [
        {"by": "reinforcement"},
        {"by": "reinforcement", "after": [77], "log_density": 0.5},
        {"by": "reinforcement", "after": "x", "log_density": None},
        {"by": "user"},
    ]
    ended = [replace(t, origin=odd[i % 4]) for i, t in enumerate(played(MIXED, mixed_loss, 12))]
    assert len(ReinforcementController().recommend(snapshot_of(MIXED, ended), 2)) == 2
