"""Parameters of tasks as they are typed; what is done for several tasks."""

from __future__ import annotations

import pytest
import typer

from meristem.cli.tasks_given import for_each, parameters_given
from meristem.errors import InputError, TaskNotFound
from meristem.statuses import TaskStatus
from meristem.store.task_rows import TaskRow

TASK = TaskRow(
    number=3, id="a" * 16, project="p", name="n", kind="training", status=TaskStatus.CREATED,
    parameters={"General/lr": 0.1, "General/name": "7", "Args/steps": [1, 2], "General/on": True},
)  # fmt: skip


def test_values_take_the_type_that_they_have() -> None:
    given = ["lr=2", "General/name=8", "steps=3,4", "on=no"]
    values, _ = parameters_given(TASK, given)
    assert values == {"General/lr": 2.0, "General/name": "8", "Args/steps": [3, 4], "General/on": False}


def test_what_is_added_is_json_or_text_and_may_hold_an_equals_sign() -> None:
    values, gone = parameters_given(TASK, added=["depth=3", "Model/kind=a=b"], removed=["name"])
    assert values == {"General/depth": 3, "Model/kind": "a=b"}
    assert gone == ["General/name"]


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parameters_given(TASK, ["lrr=1", "lr=fast", "on"], removed=["nme"])
    assert len(caught.value.problems) == 4
    assert "Did you mean 'lr'?" in caught.value.problems[0]
    assert "General/lr is now 0.1" in caught.value.problems[1]


def test_one_tasks_error_stops_none_of_the_others_and_counts_in_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    def work(ref: str) -> str:
        if ref == "2":
            raise TaskNotFound(ref, "the store")
        return ref

    done = for_each(["1", "2", "3", "1"], work)
    assert done.results == ["1", "3"]
    with pytest.raises(typer.Exit) as caught:
        done.print(lambda ref: ref, lambda ref: f"did {ref}", as_json=False)
    out, err = capsys.readouterr()
    assert caught.value.exit_code == 2
    assert (out, err.count("There is no task '2'")) == ("did 1\ndid 3\n", 1)
