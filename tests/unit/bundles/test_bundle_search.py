"""What is searched in MONAI bundles, and the overrides of a trial."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from meristem.bundles import read_bundle_search
from meristem.errors import InputError, ParameterError
from meristem.space import Choice, Float, Int

BUNDLE: dict[str, Any] = {
    "imports": ["$import torch"],
    "learning_rate": 0.001,
    "network_def": {"_target_": "UNet", "channels": [16, 32], "strides": [2], "norm": "batch", "act": "@activation"},
    "activation": "relu",
    "network": "$@network_def.to('cpu')",
    "dice": {"_target_": "DiceLoss", "sigmoid": True},
    "focal": {"_target_": "FocalLoss"},
    "loss": "@dice",
    "optimizer": {"_target_": "torch.optim.Adam", "params": "$@network.parameters()", "lr": "@learning_rate"},
    "train": {
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {"_target_": "RandFlipd", "prob": 0.5, "_disabled_": True},
                {"_target_": "RandShiftd", "prob": 0.5},
            ],
        },
        "trainer": {"_target_": "SupervisedTrainer", "max_epochs": 10, "optimizer": "@optimizer"},
    },
    "validate": {"key_metric": {"val_dice": {"_target_": "MeanDice"}}},
}
FLIP = "train::preprocessing::transforms::1"
SHIFT = "train::preprocessing::transforms::2"


def space_of(*items: dict[str, Any]) -> dict[str, Any]:
    return dict(read_bundle_search(BUNDLE, {"search": list(items)}).space.parameters)


GOOD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a float": (
        {"id": "learning_rate", "type": "float", "targets": [1e-4, 1e-2], "scale": "log"},
        {"learning_rate": Float(1e-4, 1e-2, log=True, default=1e-3)},
    ),
    "a value that refers to another starts where that does": (
        {"id": "optimizer::lr", "type": "float", "targets": [1e-4, 1e-2]},
        {"optimizer::lr": Float(1e-4, 1e-2, default=1e-3)},
    ),
    "# means the same as ::": (
        {"id": "train#trainer#max_epochs", "type": "int", "targets": [5, 20]},
        {"train::trainer::max_epochs": Int(5, 20, default=10)},
    ),
    "choices are the values themselves": (
        {"id": "network_def::norm", "type": "enum", "targets": ["batch", "instance"]},
        {"network_def::norm": Choice(["batch", "instance"], default="batch")},
    ),
    "lists as values": (
        {"id": "network_def::channels", "type": "enum", "targets": [[8, 16], [16, 32]]},
        {"network_def::channels": Choice([[8, 16], [16, 32]], default=[16, 32])},
    ),
    "a list of one as a value": (
        {"id": "network_def::strides", "type": "enum", "targets": [[1], [2]]},
        {"network_def::strides": Choice([[1], [2]], default=[2])},
    ),
    "references as values": (
        {"id": "loss", "type": "enum", "targets": ["@dice", "@focal"]},
        {"loss": Choice(["@dice", "@focal"], default="@dice")},
    ),
    "a reference among values": (
        {"id": "network_def::act", "type": "enum", "targets": ["prelu", "@activation"]},
        {"network_def::act": Choice(["prelu", "@activation"], default="@activation")},
    ),
    "several ids moved together": (
        {"ids": ["network_def::channels", "network_def::norm"], "type": "enum",
         "targets": [[[8, 16], "batch"], [[16, 32], "instance"]]},
        {"network_def::channels,network_def::norm": Choice([[[8, 16], "batch"], [[16, 32], "instance"]])},
    ),
    "several ids get one number": (
        {"ids": [f"{FLIP}::prob", f"{SHIFT}::prob"], "type": "float", "targets": [0, 1]},
        {f"{FLIP}::prob,{SHIFT}::prob": Float(0, 1, default=0.5)},
    ),
    "a switch that is written": (
        {"id": f"{FLIP}::_disabled_", "type": "enum", "targets": [True, False]},
        {f"{FLIP}::_disabled_": Choice([True, False], default=True)},
    ),
    "a switch that is not written": (
        {"id": f"{SHIFT}#_disabled_", "type": "enum", "targets": [True, False]},
        {f"{SHIFT}::_disabled_": Choice([True, False], default=False)},
    ),
    "an item of a list, and a leading @": (
        {"id": "@imports::0", "type": "enum", "targets": ["$import torch", "$import numpy"]},
        {"imports::0": Choice(["$import torch", "$import numpy"], default="$import torch")},
    ),
}  # fmt: skip

AT = "search.json: search[0]"
BAD: dict[str, tuple[Any, list[str]]] = {
    "an id that is not there": (
        {"id": "optimizer::lrr", "type": "float", "targets": [0, 1]},
        [f"{AT}.id: there is no lrr in optimizer. Did you mean 'lr'? If it takes one, write its usual value there"],
    ),
    "a section that is not there": (
        {"id": "trian::trainer", "type": "float", "targets": [0, 1]},
        [f"{AT}.id: there is no trian in the configuration. Did you mean 'train'?"],
    ),
    "a position that is not there": (
        {"id": "train::preprocessing::transforms::3::prob", "type": "float", "targets": [0, 1]},
        [
            f"{AT}.id: train::preprocessing::transforms is [{{'_target_': 'LoadImaged', 'keys': 'image'}}, "
            "{'_target_'..., in which there is no 3"
        ],
    ),
    "an id through a reference": (
        {"id": "train::trainer::optimizer::lr", "type": "float", "targets": [0, 1]},
        [f"{AT}.id: train::trainer::optimizer refers to @optimizer; name the id there: optimizer::lr"],
    ),
    "an id in a plain value": (
        {"id": "learning_rate::x", "type": "float", "targets": [0, 1]},
        [f"{AT}.id: learning_rate is 0.001, in which there is no x"],
    ),
    "no id at all": (
        {"type": "float", "targets": [0, 1]},
        [f"""{AT}: must be {{"id" or "ids", type, targets}}, not {{'type': 'float', 'targets': [0, 1]}}"""],
    ),
    "args instead of ids": (
        {"args": ["lr"]},
        [
            f"""{AT}: must be {{"id" or "ids", type, targets}}, not {{'args': ['lr']}} """
            "(args name arguments only beside their component)"
        ],
    ),
    "both": (
        {"id": "loss", "ids": ["loss"], "type": "float", "targets": [0, 1]},
        [f"{AT}: has both id and ids; give one of them"],
    ),
    "an id that is no text": (
        {"id": 3, "type": "float", "targets": [0, 1]},
        [f"{AT}.id: must be text, not 3 (int)"],
    ),
    "ids that are none": (
        {"ids": [], "type": "float", "targets": [0, 1]},
        [f"{AT}.ids: must be a list of ids, not [] (list)"],
    ),
    "an empty part": (
        {"id": "optimizer::", "type": "float", "targets": [0, 1]},
        [f"{AT}.id: 'optimizer::' is no id such as optimizer::lr (or optimizer#lr)"],
    ),
    "brackets as in rows": (
        {"id": "network_def::norm", "type": "enum", "targets": [["batch"], ["instance"]]},
        [f"{AT}.targets: with id, targets are the values themselves: ['batch', 'instance']"],
    ),
    "brackets as in rows around lists": (
        {"id": "network_def::channels", "type": "enum", "targets": [[[8, 16]], [[16, 32]]]},
        [f"{AT}.targets: with id, targets are the values themselves: [[8, 16], [16, 32]]"],
    ),
    "a switch that is neither on nor off": (
        {"id": f"{FLIP}::_disabled_", "type": "enum", "targets": [0, 1]},
        [f"{AT}.targets: {FLIP}::_disabled_ takes true or false"],
    ),
    "a row that is too short": (
        {"ids": ["network_def::norm", "loss"], "type": "enum", "targets": [["batch"]]},
        [f"{AT}.targets[0]: has 1 value, but needs 2 (network_def::norm, loss)"],
    ),
    "one id twice": (
        {"ids": ["loss", "loss"], "type": "enum", "targets": [["@dice", "@focal"]]},
        [f"{AT}.ids: loss is searched by {AT}, too"],
    ),
}


@pytest.mark.parametrize(("item", "space"), GOOD.values(), ids=GOOD)
def test_an_item_gives_this_space(item: dict[str, Any], space: dict[str, Any]) -> None:
    assert space_of(item) == space


@pytest.mark.parametrize(("item", "problems"), BAD.values(), ids=BAD)
def test_an_item_gives_exactly_these_mistakes(item: dict[str, Any], problems: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        read_bundle_search(BUNDLE, {"search": [item]}, search_source="search.json")
    assert list(caught.value.problems) == problems


def test_the_example_of_the_reference_page_is_read() -> None:
    page = Path(__file__).parents[3].joinpath("docs", "reference", "search-notation.md").read_text(encoding="utf-8")
    example = json.loads(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[-1])
    found = read_bundle_search(BUNDLE, example)
    assert len(found.overrides(found.space.complete({}, middle=True))) == 6


def test_overrides_are_by_id() -> None:
    found = read_bundle_search(
        BUNDLE,
        {
            "search": [
                {"id": "learning_rate", "type": "float", "targets": [1e-4, 1e-2]},
                {"ids": [f"{FLIP}::_disabled_", f"{FLIP}::prob"], "type": "enum",
                 "targets": [[True, 0.5], [False, 0.1]]},
            ]
        },
    )  # fmt: skip
    parameters = found.parameters_of({"learning_rate": 0.005, f"{FLIP}::_disabled_,{FLIP}::prob": 1})
    overrides = {"learning_rate": 0.005, f"{FLIP}::_disabled_": False, f"{FLIP}::prob": 0.1}
    assert found.overrides(parameters) == overrides
    assert not found.needs_own_config
    assert found.defaults == {"learning_rate": 1e-3, f"{FLIP}::_disabled_,{FLIP}::prob": [True, 0.5]}
    assert found.applied(parameters)["train"]["preprocessing"]["transforms"][1]["prob"] == 0.1
    with pytest.raises(ParameterError):
        found.overrides({"learning_rate": 0.005})


def clara_bundle() -> dict[str, Any]:
    """The bundle with Clara's items beside its components."""
    config = copy.deepcopy(BUNDLE)
    transforms = config["train"]["preprocessing"]["transforms"]
    transforms[1]["search"] = [{"type": "float", "args": ["prob#p"], "targets": [0, 1]}]
    transforms[2]["apply"] = {"prob": "p"}
    config["dice"]["apply"] = {"@disabled": "noDice"}
    config["focal"]["search"] = [{"type": "enum", "args": "@disabled", "targets": [[True], [False]]}]
    config["search"] = [
        {"type": "enum", "args": ["@noDice"], "targets": [[True], [False]]},
        {"id": "learning_rate", "type": "float", "targets": [1e-4, 1e-2]},
    ]
    return config


