"""Study's face: defining, opening, asking and telling, reading."""

from __future__ import annotations

import math
from typing import Any

import pytest

import meristem as ms
from fakes import ListController, ScriptedExecutor
from meristem.errors import (
    IllegalMove,
    InputError,
    NoBestTrial,
    NothingToTry,
    ParameterError,
    SpaceError,
    StudyError,
    StudyExists,
    StudyNotFound,
    UnknownComponent,
)
from meristem.store.store import Store

SPACE = {"m": ms.Choice(["a", "b"]), "x": ms.Float(0, 1, when={"m": "a"}, default=0.5)}


def make(name: str = "s", **options: Any) -> ms.Study:
    return ms.Study(name, **{"space": SPACE, "objective": "a", "controller": "random", "seed": 1, **options})


def test_the_same_definition_opens_the_study_and_another_is_refused_with_the_difference() -> None:
    store = Store()
    first = make(store=store)
    first.tell(first.ask(), 1.0)
    assert len(make(store=store, seed=None).trials) == 1
    other = {"m": ms.Choice(["a", "c"]), "y": ms.Int(1, 2)}
    with pytest.raises(StudyExists) as caught:
        make(store=store, space=other, objective="-b", controller="grid", seed=2)
    told = str(caught.value)
    for part in ("'m' was", "'y' is new", "'x' is missing", 'objective was "a"', "controller was", "seed was 1"):
        assert part in told
    with pytest.raises(StudyExists, match="constraints were"):
        make(store=store, space=ms.Space(SPACE, ["x <= 0.9"]))


def test_open_brings_back_what_was_defined() -> None:
    store = Store()
    first = make("étude", store=store, objective="-a")
    opened = ms.Study.open("étude", store=store)
    assert opened.space == first.space
    assert str(opened.goals) == "-a"
    assert opened.seed == 1
    assert opened.ask().parameters == make("étude", store=Store(), objective="-a").ask().parameters
    with pytest.raises(StudyNotFound, match="Did you mean 'étude'"):
        ms.Study.open("etude", store=store)


def test_a_controller_given_as_an_object_must_be_given_again() -> None:
    store = Store()
    make(store=store, controller=ListController([{"m": "b"}]))
    with pytest.raises(StudyError, match=r"ListController.*Pass it again"):
        ms.Study.open("s", store=store).ask()
    opened = ms.Study.open("s", store=store, controller=ListController([{"m": "b"}]))
    assert opened.ask().parameters == {"m": "b"}


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"name": ""}, InputError, "study's name"),
        ({"name": "a\nb"}, InputError, "study's name"),
        ({"name": 3}, InputError, "study's name"),
        ({"objective": ""}, InputError, "accuracy"),
        ({"objective": "a, a"}, InputError, "stands there twice"),
        ({"objective": None}, InputError, "must be text"),
        ({"controller": "gird"}, UnknownComponent, "Did you mean 'grid'"),
        ({"controller": "no.such.Thing"}, UnknownComponent, "importing no.such raised"),
        ({"controller": {"name": "grid", "args": {"levls": 3}}}, InputError, "Did you mean 'levels'"),
        ({"controller": {"nam": "grid"}}, InputError, "unknown keys"),
        ({"controller": 3}, InputError, "recommend"),
        ({"space": {}}, SpaceError, "space"),
        ({"space": {"x": ms.Float(2, 1)}}, SpaceError, "x"),
        ({"seed": -1}, InputError, "seed"),
        ({"seed": "x"}, InputError, "seed"),
    ],
)
def test_a_definition_that_cannot_be_used_is_refused(options: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        make(**options)


def test_ask_and_tell() -> None:
    study = make()
    first = study.ask()
    first.report(step=0, a=0.1)
    first.report(step=1, a=0.2, b=(1.0, 0.5))
    assert study.tell(first, a=0.9, b=2).value == 0.9
    assert study.tell(study.ask(), failed="no electricity").error == "no electricity"
    assert study.tell(study.ask().number, 0.5).status == "completed"
    assert study.abandon(study.ask()).status == "abandoned"
    assert study.best.number == 1
    assert study.best.metrics == {"a": 0.9, "b": 2.0}
    assert [m.sem for m in study.measurements(1)] == [None, None, 0.5]
    assert study.counts() == {"completed": 2, "failed": 1, "abandoned": 1}


def test_a_result_is_taken_once() -> None:
    study = make()
    trial = study.ask()
    study.tell(trial, 1.0)
    with pytest.raises(IllegalMove, match="Trial 1 is completed and cannot become"):
        study.tell(trial, 2.0)
    assert study.best.value == 1.0
    with pytest.raises(InputError, match="no trial 7"):
        study.tell(7, 1.0)
    with pytest.raises(InputError, match="no result"):
        study.tell(study.ask())


@pytest.mark.parametrize(
    ("value", "told"),
    [(math.nan, "nan, which no search"), (math.inf, "inf")],
)
def test_a_result_that_is_no_finite_number_fails_the_trial_and_is_shown(value: Any, told: str) -> None:
    study = make()
    trial = study.ask()
    ended = study.tell(trial, value)
    assert ended.status == "failed"
    assert told in (ended.error or "")
    with pytest.raises(NoBestTrial, match="1 failed"):
        _ = study.best


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({"acuracy": 0.9}, "Did you mean 'acuracy'"),
        ({"accuracy": "high"}, "accuracy='high'"),
        ({"accuracy": None}, "accuracy=None"),
        ({}, "no result"),
    ],
)
def test_a_slip_of_the_hand_is_refused_and_the_trial_goes_on(metrics: dict[str, Any], told: str) -> None:
    study = make(objective="accuracy")
    trial = study.ask()
    with pytest.raises(InputError, match=told):
        study.tell(trial, **metrics)
    assert study.tell(trial, accuracy=0.9).value == 0.9


