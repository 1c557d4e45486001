"""Trials of the caller's own: begun, measured, stopped and told by hand, from whatever process."""

from __future__ import annotations

from typing import Any

import pytest

import meristem as ms
from fakes import ScriptedExecutor
from meristem.store.rows import TrialRow
from meristem.store.store import Store
from meristem.study.ledger import Ledger


def make(**options: Any) -> ms.Study:
    return ms.Study("s", **{"space": {"x": ms.Float(0, 1)}, "objective": "a", "controller": "random", **options})


def kinds(study: ms.Study) -> list[str]:
    return [event.kind.value for event in study.events()][1:]


def test_what_was_run_elsewhere_is_stored_in_one_change(monkeypatch: pytest.MonkeyPatch) -> None:
    study, changes = make(), []
    apply = study.store.commits.apply
    monkeypatch.setattr(study.store.commits, "apply", lambda change: changes.append(change) or apply(change))
    done = study.attach({"x": 0.5}, 1.0)
    bad = study.attach({"x": 0.25}, failed="burnt")
    assert len(changes) == 2
    assert (done.value, done.origin["attached"], bad.error) == (1.0, True, "burnt")
    assert kinds(study) == ["trial_started", "trial_ended"] * 2
    assert study.best.number == 1
    assert study.ask().number == 3


def test_a_reason_that_is_none_adds_nothing() -> None:
    study = make()
    with pytest.raises(ms.InputError, match="no reason"):
        study.attach({"x": 0.5}, failed=True)  # type: ignore[arg-type]
    assert study.trials == []


def half_begun(study: ms.Study) -> TrialRow:
    """A trial as a crash between two changes left it in studies of earlier versions."""
    ledger = Ledger(study.store, study.store.studies.get("s"), study.definition)
    ledger.sync()
    return ledger.add(TrialRow(number=0, status="waiting", parameters={"x": 0.5}, run_by="caller"))


def test_a_trial_that_was_left_half_begun_goes_to_whoever_comes_next() -> None:
    study = make(store=Store())
    half_begun(study)
    assert study.ask().number == 1
    half_begun(study)
    study.run(executor=ScriptedExecutor(lambda attempt: {"a": 2.0}), trials=1, handlers=[])
    assert study.best.number == 2
    half_begun(study)
    assert study.abandon(3).status == "abandoned"
    with pytest.raises(ms.InputError, match="no trial 9"):
        study.abandon(9)


def test_a_trial_that_an_engine_took_is_the_engines() -> None:
    study = make(store=Store())
    half_begun(study)
    refused: list[str] = []

    def tell(attempt: Any) -> Any:
        with pytest.raises(ms.InputError) as caught:
            study.tell(attempt.number, 1.0)
        refused.append(str(caught.value))
        return {"a": 2.0}

    study.run(executor=ScriptedExecutor(tell), trials=1, handlers=[])
    assert refused == ["Trial 1 is run by an engine, which tells its result itself."]
