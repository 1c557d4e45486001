"""What the public face of datasets takes, and how it tells what it cannot take."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meristem.datasets.arguments import RULES, checked
from meristem.datasets.dataset import Dataset
from meristem.errors import InputError

# These check for themselves what they are given, or take anything.
FREE = {"self", "table", "figure", "image", "values", "more", "options", "on_conflict", "seen"}


@checked
def take(*tags: Any, id: Any = None, part: Any = None, files: Any = None, force: Any = False, path: Any = ".") -> Any:
    return tags, id, part, files, force, path


def test_every_argument_of_the_public_face_has_a_rule() -> None:
    methods = {name: found for name, found in inspect.getmembers(Dataset, callable) if not name.startswith("_")}
    assert {"create", "get", "list", "add_files", "get_local_copy", "diff"} <= methods.keys()
    for name, method in methods.items():
        given = inspect.signature(method).parameters.keys() - FREE
        assert given <= RULES.keys(), name
        assert hasattr(method, "__wrapped__") or not given, f"{name} is not checked"


def test_what_is_meant_is_taken() -> None:
    assert take("a", id=np.int64(3), part=np.uint8(1), files="x", force=np.bool_(True)) == (
        ("a",), 3, 1, ["x"], True, ".",
    )  # fmt: skip
    assert take(files=(name for name in ("x", "y")))[3] == ["x", "y"]
    assert take(files=Path("x/y"))[3] == ["x/y"]
    assert take()[3] is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"id": 1.5}, "is no whole number"),
        ({"id": True}, "is no whole number"),
        ({"part": "1"}, "is no whole number"),
        ({"part": np.float32(1)}, "is no whole number"),
        ({"force": "no"}, "neither True nor False"),
        ({"force": None}, "neither True nor False"),
        ({"files": [1]}, "is no path but of type int"),
        ({"files": {"a": 1}}, "is no path but of type dict"),
        ({"files": "\ud800"}, "stand for no bytes"),
        ({"path": b"x"}, "is no path but of type bytes"),
        ({"path": ""}, "'.' is the current folder"),
        ({"path": "a\0b"}, "NUL"),
        ({"path": "é" * 150}, "a name of 300 bytes"),
        ({"path": "a/" * 2100}, "has 4,200 bytes"),
    ],
)
def test_what_cannot_be_taken_is_told_by_its_name(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        take(**given)
    assert next(iter(given)) in str(caught.value)
    assert len(str(caught.value)) < 500


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        take(b"x", None, id="a\0", force=2)
    assert len(caught.value.problems) == 3


def test_what_is_missing_is_told_as_python_does() -> None:
    with pytest.raises(TypeError, match="unexpected"):
        take(nothing=1)
