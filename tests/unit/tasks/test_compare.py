"""In what tasks differ."""

from __future__ import annotations

import json
import math

from meristem.tasks.compare import TaskFacts, compare

FIRST = TaskFacts(
    label="1 digits",
    about={"name": "digits", "status": "completed", "seconds": 2.0},
    source={"commit": "a" * 40, "entry_point": "train.py", "diff": {"blob": "b" * 64}},
    packages={"numpy": "2.2.0", "scipy": "1.15"},
    parameters={"General/lr": 0.1, "General/on": True},
    metrics={"loss/train": {"last": 0.5, "min": 0.5, "max": 2.0}, ":monitor/cpu": {"last": 9.0}},
    artifacts={"artifact model": "c"},
    diff="+one\n+two",
)
SECOND = TaskFacts(
    label="2 digits",
    about={"name": "digits", "status": "completed", "seconds": 3.0},
    source={"commit": "a" * 40, "entry_point": "train.py", "diff": {"blob": "d" * 64}},
    packages={"numpy": "2.3.0"},
    parameters={"General/lr": 0.2, "General/on": 1},
    metrics={"loss/train": {"last": math.nan, "min": 0.5, "max": 2.0}},
    diff="+one\n+three",
)


def test_only_that_in_which_they_differ_is_shown() -> None:
    found = compare([FIRST, SECOND])
    assert {(row.section, row.name): row.values for row in found.rows} == {
        ("task", "seconds"): (2.0, 3.0),
        ("code", "diff"): ("b" * 12, "d" * 12),
        ("packages", "numpy"): ("2.2.0", "2.3.0"),
        ("packages", "scipy"): ("1.15", None),
        ("parameters", "General/lr"): (0.1, 0.2),
        ("parameters", "General/on"): (True, 1),
        ("artifacts", "artifact model"): ("c", None),
        ("metrics", "loss/train (last)"): (0.5, found.section("metrics")[0].values[1]),
    }
    assert "-+two" in found.diffs[0]
    assert "++three" in found.diffs[0]


def test_a_task_differs_in_nothing_from_itself() -> None:
    same = compare([SECOND, SECOND, SECOND])
    assert (same.rows, same.diffs) == ((), ("", ""))
    assert compare([SECOND, SECOND], everything=True).section("packages")[0].differs is False


def test_arguments_that_were_captured_are_no_difference_where_parameters_go_before_them() -> None:
    def called(lr: str, parameters: dict[str, float]) -> TaskFacts:
        return TaskFacts(label=lr, source={"arguments": ["--lr", lr]}, parameters=parameters)

    found = compare([called("1", {"Args/lr": 1.0}), called("2", {"Args/lr": 1.0})])
    assert found.rows == ()
    assert [row.name for row in compare([called("1", {}), called("2", {"General/x": 1.0})]).section("code")] == [
        "arguments"
    ]


def test_of_artifacts_that_differ_the_first_digits_of_their_hashes_are_shown() -> None:
    def kept(model: str) -> TaskFacts:
        same = {"artifact same": "f" * 64, "input_model base": "s3://b/m"}
        return TaskFacts(label=model, artifacts={**same, "artifact model": model * 64})

    found = compare([kept("a"), kept("b")])
    (row,) = found.rows
    assert (row.values, row.shown) == (("a" * 64, "b" * 64), ("a" * 8, "b" * 8))
    assert "  artifact model: aaaaaaaa | bbbbbbbb" in str(found)
    assert compare([kept("a")], everything=True).section("artifacts")[2].shown == ("s3://b/m",)


def test_a_comparison_is_json() -> None:
    given = json.loads(json.dumps(compare([FIRST, SECOND]).to_json()))
    assert given["tasks"] == ["1 digits", "2 digits"]
    assert given["differences"]["parameters"]["General/lr"] == [0.1, 0.2]


def test_a_comparison_can_be_printed() -> None:
    printed = str(compare([FIRST, SECOND]))
    assert printed.startswith("1 digits | 2 digits\ntask:\n  seconds: 2.0 | 3.0\ncode:\n")
    assert "  scipy: 1.15 | -\n" in printed
