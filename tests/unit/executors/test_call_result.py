"""What a training function returns or raises becomes a score or an error in one line."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.errors import StopTrial
from meristem.executors.call_result import failure_of, run_function, score_of, storable

finite = st.floats(allow_nan=False) | st.integers() | st.booleans() | st.none() | st.text()
json_values = st.recursive(finite, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=9)


def ending_of(act):
    return run_function(lambda trial: act(), None)


def raising(error):
    def act():
        raise error

    return act


@given(json_values.filter(lambda value: value is not None and not isinstance(value, str)))
def test_what_json_holds_passes_unchanged(value):
    assert score_of(value) == value


@pytest.mark.parametrize(
    ("returned", "score"),
    [
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.array(0.25), 0.25),
        (Decimal("0.5"), 0.5),
        ({"accuracy": np.float32(0.5), "n": 3}, {"accuracy": 0.5, "n": 3}),
        ((1, np.float64(2.0)), [1, 2.0]),
    ],
)
def test_scalars_of_other_libraries_become_plain_numbers(returned, score):
    found = score_of(returned)
    assert found == score
    assert type(found) is type(score)


def test_numpy_floats_lose_their_type_although_they_are_floats():
    assert type(score_of({"a": np.float64(1.0)})["a"]) is float


def test_nan_passes_because_the_engine_decides_about_it():
    assert math.isnan(score_of(float("nan")))
    assert math.isnan(score_of({"a": np.float32("nan")})["a"])


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "The function returned None; return a number or a dict of metrics"),
        ("abc", r"returned 'abc' \(str\); return a number or a dict of metrics"),
        (b"abc", r"\(bytes\)"),
        (object(), "returned a object that cannot be kept"),
        ({"model": object()}, "is a object, which JSON cannot hold"),
        ({1: 2.0}, "the key 1 is not text"),
        (np.array([1.0, 2.0]), r"numpy\.ndarray"),
        ({"a": {1, 2}}, "is a set"),
        ("\ud800", "str"),
        ({"a": "\ud800"}, "surrogates"),
    ],
)
def test_what_is_no_score_fails_and_says_what_came_and_what_is_expected(returned, said):
    with pytest.raises(ValueError, match=said):
        score_of(returned)
    status, score, error, _ = ending_of(lambda: returned)
    assert (status, score) == ("failed", None)
    assert "accuracy" in error
    error.encode()


def test_an_object_that_contains_itself_fails():
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="contains itself"):
        score_of(loop)


def test_an_object_that_raises_when_looked_at_fails():
    class Hostile:
        def __repr__(self):
            raise KeyError("no")

    assert ending_of(Hostile)[0] == "failed"
    assert ending_of(lambda: {"a": Hostile()})[0] == "failed"


def test_stop_trial_ends_it_as_stopped():
    assert ending_of(raising(StopTrial("now"))) == ("stopped", None, None, None)


@pytest.mark.parametrize("error", [ValueError("ungültig ✗"), SystemExit(3), KeyboardInterrupt(), MemoryError()])
def test_any_other_exception_is_a_failure_of_one_line(error):
    status, _, line, details = ending_of(raising(error))
    assert status == "failed"
    assert line.startswith(type(error).__name__)
    assert "\n" not in line
    assert details.strip().splitlines()[-1].startswith(type(error).__name__)


def test_the_traceback_begins_in_the_users_code():
    details = ending_of(raising(ValueError("x")))[3]
    assert "executors/call_result.py" not in details.replace("test_ending", "")
    assert "raise error" in details


def test_long_and_odd_messages_are_cut_and_made_storable():
    _, _, line, details = failure_of(ValueError("a\nb \ud800 \0 " + "x" * 100_000))
    assert line.startswith("ValueError: a b \\ud800 \\x00 xxx")
    assert len(line) <= 500
    assert len(details) <= 20_000


def test_a_message_that_cannot_be_shown_does_not_raise():
    class OddError(Exception):
        def __str__(self):
            raise RuntimeError

    assert failure_of(OddError())[2] == "OddError: (its message cannot be shown)"


@given(st.text(st.characters(codec=None)))
def test_storable_text_has_neither_nul_nor_surrogates(text):
    assert "\0" not in storable(text)
    storable(text).encode()