def test_two_processes_that_ask_get_different_trials() -> None:
    store = Store()
    studies = [make(store=store), make(store=store)]
    asked = [studies[i % 2].ask() for i in range(10)]
    assert [t.number for t in asked] == list(range(1, 11))
    for study, trial in zip(studies * 5, reversed(asked), strict=True):
        study.tell(trial, float(trial.number))
    assert [s.best.number for s in studies] == [10, 10]


def test_a_used_up_space_has_nothing_to_ask() -> None:
    study = make(space={"m": ms.Choice(["a", "b"])}, controller="grid")
    assert {study.ask().parameters["m"], study.ask().parameters["m"]} == {"a", "b"}
    with pytest.raises(NothingToTry):
        study.ask()


def test_what_the_user_guesses_is_tried_first() -> None:
    study = make()
    study.enqueue({"m": "a"})
    study.enqueue({"m": "b"})
    assert study.ask().parameters == {"m": "a", "x": 0.5}
    study.run(executor=ScriptedExecutor(), trials=1, handlers=[])
    assert study.get_trial(2).parameters == {"m": "b"}
    with pytest.raises(ParameterError, match="x"):
        study.enqueue({"m": "a", "x": 3})


def test_parameters_stand_in_the_order_of_the_space_and_inactive_ones_are_absent() -> None:
    study = make(space={"z": ms.Choice([1, 2]), "a": ms.Float(0, 1, when={"z": 1})})
    for trial in [study.ask() for _ in range(10)]:
        assert list(study.get_trial(trial.number).parameters) == ["z", "a"][: 3 - trial["z"]]


def test_long_and_unicode_values_come_back() -> None:
    values = ["长" * 10_000, "\u0000", "a\nb", "'; DROP TABLE trials; --"]
    study = make(space={"v": ms.Choice(values)}, controller="grid")
    assert [study.ask()["v"] for _ in values] == values
    assert [t["v"] for t in study.trials] == values


def test_trials_are_also_a_table() -> None:
    study = make()
    study.tell(study.ask(), 0.5)
    frame = study.trials_dataframe()
    assert list(frame["value"]) == [0.5]
    assert "parameters.m" in frame


def test_a_study_that_does_not_run_cannot_be_stopped() -> None:
    with pytest.raises(StudyError, match="not running: it is created"):
        make().stop()


def test_events_are_read_by_cursor() -> None:
    study = make()
    study.ask()
    log = study.events()
    assert [e.kind.value for e in log] == ["study_created", "recommendations_available", "trial_started"]
    assert study.events(after=log[-1].number) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "either a function or an executor"),
        ({"function": 3}, "cannot be called"),
        ({"function": len, "executor": "command"}, "either a function or an executor"),
        ({"function": len, "handlers": ["progres"]}, "Did you mean 'progress'"),
        ({"function": len, "handlers": [3]}, "no method handle"),
        ({"function": len, "parallel": 0, "timeout": "x", "at_stop": "never", "retries": -1}, "parallel=0"),
        ({"function": len, "max_failure_rate": 2, "seconds": math.nan}, "seconds=nan"),
        ({"executor": {"name": "command", "args": {"command": "train {lx}"}}}, "lx"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused_before_anything_starts(arguments: Any, told: str) -> None:
    study = make()
    function = arguments.pop("function", None)
    with pytest.raises(ms.MeristemError, match=told):
        study.run(function, **{"trials": 1, **arguments})
    assert study.trials == []


def test_a_report_after_the_end_is_refused() -> None:
    study = make()
    study.tell(study.ask(), 1.0)
    with pytest.raises(StudyError, match="takes no reports"):
        study.best.report(step=1, a=2.0)


def test_what_is_exported_is_what_all_says() -> None:
    assert ms.__all__ == sorted(ms.__all__)
    assert all(getattr(ms, name) is not None for name in ms.__all__)
    assert set(ms.__all__) == set(ms._HOMES)
    with pytest.raises(AttributeError, match="Stduy"):
        _ = ms.Stduy


def test_a_plain_number_told_is_the_metric_that_the_objective_weighs() -> None:
    study = ms.Study("s", space={"x": ms.Float(0, 1)}, objective="2*acc", controller="random", seed=1)
    study.tell(study.ask(), 0.5)
    study.tell(study.ask(), 0.25, size=3)
    assert (study.best.value, study.best.metrics) == (1.0, {"acc": 0.5})
    assert study.get_trial(2).metrics == {"acc": 0.25, "size": 3.0}


def test_a_plain_number_cannot_be_told_of_a_sum_of_metrics() -> None:
    study = ms.Study("s", space={"x": ms.Float(0, 1)}, objective="acc - size", controller="random", seed=1)
    with pytest.raises(InputError, match="'acc' is missing") as found:
        study.tell(study.ask(), 0.5)
    assert "Did you mean" not in str(found.value)
    study.tell(1, 0.5, acc=0.75, size=0.25)
    assert study.best.value == 0.5
