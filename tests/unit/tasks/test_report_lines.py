"""Lines of a spool's report: scalars become curves, the rest records, nonsense faults."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.spool import measurements_of_line
from meristem.store.output_rows import Curve
from meristem.store.tables import NO_STEP
from meristem.tasks.report_lines import Faults, Lines


def read(*lines: str | bytes) -> Lines:
    found = Lines(Faults())
    found.take([line.encode() if isinstance(line, str) else line for line in lines])
    return found


def values(found: Lines) -> dict[tuple[str, str], dict[int, float]]:
    return {(c.title, c.series): dict(zip(c.steps, c.values, strict=True)) for c in found.curves()}


def test_names_are_title_and_series() -> None:
    found = read('{"at": 5.0, "step": 1, "loss/train": 0.5, "acc": 1}', '{"loss/train": 0.25}')
    assert values(found) == {("loss", "train"): {1: 0.5, NO_STEP: 0.25}, ("acc", "acc"): {1: 1.0}}
    assert found.curves()[0].at[0] == 5.0
    assert found.points == 3


def test_of_a_step_that_is_reported_again_the_last_value_counts() -> None:
    [curve] = read('{"step": 1, "a": 1.0}', '{"step": 1, "a": 2.0}').curves()
    assert (list(curve.steps), list(curve.values), curve.count) == ([1], [2.0], 2)


def test_means_with_their_error_are_taken_as_means() -> None:
    assert values(read('{"a": [0.5, 0.1], "b": {"value": 2, "sem": 1}}')) == {
        ("a", "a"): {NO_STEP: 0.5},
        ("b", "b"): {NO_STEP: 2.0},
    }


def test_what_is_not_a_number_is_a_value() -> None:
    found = values(read('{"step": 1, "a": NaN, "b": -Infinity, "c": 1e999}'))
    assert math.isnan(found["a", "a"][1])
    assert (found["b", "b"][1], found["c", "c"][1]) == (-math.inf, math.inf)


@pytest.mark.parametrize(
    "line",
    ["{", "[1]", "7", '{"a": "x"}', '{"a": true}', '{"step": 1.5, "a": 1}', '{"step": 1e30, "a": 1}', '{"": 1}',
     '{"' + "n" * 501 + '": 1}', b"\xff\xfe", b'{"a": 1}' + b" " * (1 << 20), "[" * 100_000, '{"a": 1}, {"b": 2}'],
)  # fmt: skip
def test_a_line_that_is_none_is_a_fault_and_harms_no_other(line: str | bytes) -> None:
    found = read('{"step": 1, "before": 1.0}', line, '{"step": 1, "after": 2.0}')
    assert set(values(found)) == {("before", "before"), ("after", "after")}
    assert found.faults.count == 1


def test_broken_lines_that_make_whole_ones_together_are_faults_both() -> None:
    found = read('{"a": {"value": 1}', '"b": 2}', '{"c": 3}')
    assert set(values(found)) == {("c", "c")}
    assert found.faults.count == 2


def test_records_are_told_from_scalars_and_empty_lines_are_nothing() -> None:
    found = read("", '{"meristem": "comment", "text": "x"}', "  ")
    assert [record["text"] for record in found.records] == ["x"]
    assert found.faults.count == 0


def test_a_training_that_writes_nonsense_for_days_fills_no_memory() -> None:
    found = read(*["nonsense"] * 1000)
    assert (found.faults.count, len(found.faults.kept)) == (1000, 100)


numbers = st.one_of(st.floats(), st.integers(-(10**400), 10**400))
names = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=20)


@given(st.lists(st.tuples(st.one_of(st.none(), st.integers(-(2**63) + 1, 2**63 - 1)), names, numbers), max_size=20))
def test_curves_hold_what_trials_would_read_of_the_same_lines(given: list[tuple[int | None, str, float]]) -> None:
    reserved = ("at", "step", "meristem")
    lines = [json.dumps({"step": step, name: value}) for step, name, value in given if name not in reserved]
    expected: dict[tuple[str, int], float] = {}
    for line in lines:
        for m in measurements_of_line(line):
            expected[m.metric, NO_STEP if m.step is None else m.step] = m.value
    found = {(name_of(curve), step): value for curve in read(*lines).curves() for step, value in zip_of(curve)}
    # "a" and "a/a" are one scalar of tasks: where both are reported, which is last is another question.
    if len({name.partition("/")[0] for name, _ in expected}) == len({name for name, _ in expected}):
        assert found.keys() == expected.keys()
        assert all(same(found[key], expected[key]) for key in found)


def name_of(curve: Curve) -> str:
    return curve.title if curve.title == curve.series else f"{curve.title}/{curve.series}"


def zip_of(curve: Curve) -> list[tuple[int, float]]:
    return list(zip(curve.steps, curve.values, strict=True))


def same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
