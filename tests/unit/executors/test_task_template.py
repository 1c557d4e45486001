"""Trials as copies of a template task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.errors import InputError
from meristem.executors.task import TaskExecutor, score_of
from meristem.executors.task_template import Template, name_problems, task_id
from meristem.needs import Needs
from meristem.statuses import TaskStatus
from meristem.store.task_rows import TaskRow
from meristem.study.protocols import Attempt

OF = TaskRow(
    number=5, id="b" * 16, project="digits", name="train", kind="training", status=TaskStatus.COMPLETED,
    tags=("base",), source={"commit": "c0ffee"}, environment={"python": "3.11"},
    parameters={"General/lr": 0.1, "General/seed": 1, "Args/epochs": 3}, needs=Needs(gpus=1), max_attempts=4,
    result=0.9, queue="q", attempt=2,
)  # fmt: skip


def attempt(key: str = "k-1-1", **parameters: Any) -> Attempt:
    return Attempt(study="s", number=12, attempt=1, parameters=parameters, folder=Path("."), slot=0, key=key)


def test_a_trial_is_the_template_with_other_parameters() -> None:
    made = Template(of=OF, names={}, tags=["study"]).task_of(attempt(lr=0.5, epochs=9))
    assert made.parameters == {"General/lr": 0.5, "General/seed": 1, "Args/epochs": 9}
    assert (made.name, made.project, made.parent, made.tags) == ("s #12", "digits", 5, ("base", "study"))
    assert (made.source, made.environment, made.needs, made.max_attempts) == (OF.source, OF.environment, OF.needs, 4)


def test_names_and_fields_that_are_given_count() -> None:
    template = Template(of=OF, names={"lr": "Args/rate"}, project="p", needs=Needs(), max_attempts=1)
    made = template.task_of(attempt(lr=0.5))
    assert (made.parameters["Args/rate"], made.parameters["General/lr"]) == (0.5, 0.1)
    assert (made.project, made.needs, made.max_attempts) == ("p", Needs(), 1)


@given(st.text())
def test_an_attempts_task_has_one_id_that_no_number_is_taken_for(key: str) -> None:
    found = task_id(key)
    assert found == task_id(key)
    assert len(found) == 16
    assert found[0] in "abcdef"
    int(found, 16)


def test_attempts_have_tasks_of_their_own() -> None:
    keys = [f"k-{trial}-{attempt}" for trial in range(100) for attempt in range(3)]
    assert len({task_id(key) for key in keys}) == len(keys)


def test_names_that_the_space_does_not_have_and_names_given_twice_are_told() -> None:
    problems = name_problems({"lrr": "General/lr", "lr": "General/lr"}, ["lr"])
    assert "'lrr', which the space does not have. Did you mean 'lr'?" in problems[0]
    assert problems[1:] == ["'parameters' gives 'General/lr' to both 'lrr' and 'lr'"]


def test_all_arguments_that_cannot_be_used_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        TaskExecutor(
            True, "", parameters={"lr": "lr"}, priority=1.5, needs={"gpu": 1}, max_attempts=0, tags="x", poll_seconds=0
        )  # type: ignore[arg-type]
    told = " ".join(caught.value.problems)
    for name in ("template", "queue", "parameters", "priority", "gpu", "max_attempts", "tags", "poll_seconds"):
        assert repr(name) in told


@pytest.mark.parametrize(
    ("result", "score"),
    [
        (None, {"loss": 0.5}),
        (0.9, 0.9),
        ([0.9, 0.1], [0.9, 0.1]),
        ({"accuracy": 0.9}, {"loss": 0.5, "accuracy": 0.9}),
        ({"accuracy": 0.9, "model": "m.pt", "ok": True}, {"loss": 0.5, "accuracy": 0.9}),
        ({"loss": 0.4}, {"loss": 0.4}),
        ("done", {"loss": 0.5}),
        (True, {"loss": 0.5}),
    ],
)
def test_a_score_is_what_is_a_number_of_the_result_before_the_last_values(result: Any, score: Any) -> None:
    assert score_of(result, {"loss": 0.5}) == score


def test_a_task_without_result_and_scalars_has_no_score() -> None:
    assert score_of(None, {}) is None