def test_clara_s_items_beside_components_are_read_too() -> None:
    found = read_bundle_search(clara_bundle())
    assert dict(found.space.parameters) == {
        "noDice": Choice([True, False], default=False),
        "focal::@disabled": Choice([True, False], default=False),
        f"{FLIP}::prob": Float(0, 1, default=0.5),
        "learning_rate": Float(1e-4, 1e-2, default=1e-3),
    }
    assert found.needs_own_config
    point = {"noDice": True, "focal::@disabled": False, f"{FLIP}::prob": 0.25, "learning_rate": 1e-3}
    assert found.overrides(point) == {
        "dice::_disabled_": True,
        "focal::_disabled_": False,
        f"{FLIP}::prob": 0.25,
        f"{SHIFT}::prob": 0.25,
        "learning_rate": 1e-3,
    }
    config = found.applied(point)
    assert config["dice"] == {"_target_": "DiceLoss", "sigmoid": True, "_disabled_": True}
    assert config["train"]["preprocessing"]["transforms"][2] == {"_target_": "RandShiftd", "prob": 0.25}
    assert "search" not in config


def test_items_by_id_in_the_configuration_need_no_configuration_of_its_own() -> None:
    search = [{"id": "learning_rate", "type": "float", "targets": [1e-4, 1e-2]}]
    found = read_bundle_search({**BUNDLE, "search": search})
    assert found.space.names == ("learning_rate",)
    assert not found.needs_own_config


