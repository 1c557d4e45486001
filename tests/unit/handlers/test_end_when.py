"""Ending a whole study: what it costs after each trial, and when the bound on the regret is asked for."""

from __future__ import annotations

import types
from typing import Any

import pytest

import meristem as ms
from fakes import ScriptedExecutor, failed
from meristem.controllers.protocol import History, Observation
from meristem.handlers.end_when import EndWhen
from meristem.objective import Goals
from meristem.space import Space
from meristem.study.happenings import TrialEnded
from meristem.study.run import StudyRun

RULES: list[Any] = [
    "no_improvement",
    {"name": "target_reached", "args": {"value": -1}},
    {"name": "regret_bound", "args": {"within": 1e-9}},
]


class CountedHistory(History):
    """Counts how many observations are read."""

    read = 0

    def __iter__(self) -> Any:
        self.read += len(self)
        return super().__iter__()

    def __getitem__(self, place: int) -> Observation:
        self.read += 1
        return super().__getitem__(place)


class Told:
    """A run of a study whose trials end one by one."""

    def __init__(self, objective: str = "-y", limits: list[str] | None = None) -> None:
        self.space, goals = Space({"x": ms.Float(0, 1)}), Goals.parse(objective, limits or [])
        self.history = CountedHistory(self.space)
        self.leaders = types.SimpleNamespace(baseline=None)
        self.definition = types.SimpleNamespace(space=self.space, goals=goals)
        self.name, self.messages = "s", list[str]()
        self.run = StudyRun(
            self,
            None,
            folder=None,
            slots=1,
            stop=self.messages.append,
            stop_trial=None,  # type: ignore[arg-type]
        )

    def end(self, y: float | None) -> None:
        self.history.add(
            Observation(
                number=len(self.history) + 1,
                parameters={"x": 0.5},
                status="failed" if y is None else "completed",
                loss=y,
                metrics={} if y is None else {"y": y},
            ),
            key="k",
        )


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_trial_that_ends_is_read_once_however_many_there_were(rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StudyRun, "regret_bound", lambda self, doubt: 1.0)
    told, handler = Told(), EndWhen(rule)
    for number in range(300):
        told.end(float(number * 7919 % 300))
        before = told.history.read
        handler.trial_ended(TrialEnded(trial=None, again=False), told.run)  # type: ignore[arg-type]
        assert told.history.read - before <= 1
    assert told.run.losses == [float(number * 7919 % 300) for number in range(300)]


def test_losses_that_were_given_out_stay_as_they_were() -> None:
    told = Told()
    told.end(1.0)
    before = told.run.losses
    told.end(None)
    assert (before, told.run.losses) == ([1.0], [1.0, None])


def test_a_baseline_that_comes_late_changes_which_losses_count() -> None:
    told = Told(limits=["y <= 1.5 * baseline"])
    for y in (1.0, 2.0):
        told.end(y)
    assert told.run.losses == [None, None]
    told.leaders.baseline = {"y": 1.0}
    told.end(1.2)
    assert told.run.losses == [1.0, None, 1.2]


def test_the_bound_on_the_regret_is_asked_for_once_where_only_failures_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(StudyRun, "regret_bound", lambda self, doubt: asked.append(len(self.standing().measured)))
    study = ms.Study("s", space={"x": ms.Float(0, 1)}, objective="-loss", controller="random", seed=1)
    executor = ScriptedExecutor(lambda a: failed() if a.number > 24 else float(a.number))
    rule = {"name": "regret_bound", "args": {"within": 1e-9}}
    study.run(executor=executor, handlers=[EndWhen(rule)], trials=40, max_failure_rate=1.0)
    assert asked == sorted(set(asked))
    assert asked[-1] == 24
