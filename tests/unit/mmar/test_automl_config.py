"""What config_automl.json asks for, and what is wrong with one."""

from __future__ import annotations

from typing import Any

import pytest

from meristem.components import ComponentSpec
from meristem.errors import InputError
from meristem.mmar.automl_config import automl_config_of


def read(config: dict[str, Any], **settings: Any) -> Any:
    return automl_config_of(config, settings, source="config_automl.json")


def test_claras_names_are_ours_and_arguments_go_where_they_are_used() -> None:
    found = read(
        {
            "_comment": {"not": "looked at"},
            "handlers": [
                {"name": "MMARHandler", "args": {
                    "num_mmars_to_keep": 5, "stop_threshold": 0.95, "train_config_file": "{trainconf}",
                    "work_dir": "{workdir}", "key_mmar_content_only": True, "data_list_file_name": "dataset_0.json",
                }},
                {"name": "StatsHandler"}, {"path": "my_module.MyHandler", "unknown": 3},
            ],
            "executor": {"name": "MMARExecutor", "args": {"msg_destination": "file", "remove_search_augs": True}},
            "controller": {"name": "ReinforcementController", "args": {"max_rounds": 20}},
        },
        trainconf="config_other.json",
    )  # fmt: skip
    assert found.controller == ComponentSpec(name="reinforcement", args={"max_rounds": 20})
    assert found.executor is None
    assert found.handlers == (
        ComponentSpec(name="mmar", args={"num_mmars_to_keep": 5, "stop_threshold": 0.95}),
        ComponentSpec(name="stats"),
        ComponentSpec(path="my_module.MyHandler"),
    )
    assert found.jobs == {
        "train_config_file": "config_other.json", "key_mmar_content_only": True,
        "data_list_file_name": "dataset_0.json",
    }  # fmt: skip


def test_an_executor_of_ones_own_is_kept() -> None:
    found = read({"controller": {"name": "auto"}, "executor": {"path": "mine.Executor", "args": {"a": 1}}})
    assert found.executor == ComponentSpec(path="mine.Executor", args={"a": 1})


def test_components_of_claras_own_may_be_named_by_path() -> None:
    path = "nvmidl.apps.automl.components.handlers.mmar_handler.MMARHandler"
    found = read({"controller": {"path": "automl.workflows.TestController", "args": {}}, "handlers": [{"path": path}]})
    assert (found.controller.name, found.handlers[0].name) == ("test", "mmar")


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InputError) as raised:
        read({"handlers": [{"name": "StatsHandler"}, {"args": {}}, 3], "executor": [], "controller": {"args": 7}})
    told = "\n".join(raised.value.problems)
    for place in ("handlers[1]", "handlers[2]", "executor", "controller"):
        assert f"{place}:" in told


@pytest.mark.parametrize("config", [{}, {"handlers": {}}, {"controller": None}])
def test_without_a_controller_there_is_no_search(config: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="controller: is missing"):
        read(config)
