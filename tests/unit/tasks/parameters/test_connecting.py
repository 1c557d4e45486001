"""By hand the code tells its values; on a worker those of the store take their place."""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass

import pytest

from meristem.errors import InputError
from meristem.tasks.parameters.connecting import Parameters


@dataclass
class Config:
    lr: float = 0.1


def by_hand() -> tuple[Parameters, dict[str, object]]:
    told: dict[str, object] = {}
    return Parameters({}, False, told.update), told


def on_worker(**values: object) -> tuple[Parameters, dict[str, object]]:
    told: dict[str, object] = {}
    return Parameters({name.replace("__", "/"): value for name, value in values.items()}, True, told.update), told


def test_values_are_told_by_hand():
    parameters, told = by_hand()
    holder = {"lr": 0.1, "optimizer": {"name": "adam"}}
    assert parameters.connect(holder) is holder
    assert told == {"General/lr": 0.1, "General/optimizer/name": "adam"} == parameters.values


def test_values_are_replaced_on_a_worker_and_new_ones_told():
    parameters, told = on_worker(General__lr=0.5)
    holder = {"lr": 0.1, "epochs": 3}
    parameters.connect(holder)
    assert (holder, told) == ({"lr": 0.5, "epochs": 3}, {"General/epochs": 3})


def test_sections_are_kept_apart():
    parameters, _ = on_worker(Model__lr=0.5, General__lr=0.9)
    assert parameters.connect({"lr": 0.1}, "Model") == {"lr": 0.5}
    with pytest.raises(InputError, match="section"):
        parameters.connect({}, "a/b")


def test_objects_of_one_section_merge_and_each_gets_its_own():
    parameters, _ = on_worker(General__lr=0.5, General__epochs=9, General__extra=1)
    first, second = {"lr": 0.1}, {"epochs": 3}
    parameters.connect(first)
    parameters.connect(second)
    assert (first, second) == ({"lr": 0.5, "extra": 1}, {"epochs": 9})
    assert parameters.unused() == []


def test_one_name_with_two_values_is_refused():
    parameters, _ = by_hand()
    parameters.connect({"lr": 0.1, "seed": 1})
    parameters.connect({"lr": 0.1})
    with pytest.raises(InputError, match=r"General/lr is 0\.1 in one and 0\.2 in the other"):
        parameters.connect(Config(0.2))


def test_connecting_again_tells_what_has_changed():
    parameters, told = by_hand()
    holder = {"lr": 0.1}
    parameters.connect(holder)
    holder["lr"] = 0.3
    parameters.connect(holder, "General")
    assert told == {"General/lr": 0.3}


def test_a_stored_value_without_a_field_is_warned_of_once(caplog):
    parameters, _ = on_worker(General__lr=0.5, General__lrr=0.7)
    config = Config()
    with caplog.at_level(logging.WARNING, "meristem.tasks"):
        parameters.connect(config)
        parameters.connect(config, "General")
    assert config.lr == 0.5
    assert [record.getMessage() for record in caplog.records] == [
        "General/lrr = 0.7 is in the store, but Config has no such parameter: it is not used."
    ]
    assert parameters.unused() == ["General/lrr"]


def test_a_value_that_does_not_fit_stops_the_script():
    parameters, _ = on_worker(General__lr="fast")
    with pytest.raises(InputError, match="General/lr is 'fast'; expected is a number"):
        parameters.connect(Config())


def test_what_the_code_has_empty_and_the_store_has_filled_is_not_told_as_empty():
    parameters, told = on_worker(General__weights__a=1)
    assert parameters.connect({"weights": {}}) == {"weights": {"a": 1}}
    assert told == {}


def test_a_parser_is_parsed_into_the_section_args(monkeypatch):
    monkeypatch.setattr("sys.argv", ["train.py", "--lr", "0.2"])
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float)
    parameters, told = by_hand()
    args = parameters.connect(parser)
    assert (args.lr, told) == (0.2, {"Args/lr": 0.2})
    assert parameters.connect(args) is args
    assert set(told) == {"Args/lr"}
    parameters, _ = on_worker(Args__lr="0.7")
    assert parameters.connect(parser).lr == 0.7
