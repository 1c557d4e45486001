"""Early stopping of one training, by itself and as a handler of ignite; the handler that reports validations."""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.callbacks import EarlyStop


def stops(values: list[float], *args: Any, **kwargs: Any) -> list[bool]:
    early_stop = EarlyStop(*args, **kwargs)
    return [early_stop.step(value) for value in values]


def test_it_stops_after_so_many_validations_without_improvement() -> None:
    assert stops([0.1, 0.2, 0.2, 0.1], 2) == [False, False, False, True]


def test_an_improvement_starts_the_count_anew() -> None:
    assert stops([0.5, 0.4, 0.6, 0.5, 0.5], 2) == [False, False, False, False, True]


def test_a_loss_is_made_small() -> None:
    assert stops([3, 2, 2.5, 2.5], 2, maximize=False) == [False, False, False, True]


def test_small_gains_do_not_count_where_it_is_told_so() -> None:
    assert stops([0.5, 0.505, 0.52], 1, by=0.01) == [False, True, False]


def test_nan_is_no_improvement_also_at_first() -> None:
    assert stops([math.nan, math.nan], 2) == [False, True]
    assert stops([math.nan, 0.1, math.nan], 2) == [False, False, False]


@given(st.lists(st.floats(0, 1), min_size=1), st.integers(1, 5))
def test_it_says_stop_exactly_when_the_last_validations_are_no_better_than_those_before(
    values: list[float], patience: int
) -> None:
    for end, said in enumerate(stops(values, patience), 1):
        before, last = values[: max(0, end - patience)], values[max(0, end - patience) : end]
        assert said == (bool(before) and max(last) <= max(before))


@pytest.mark.parametrize("given_", [0, -1, 1.5, True, "3"])
def test_a_threshold_that_cannot_be_used_is_refused(given_: Any) -> None:
    with pytest.raises(ValueError, match="whole number from 1"):
        EarlyStop(given_)


def test_a_least_gain_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        EarlyStop(1, by=-0.1)


class FakeEngine:
    """What the handlers use of an engine of ignite."""

    def __init__(self) -> None:
        self.state = SimpleNamespace(metrics={}, key_metric_name="val_dice", epoch=0)
        self.handlers: dict[str, list[Callable[[Any], None]]] = {}
        self.terminated = False

    def add_event_handler(self, event: str, handler: Callable[[Any], None]) -> None:
        self.handlers.setdefault(event, []).append(handler)

    def terminate(self) -> None:
        self.terminated = True

    def validate(self, epoch: int, **metrics: float) -> None:
        self.state.epoch, self.state.metrics = epoch, metrics
        for event in ("epoch_completed", "completed"):
            for handler in self.handlers.get(event, []):
                handler(self)


@pytest.fixture
def module_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Imports a module of callbacks where there is no ignite."""
    engine = ModuleType("ignite.engine")
    engine.Events = SimpleNamespace(EPOCH_COMPLETED="epoch_completed", COMPLETED="completed")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ignite", ModuleType("ignite"))
    monkeypatch.setitem(sys.modules, "ignite.engine", engine)

    def imported(name: str) -> Any:
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return imported


def test_the_handler_ends_the_trainer_whose_validations_do_not_improve(module_of: Callable[[str], Any]) -> None:
    trainer, validator = FakeEngine(), FakeEngine()
    module_of("meristem.callbacks.handlers").EarlyStopHandler(2, validator).attach(trainer)
    for epoch, dice in enumerate([0.5, 0.6, 0.6], 1):
        validator.validate(epoch, val_dice=dice)
    assert not trainer.terminated
    validator.validate(4, val_dice=0.3)
    assert trainer.terminated
    assert not validator.terminated


def test_the_handler_may_look_at_another_metric(module_of: Callable[[str], Any]) -> None:
    trainer, validator = FakeEngine(), FakeEngine()
    module = module_of("meristem.callbacks.handlers")
    module.EarlyStopHandler(1, validator, metric="loss", maximize=False).attach(trainer)
    validator.validate(1, val_dice=0.9, loss=2.0)
    validator.validate(2, val_dice=0.9, loss=1.0)
    assert not trainer.terminated
    validator.validate(3, val_dice=1.0, loss=1.5)
    assert trainer.terminated


def test_validations_are_reported_with_the_epoch(
    module_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    evaluator = FakeEngine()
    module_of("meristem.callbacks.report_validations").ReportValidations("val_dice").attach(evaluator)
    evaluator.validate(1, val_dice=0.1)  # without a study
    monkeypatch.setenv("MERISTEM_REPORT", str(tmp_path / "report.jsonl"))
    evaluator.validate(2, val_dice=0.5)
    evaluator.validate(4, other=0.5)
    evaluator.validate(6, val_dice=math.nan)
    monkeypatch.setenv("RANK", "1")  # another process of the same training
    evaluator.validate(8, val_dice=0.5)
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert [(line["step"], str(line["val_dice"])) for line in lines] == [(2, "0.5"), (6, "nan")]