def test_an_id_that_is_searched_in_the_configuration_and_in_the_file_is_told() -> None:
    search = {"search": [{"id": f"{SHIFT}::prob", "type": "float", "targets": [0, 1]}]}
    with pytest.raises(InputError, match=f"{SHIFT}::prob is searched by .*apply.prob, too"):
        read_bundle_search(clara_bundle(), search)


def test_an_id_within_another_that_is_searched_is_told() -> None:
    search = {"search": [{"id": "loss", "type": "enum", "targets": ["@dice"]},
                         {"id": "dice", "type": "enum", "targets": [None, "@focal"]},
                         {"id": "dice::sigmoid", "type": "enum", "targets": [True, False]}]}  # fmt: skip
    with pytest.raises(InputError, match=r"dice.sigmoid lies within dice, which is searched by search.json: search"):
        read_bundle_search(BUNDLE, search, search_source="search.json")


@pytest.mark.parametrize("search", [{}, {"search": {}}, {"items": []}, []])
def test_a_file_without_a_list_of_items_is_told(search: Any) -> None:
    with pytest.raises(InputError, match=r"search\.json: must be "):
        read_bundle_search(BUNDLE, search, search_source="search.json")


def test_arguments_of_components_may_be_called_search_or_apply() -> None:
    config = {**BUNDLE, "tuner": {"_target_": "Tuner", "search": "fast", "apply": {"_target_": "Fn"}, "k": 1}}
    config["search"] = {"_target_": "Searcher"}
    found = read_bundle_search(config, {"search": [{"id": "tuner::k", "type": "int", "targets": [1, 3]}]})
    assert not found.needs_own_config
    assert found.applied({"tuner::k": 2}) == {**config, "tuner": {**config["tuner"], "k": 2}}


def test_nothing_is_searched() -> None:
    with pytest.raises(InputError, match="nothing is searched"):
        read_bundle_search(BUNDLE)


def test_an_argument_that_is_not_written_may_be_searched_where_the_class_takes_it() -> None:
    search = {"search": [{"id": "optimizer::weight_decay", "type": "float", "targets": [0, 1]}]}
    found = read_bundle_search(BUNDLE, search, has_argument=lambda component, name: name == "weight_decay")
    assert found.overrides({"optimizer::weight_decay": 0.5}) == {"optimizer::weight_decay": 0.5}
    with pytest.raises(InputError, match="optimizer takes no argument weight_decay"):
        read_bundle_search(BUNDLE, search, has_argument=lambda component, name: False)
