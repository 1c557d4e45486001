"""What a study's trials tell about its space, and what one study learns from another."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

import meristem as ms
from meristem.controllers.insight import Insight
from meristem.errors import (
    ComponentFailed,
    InputError,
    NothingToTry,
    ParameterError,
    StudyNotFound,
    TooManyFailures,
)
from meristem.store.store import Store

SPACE = {"x": ms.Float(0, 1), "y": ms.Float(0, 1), "k": ms.Choice(["a", "b"])}


def value_of(p: Any) -> float:
    return 3.0 - 4.0 * (p["x"] - 0.3) ** 2 + (0.2 if p["k"] == "a" else 0.0)


def filled(count: int = 40, **options: Any) -> ms.Study:
    study = ms.Study("s", **{"space": SPACE, "objective": "score", "controller": "sobol", "seed": 1, **options})
    for _ in range(count):
        trial = study.ask()
        study.tell(trial, score=value_of(trial), cost=trial["y"] * 10)
    return study


def test_predictions_are_in_the_unit_of_the_metric_and_say_how_sure_they_are() -> None:
    insight = filled().insight()
    near, far = insight.predict([{"x": 0.3, "y": 0.5, "k": "a"}, {"x": 1.0, "y": 1.0, "k": "b"}])
    assert near.mean == pytest.approx(3.2, abs=0.1)
    assert near.std < far.std
    assert insight.cross_validation().r2 > 0.95
    assert abs(insight.best()["x"] - 0.3) < 0.1  # type: ignore[operator]


def test_what_matters_is_told_with_a_model_and_without() -> None:
    insight = filled().insight()
    shares = insight.sensitivity()
    assert shares.total["x"] > 0.8
    assert shares.total["y"] < 0.05
    assert set(shares.second) == {("x", "y"), ("x", "k"), ("y", "k")}
    importance = insight.importance(top=0.25)
    assert sum(importance.values()) == pytest.approx(1.0)
    assert max(importance, key=lambda name: importance[name]) == "x"


def test_any_metric_can_be_looked_at() -> None:
    insight = filled().insight("-cost")
    assert insight.predict([{"x": 0.5, "y": 0.7, "k": "a"}])[0].mean == pytest.approx(7.0, abs=0.3)
    assert insight.best()["y"] < 0.1  # type: ignore[operator]
    assert 0 <= insight.regret_bound() < 2.0


def test_too_few_trials_and_several_objectives_say_what_to_do() -> None:
    with pytest.raises(InputError, match="5 with a value are needed"):
        filled(3).insight()
    several = filled(6, objective="score, -cost")
    with pytest.raises(InputError, match="Name one"):
        several.insight()
    assert several.insight("-cost").maximize is False


def test_the_hypervolume_is_measured_from_the_thresholds() -> None:
    study = ms.Study("h", space=SPACE, objective="a, -b", thresholds={"a": 1, "b": 10}, controller="random")
    for a, b in ((2.0, 6.0), (4.0, 8.0), (0.5, 1.0)):
        study.tell(study.ask(), a=a, b=b)
    assert study.hypervolume() == pytest.approx(3 * 2 + 1 * 2)
    assert next(t.values for t in study.pareto) == {"a": 4.0, "b": 8.0}
    with pytest.raises(InputError, match="no worst value"):
        filled(6, objective="score, -cost").hypervolume()


def test_a_study_learns_from_an_earlier_one() -> None:
    store = Store(None)
    draw = random.Random(0)
    old = ms.Study("old", space=SPACE, objective="score", store=store)
    for _ in range(40):
        point = {"x": draw.random(), "y": draw.random(), "k": draw.choice("ab")}
        old.attach(point, score=value_of(point))
    new = ms.Study("new", space=SPACE, objective="score", controller="gp", store=store, seed=1, warm_start=["old"])
    for _ in range(5):
        trial = new.ask()
        new.tell(trial, value_of(trial))
    cold = filled(5, controller="gp")
    assert new.best.value is not None
    assert cold.best.value is not None
    assert new.best.value > max(3.19, cold.best.value)
    assert ms.Study.open("new", store=store).definition.warm_start == ("old",)


def test_an_earlier_study_that_is_not_there_is_told() -> None:
    with pytest.raises(StudyNotFound, match="nothing"):
        ms.Study("new", space=SPACE, objective="score", warm_start=["nothing"])
    with pytest.raises(InputError, match="no list of studies"):
        ms.Study("other", space=SPACE, objective="score", warm_start="old")


@pytest.mark.parametrize(
    "controller", ["auto", "gp", "sobol", "random", "evolution", "grid", "asha", "cmaes", "optuna"]
)
def test_fixed_values_are_kept(controller: str) -> None:
    study = filled(12, controller=controller)
    for _ in range(3):
        trial = study.ask({"k": "b", "x": 0.25})
        assert (trial["k"], trial["x"]) == ("b", 0.25)


def test_a_controller_that_cannot_keep_them_is_told() -> None:
    def stubborn(history: Any, count: int) -> list[dict[str, Any]]:
        return [{"x": 1, "y": 1}]

    study = ms.Study("g", space={"x": ms.Int(1, 3), "y": ms.Int(1, 3)}, objective="score", controller=stubborn)
    with pytest.raises(ComponentFailed, match="keep fixed values"):
        study.ask({"x": 3})


@pytest.mark.parametrize(
    ("fixed", "told"), [({"z": 1}, "z: is not"), ({"x": 7}, "x: "), ({"k": "c"}, "k: "), (3, "mapping")]
)
def test_fixed_values_that_do_not_lie_in_the_space_are_refused(fixed: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        filled(1).ask(fixed)


def test_failed_trials_and_those_beyond_a_limit_are_no_results() -> None:
    study = ms.Study("l", space={"x": ms.Float(0, 1)}, objective="-f", outcome_constraints=["size <= 0.5"], seed=1)
    for i in range(10):
        study.attach({"x": i / 10}, f=1 - i / 10, size=i / 10)
    failed = study.ask()
    failed.report(f=-100.0, size=0.0)
    study.tell(failed, failed="broken")
    assert study.best.parameters == {"x": 0.5}
    assert study.insight().best() == {"x": 0.5}


@pytest.mark.parametrize("controller", ["auto", "gp", "evolution", "cmaes", "optuna"])
def test_fixed_values_on_a_log_scale_are_kept_exactly(controller: str) -> None:
    space = {"x": ms.Float(1e-4, 1.0, log=True), "y": ms.Float(0, 1)}
    objective = "a" if controller == "cmaes" else "a, -b"
    study = ms.Study("f", space=space, objective=objective, controller=controller, seed=1)
    for i in range(14):
        study.attach({"x": 10 ** (-i / 4), "y": i / 14}, a=float(i % 5), b=float(i % 3))
    assert study.ask({"x": 0.1})["x"] == 0.1


@pytest.mark.parametrize("controller", ["gp", "sobol", "auto", {"name": "asha", "args": {"proposals": "random"}}])
def test_relative_limits_have_the_defaults_as_baseline_unless_one_is_marked(controller: Any) -> None:
    space, limits = {"x": ms.Float(0, 1, default=0.5)}, ["c <= 1.1 * baseline"]
    study = ms.Study("b", space=space, objective="a", outcome_constraints=limits, controller=controller)
    study.run(lambda t: {"a": t["x"], "c": t["x"]}, trials=8, isolate=False, handlers=[])
    assert study.get_trial(1).parameters == {"x": 0.5}
    assert study.best["x"] <= 0.55
    own = ms.Study("o", space=space, objective="a", outcome_constraints=limits, controller=controller)
    own.enqueue({"x": 0.2}, baseline=True)
    own.run(lambda t: {"a": t["x"], "c": t["x"]}, trials=8, isolate=False, handlers=[])
    assert own.best["x"] <= 0.22


def test_a_limit_on_a_metric_that_never_comes_ends_the_study_at_its_first_trial() -> None:
    study = ms.Study("m", space={"x": ms.Float(0, 1)}, objective="a", outcome_constraints=["latency <= 10"])
    with pytest.raises(TooManyFailures, match="needs the metric 'latency', but a trial gave 'a', 'lat'"):
        study.run(lambda t: {"a": 1.0, "lat": 2.0}, trials=50, isolate=False, handlers=[])
    assert len(study.trials) == 1


def test_an_earlier_study_without_one_of_the_parameters_teaches_with_its_default() -> None:
    store = Store(None)
    old = ms.Study(
        "old", space={"x": SPACE["x"], "y": SPACE["y"], "gone": ms.Int(1, 3)}, objective="score", store=store
    )
    for i in range(12):
        old.attach({"x": i / 12, "y": 0.5, "gone": 1}, score=value_of({"x": i / 12, "k": "a"}))
    new = ms.Study("new", space=SPACE, objective="score", controller="gp", store=store, seed=1, warm_start=["old"])
    new.tell(new.ask(), 1.0)
    assert new.ask().origin["earlier"] == 12


def test_what_has_one_objective_only_is_refused_before_anything_is_made() -> None:
    store = Store(None)
    for controller in ("cmaes", "pbt", "asha", "hyperband"):
        with pytest.raises(InputError, match="one objective only"):
            ms.Study("s", space=SPACE, objective="a, -b", controller=controller, store=store)
    assert store.studies.list() == []
    study = ms.Study("s", space=SPACE, objective="a, -b", store=store)
    with pytest.raises(InputError, match="one objective only"):
        study.run(len, trials=1, handlers=[{"name": "stop_at", "args": {"threshold": 1}}])


def test_missing_parameters_of_a_guess_are_in_the_middle_and_inactive_ones_are_refused() -> None:
    space = {"model": ms.Choice(["a", "b"]), "lr": ms.Float(0, 1), "depth": ms.Int(1, 9, when={"model": "b"})}
    study = ms.Study("s", space=space, objective="score")
    assert study.enqueue({"model": "b"}).parameters == {"model": "b", "lr": 0.5, "depth": 5}
    assert study.attach({"model": "a", "lr": 0.1}, score=1.0).parameters == {"model": "a", "lr": 0.1}
    with pytest.raises(InputError, match="depth"):
        study.enqueue({"model": "a", "depth": 3})


def test_insight_refuses_what_is_no_point_and_names_the_metrics_it_knows() -> None:
    study = filled()
    with pytest.raises(InputError, match="x: "):
        study.insight().predict([{"x": 3.0, "y": 0.5, "k": "a"}])
    with pytest.raises(InputError, match="list of points"):
        study.insight().predict({"x": 0.5})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Known: cost, score"):
        study.insight("scor")


def test_insight_costs_about_the_same_for_many_trials() -> None:
    study = filled(0)
    draw = random.Random(1)
    for _ in range(600):
        point = {"x": draw.random(), "y": draw.random(), "k": draw.choice("ab")}
        study.attach(point, score=value_of(point))
    insight = study.insight()
    assert len(insight.tried) == 500
    assert insight.predict([{"x": 0.3, "y": 0.5, "k": "a"}])[0].mean == pytest.approx(3.2, abs=0.05)


def test_losses_beyond_all_measure_neither_hide_nor_make_a_regret() -> None:
    study = ms.Study("h", space={"x": ms.Float(0, 1)}, objective="-f")
    for i in range(8):
        study.attach({"x": i / 8}, f=1e160 if i == 3 else float(i))
    assert 0.0 < study.insight().regret_bound() < 1.0
    assert study.insight().predict([{"x": 0.5}])[0].mean == pytest.approx(4.0, abs=0.1)
    assert study.insight().predict([{"x": 0.5}])[0].std > 0


def test_fixed_values_of_conditional_parameters_need_their_conditions() -> None:
    space = {"m": ms.Choice(["x", "y"]), "z": ms.Float(1, 3, when={"m": "y"})}
    study = ms.Study("c", space=space, objective="a")
    with pytest.raises(InputError, match="fix that, too"):
        study.ask({"z": 2.0})
    with pytest.raises(InputError, match="exclude each other"):
        study.ask({"m": "x", "z": 2.0})
    assert study.ask({"m": "y", "z": 2.0}).parameters == {"m": "y", "z": 2.0}


EDGE = {"x": ms.Float(0, 1), "y": ms.Float(0, 1), "k": ms.Choice(["a", "b"])}


@pytest.mark.parametrize("controller", ["auto", "gp", "sobol", "random", "evolution", "grid", "cmaes", "optuna"])
def test_fixed_values_that_leave_no_room_between_the_constraints_are_refused_with_these(controller: str) -> None:
    space = ms.Space(EDGE, constraints=["x + y <= 1", "y >= 0.5", "x <= 2"])
    study = ms.Study("e", space=space, objective="score", controller=controller)
    with pytest.raises(ParameterError) as caught:
        study.ask({"x": 0.75})
    assert [line.strip() for line in str(caught.value).splitlines()] == [
        "The fixed parameters (x=0.75) leave no point of the space:",
        "- constraints 'x + y <= 1', 'y >= 0.5' can never hold together with them",
        "Fix other values, or fewer; or widen the constraints.",
    ]
    assert study.trials == []
    assert study.ask({"x": 0.25})["x"] == 0.25


@pytest.mark.parametrize(
    ("constraints", "fixed", "told"),
    [
        (["x + y <= 1", "x <= 0.5"], {"x": 0.75}, "constraint 'x <= 0.5' can never hold with them"),
        (["x < y"], {"x": 1.0}, "constraint 'x < y' can never hold with them"),
        (["x + y <= 0.5"], {"x": 0.25, "y": 0.5}, "constraint 'x [+] y <= 0.5' can never hold with them"),
        (["x + 2*n <= 2"], {"x": 0.75, "k": "b"}, "constraint 'x [+] 2[*]n <= 2' can never hold with them"),
    ],
)
def test_each_constraint_that_cannot_hold_with_fixed_values_is_told(
    constraints: list[str], fixed: dict[str, Any], told: str
) -> None:
    space = ms.Space({**EDGE, "n": ms.Int(1, 3, when={"k": "b"})}, constraints=constraints)
    with pytest.raises(ParameterError, match=told):
        ms.Study("e", space=space, objective="score").ask(fixed)


def test_a_constraint_that_may_not_count_leaves_room() -> None:
    space = ms.Space({**EDGE, "n": ms.Int(1, 3, when={"k": "b"})}, constraints=["x + 2*n <= 2"])
    study = ms.Study("e", space=space, objective="score", controller="random")
    assert study.ask({"x": 0.75})["k"] == "a"
    assert study.ask({"x": 0.75, "k": "a"})["k"] == "a"


def test_a_function_that_forbids_a_point_given_in_full_is_named() -> None:
    space = ms.Space(EDGE, constraints=[forbids_the_corner])
    study = ms.Study("e", space=space, objective="score", controller="sobol")
    with pytest.raises(ParameterError, match=r"constraint .*forbids_the_corner can never hold with them"):
        study.ask({"x": 0.9, "y": 0.9, "k": "a"})


def forbids_the_corner(point: Any) -> bool:
    return bool(point["x"] + point["y"] < 1.5)


def test_where_no_point_is_found_beside_fixed_values_they_are_named_with_a_way_out() -> None:
    space = ms.Space({"x": ms.Int(1, 3), "y": ms.Int(1, 2)}, constraints=[lambda p: p["x"] != 3])
    study = ms.Study("e", space=space, objective="score", controller="random")
    with pytest.raises(NothingToTry, match=r"(?s)nothing more to try with x=3.*tried.*constraint.*other values"):
        study.ask({"x": 3})
    study.ask({"x": 1})
    study.ask({"x": 1})
    with pytest.raises(NothingToTry, match="with x=1"):
        study.ask({"x": 1})
    study.ask()
    study.ask()
    with pytest.raises(NothingToTry, match="the space is used up"):
        study.ask()


def bowl(p: Any) -> float:
    return float((p["x"] - 0.3) ** 2 + (p["y"] - 0.7) ** 2)


def bowl_study(diverged: float | None = None, sign: int = 1) -> ms.Study:
    """40 random trials of a bowl, of which one diverged."""
    study = ms.Study("d", space={"x": SPACE["x"], "y": SPACE["y"]}, objective="-loss" if sign > 0 else "gain", seed=1)
    draw = random.Random(0)
    for number in range(40):
        point = {"x": draw.random(), "y": draw.random()}
        value = diverged if number == 20 and diverged is not None else bowl(point)
        study.attach(point, {"loss" if sign > 0 else "gain": sign * value})
    return study


@pytest.mark.parametrize("diverged", [1e3, 1e6, 1e12, 1e300])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_trial_that_diverged_spoils_nothing(diverged: float, sign: int) -> None:
    study = bowl_study(diverged, sign)
    insight = study.insight()
    assert insight.best() == study.best.parameters
    found = insight.predict([{"x": 0.3, "y": 0.7}])[0]
    assert found.mean == pytest.approx(0.0, abs=0.02)
    assert found.std < 0.1
    assert insight.cross_validation().r2 > 0.5
    assert insight.regret_bound() < 0.2
    assert sum(insight.sensitivity().first.values()) > 0.5


def test_where_all_trials_diverge_much_is_expected() -> None:
    study = ms.Study("w", space={"x": SPACE["x"], "y": SPACE["y"]}, objective="-loss", seed=1)
    draw = random.Random(0)
    for _ in range(40):
        point = {"x": draw.random(), "y": draw.random()}
        study.attach(point, loss=10.0 ** (9 * point["x"]) if point["x"] > 0.8 else bowl(point))
    insight = study.insight()
    usual, edge, beyond = insight.predict([{"x": x, "y": 0.5} for x in (0.5, 0.8, 0.9)])
    assert usual.mean == pytest.approx(0.08, abs=0.05)
    assert usual.mean < edge.mean < beyond.mean
    assert beyond.mean > 1.0  # more than any trial that did not diverge


def test_a_tenth_of_diverged_trials_leaves_the_others_predictable() -> None:
    study = ms.Study("w", space={"x": SPACE["x"], "y": SPACE["y"]}, objective="-loss", seed=1)
    draw = random.Random(1)
    for number in range(50):
        point = {"x": draw.random(), "y": draw.random()}
        study.attach(point, loss=1e12 if number < 5 else bowl(point))
    insight = study.insight()
    points = [{"x": draw.random(), "y": draw.random()} for _ in range(20)]
    errors = [abs(found.mean - bowl(point)) for found, point in zip(insight.predict(points), points, strict=True)]
    assert sorted(errors)[10] < 0.02
    assert bowl(insight.best()) < 0.02


def test_where_nothing_diverged_all_stays_as_it_was_measured() -> None:
    study = bowl_study()
    found = study.insight().cross_validation()
    assert found.observed.tolist() == pytest.approx([trial.value for trial in study.trials], abs=1e-12)
    assert found.r2 > 0.99


def test_losses_far_from_where_a_search_converged_are_none_that_diverged() -> None:
    study = ms.Study("c", space={"x": SPACE["x"], "y": SPACE["y"]}, objective="-loss", seed=1)
    draw = random.Random(0)
    for number in range(50):
        wide = 0.5 if number < 12 else 1e-3
        point = {"x": 0.5 + wide * draw.uniform(-1, 1), "y": 0.5 + wide * draw.uniform(-1, 1)}
        study.attach(point, loss=(point["x"] - 0.5) ** 2 + 10 * (point["y"] - 0.5) ** 2)
    found = study.insight().cross_validation()
    assert found.observed.tolist() == pytest.approx([trial.value for trial in study.trials], abs=1e-9)
    assert study.insight().sensitivity().first["y"] > 0.9


def test_the_bound_on_the_regret_is_measured_from_what_keeps_the_limits() -> None:
    study = ms.Study(
        "r", space={"x": SPACE["x"], "y": SPACE["y"]}, objective="-loss", outcome_constraints=["c <= 0"], seed=1
    )
    draw = random.Random(0)
    while len(study.trials) < 30:
        point = {"x": draw.random(), "y": draw.random()}
        if not 0.5 <= point["x"] < 0.9:  # the best that is allowed lies at 0.5, and was not tried
            study.attach(point, loss=point["x"] + (point["y"] - 0.5) ** 2, c=0.5 - point["x"])
    assert study.insight().regret_bound() >= study.best.value - 0.5
    none = ms.Study("n", space={"x": SPACE["x"]}, objective="-loss", outcome_constraints=["c <= 0"], seed=1)
    for i in range(8):
        none.attach({"x": i / 8}, loss=float(i), c=1.0)
    assert none.insight().regret_bound() == math.inf
    with pytest.raises(InputError, match="keeps all limits"):
        none.insight().best()


def test_points_that_the_space_forbids_are_no_regret() -> None:
    space = ms.Space({"x": SPACE["x"], "y": SPACE["y"]}, constraints=["x + y <= 1"])
    study = ms.Study("f", space=space, objective="-loss", seed=1)
    draw = random.Random(0)
    for _ in range(40):
        x, y = draw.random(), draw.random()
        if x + y <= 1:
            study.attach({"x": x, "y": y}, loss=(x - y) ** 2 - 5 * (x + y))
    for i in range(11):
        study.attach({"x": i / 10, "y": 1 - i / 10}, loss=(2 * i / 10 - 1) ** 2 - 5)
    assert study.insight().regret_bound() < 0.2  # the best has 5, and is the best that there is


def test_the_best_that_keeps_the_limits_is_found_among_many_that_break_them() -> None:
    losses = [0.6 if i == 100 else 0.5 * i / 900 if i % 2 else 0.7 + 0.3 * i / 900 for i in range(900)]
    allowed = [loss > 0.55 for loss in losses]
    tried = [{"x": loss} for loss in losses]
    insight = Insight(ms.Space({"x": SPACE["x"]}), tried, losses, allowed=allowed, maximize=False)
    assert len(insight.tried) == 500
    assert insight.best() == {"x": 0.6}


def test_sensitivity_decodes_no_points_where_no_parameter_is_conditional(monkeypatch: pytest.MonkeyPatch) -> None:
    study = filled()
    insight = study.insight()
    monkeypatch.setattr(ms.Space, "decode", None)
    assert insight.sensitivity().total["x"] > 0.8


def test_conditional_parameters_have_their_shares() -> None:
    space = {"k": ms.Choice(["a", "b"]), "x": ms.Float(0, 1), "n": ms.Int(1, 4, when={"k": "b"})}
    study = ms.Study("c", space=space, objective="-loss", controller="sobol", seed=1)
    for _ in range(30):
        trial = study.ask()
        study.tell(trial, loss=trial.parameters.get("n", 0) + 0.1 * trial["x"])
    insight = study.insight()
    assert insight.sensitivity().total["n"] > 0.1 > insight.sensitivity().total["x"]
    assert 0.0 <= insight.regret_bound() < 1.0
