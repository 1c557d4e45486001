"""Between Meristem's spaces and Clara's search spaces."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.bundles import read_search
from meristem.clara import FloatRange, SearchResult, SearchSpace
from meristem.clara.translation import Translation
from meristem.errors import InputError, ParameterError
from meristem.space import Choice, Fixed, Float, Int, Space

PLAIN = Space(
    {
        "lr": Float(1e-4, 1.0, log=True),
        "net.depth": Int(2, 10, step=3),
        "kind": Choice(["a", [1, 2], True, 1]),
        "kept": Fixed(7),
        "momentum": Float(0.0, 1.0, step=0.25, when={"kind": "a"}),
    }
)
MMAR = read_search(
    {
        "learning_rate": 1e-3,
        "search": [{"domain": "lr", "type": "float", "args": ["learning_rate"], "targets": [1e-4, 1e-2]}],
        "train": {
            "model": {
                "name": "Net",
                "args": {"channels": [8], "norm": "batch", "act": "elu", "depth": 3, "low": 0.1, "high": 0.1},
                "search": [
                    {"domain": "net", "type": "enum", "args": ["channels"], "targets": [[[16, 32]], [[8]]]},
                    {
                        "domain": "net", "type": "enum", "args": ["norm", "act"],
                        "targets": [["batch", None], [None, "elu"]],
                    },
                    {"domain": "net", "type": "int", "args": ["depth"], "targets": [2, 5]},
                    {"domain": "net", "type": "float", "args": ["low", "high"], "targets": [0.0, 1.0]},
                ],
            }
        },
    }
)  # fmt: skip


def points(space: Space) -> st.SearchStrategy[dict[str, Any]]:
    return st.integers(0, 2**32).map(lambda seed: space.sample(np.random.default_rng(seed)))


def test_parameters_get_prls_that_say_of_what_type_they_are() -> None:
    found = Translation.of_space(PLAIN).search_space.targets
    assert found == {
        "space.float.$0:lr": [FloatRange(1e-4, 1.0)],
        "space.float.$1:net_depth": [FloatRange(2, 10)],
        "space.enum.$2:kind": [["a"], [[1, 2]], [True], [1]],
        "space.float.$4:momentum": [FloatRange(0.0, 1.0)],
    }


def test_prls_stay_what_they_are_but_whole_numbers_are_shown_as_float() -> None:
    found = Translation.of_space(MMAR.space).search_space.targets
    assert found == {
        "lr.float.$0:learning_rate": [FloatRange(1e-4, 1e-2)],
        "net.enum.train.model$0:channels": [[[16, 32]], [[8]]],
        "net.enum.train.model$1:norm,act": [["batch", None], [None, "elu"]],
        "net.float.train.model$2:depth": [FloatRange(2, 5)],
        "net.float.train.model$3:low,high": [FloatRange(0.0, 1.0)],
    }


@pytest.mark.parametrize("name", ["a.b", "lr.float", "lr.enum.x", "x:y,z", "a$1:b"])
def test_names_that_are_no_prls_of_their_type_are_told_apart(name: str) -> None:
    space = Space({name: Choice([1, 2]), "lr.enum.x2": Float(0, 1)})
    for prl in Translation.of_space(space).search_space.targets:
        assert (".enum" in prl) != (".float" in prl)


@given(points(PLAIN))
def test_a_point_comes_back_from_its_positions(point: dict[str, Any]) -> None:
    translation = Translation.of_space(PLAIN)
    back = translation.parameters_of(translation.indices_of(point))
    assert PLAIN.key(back | {"kept": 7}) == PLAIN.key(point)


@given(points(MMAR.space))
def test_training_configurations_are_read_as_they_read_themselves(point: dict[str, Any]) -> None:
    translation = Translation.of_space(MMAR.space)
    shown = {prl.replace(".int.", ".float."): row for prl, row in MMAR.values_of(point).items()}
    assert translation.concrete(point) == shown
    indices = {prl.replace(".int.", ".float."): index for prl, index in MMAR.indices_of(point).items()}
    assert translation.indices_of(point) == indices
    assert MMAR.space.key(translation.parameters_of(indices)) == MMAR.space.key(point)


@given(st.floats(2, 10), st.floats(0, 1))
def test_numbers_are_rounded_to_steps(depth: float, momentum: float) -> None:
    found = Translation.of_space(PLAIN).parameters_of(
        {"space.float.$1:net_depth": depth, "space.float.$4:momentum": momentum}
    )
    assert (found["net.depth"] - 2) % 3 == 0
    assert abs(found["net.depth"] - depth) <= 2 + 1e-9  # from 9.5 on up to 8, the last step
    assert found["momentum"] in (0, 0.25, 0.5, 0.75, 1)
    assert not PLAIN.parameters["net.depth"].refuses(found["net.depth"])


def test_positions_may_be_numpy_s_and_own_names_give_values() -> None:
    translation = Translation.of_space(PLAIN)
    found = translation.parameters_of({"space.enum.$2:kind": np.int64(1), "lr": 0.5})
    assert found == {"kind": [1, 2], "lr": 0.5}
    assert translation.parameters_of({"space.enum.$2:kind": 2.0}) == {"kind": True}


def test_all_that_is_wrong_with_a_result_is_told_at_once() -> None:
    values = {"space.enum.$2:kind": 4, "space.enum.$2:king": 0, "other": 1}
    with pytest.raises(ParameterError) as caught:
        Translation.of_space(PLAIN).parameters_of(values)
    assert [problem.partition(" ")[0] for problem in caught.value.problems] == [
        "space.enum.$2:kind:", "'space.enum.$2:king'", "'other'",
    ]  # fmt: skip
    for bad in (True, "a", -1, 0.5, None):
        with pytest.raises(ParameterError, match="must be the position of a choice, 0 to 3"):
            Translation.of_space(PLAIN).parameters_of({"space.enum.$2:kind": bad})


def test_a_search_space_that_somebody_made_becomes_a_space() -> None:
    given_by_user = SearchSpace()
    given_by_user.targets = {
        "lr.float": [SimpleNamespace(min=0, max=1)],
        "net.enum.a": [[[1, 2]], [[3]]],
        "net.enum.b$0:x,y": [(1, "a"), (2, "b")],
        "flag.enum": [True, False],
    }
    translation = Translation.of_targets(given_by_user)
    assert translation.search_space is given_by_user
    assert translation.space.to_json()["parameters"] == {
        "lr.float": {"float": [0.0, 1.0]},
        "net.enum.a": {"choice": [[1, 2], [3]]},
        "net.enum.b$0:x,y": {"choice": [[1, "a"], [2, "b"]]},
        "flag.enum": {"choice": [True, False]},
    }
    point = translation.parameters_of({"lr.float": 0.5, "net.enum.a": 1, "net.enum.b$0:x,y": 0, "flag.enum": 1})
    translation.space.check(point)
    assert translation.concrete(point) == {
        "lr.float": [0.5], "net.enum.a": [[3]], "net.enum.b$0:x,y": [1, "a"], "flag.enum": [False],
    }  # fmt: skip


def test_any_object_with_targets_is_a_search_space() -> None:
    theirs = SimpleNamespace(targets={"lr.float": [SimpleNamespace(min=0.1, max=1)]})
    assert Translation.of_targets(theirs).space.names == ("lr.float",)


@pytest.mark.parametrize("given_by_user", [None, 5, SearchSpace(), SimpleNamespace(targets=[1])])
def test_what_has_no_targets_is_refused(given_by_user: Any) -> None:
    with pytest.raises(InputError, match="no search space that anything could be chosen from"):
        Translation.of_targets(given_by_user)


def test_all_mistakes_of_a_search_space_are_told_at_once() -> None:
    targets = {
        "lr": [FloatRange(0, 1)], "a.float": [], "b.float": [[0, 1]], "c.enum": "xy", "d.dynamic": [1], "e.float": 3,
    }  # fmt: skip
    with pytest.raises(InputError) as caught:
        Translation.of_targets(SearchSpace(targets))
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [repr(name) for name in targets]


def test_a_search_space_is_the_space_it_stands_for_too() -> None:
    shown = Translation.of_space(PLAIN).search_space
    assert (shown.names, shown.size) == (PLAIN.names, PLAIN.size)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = shown.nothing
    with pytest.raises(AttributeError, match="no attribute 'names'"):
        _ = SearchSpace({"a.float": [FloatRange(0, 1)]}).names


def test_a_result_shows_itself_line_by_line() -> None:
    assert SearchResult(None, {"a.float": 0.5, "b.enum": 1}).dump() == "a.float => 0.5\nb.enum => 1"
