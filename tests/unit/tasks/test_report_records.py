"""Records of a spool as parts of a shipment."""

from __future__ import annotations

import pytest

from meristem.statuses import Cause, TaskStatus
from meristem.tasks.hand_run import verdict
from meristem.tasks.report_lines import Faults
from meristem.tasks.report_records import Ended, Harvest, Remote


def keep(file: str) -> tuple[str, int]:
    if "gone" in file:
        raise ValueError(f"the file {file!r} is not there")
    return f"blob of {file}", 3


def harvest(*records: dict[str, object]) -> tuple[Harvest, Faults]:
    found, faults = Harvest(), Faults()
    for record in records:
        found.take(record, keep, faults)
    return found, faults


def test_files_become_blobs() -> None:
    found, faults = harvest(
        {
            "meristem": "plot", "title": "roc", "series": "val", "step": 2, "format": "png", "file": "files/p", "at": 1,
            "vector": {"file": "files/v", "bytes": 3},
        },
        {"meristem": "text", "title": "note", "text": "hello"},
        {"meristem": "artifact", "name": "w", "role": "output_model", "url": "s3://b/w", "metadata": {"a": 1}},
        {"meristem": "source", "values": {"commit": "c", "diff": {"file": "files/d"}, "x": {"y": {"file": "gone"}}}},
    )  # fmt: skip
    [plot, text] = found.reports
    assert (plot.blob, plot.size_bytes, plot.step, plot.at) == ("blob of files/p", 3, 2, 1.0)
    assert plot.vector == "blob of files/v"
    assert (text.text, text.series, text.format) == ("hello", "note", "text")
    [model] = found.artifacts
    assert (model.role, model.url, model.blob, model.metadata) == ("output_model", "s3://b/w", None, {"a": 1})
    assert found.source == {"commit": "c", "diff": {"blob": "blob of files/d", "bytes": 3}, "x": {}}
    assert faults.count == 0


def test_the_last_word_counts() -> None:
    found, _ = harvest(
        {"meristem": "tags", "add": ["a", "b"]},
        {"meristem": "tags", "remove": ["a"], "add": []},
        {"meristem": "comment", "text": "one"},
        {"meristem": "comment", "text": "two"},
        {"meristem": "progress", "value": 7},
        {"meristem": "result", "value": None},
        {"meristem": "parameters", "values": {"General/a": 1}},
        {"meristem": "ended", "status": "failed", "message": "m", "at_exit": True, "at": 4.0},
        {"meristem": "enqueue", "queue": "gpu", "priority": 2},
    )
    assert found.tags == {"a": False, "b": True}
    assert (found.comment, found.progress, found.result, found.has_result) == ("two", 1.0, None, True)
    assert found.parameters == {"General/a": 1}
    assert found.ended == Ended(status=TaskStatus.FAILED, message="m", at_exit=True, at=4.0)
    assert found.remote == Remote(queue="gpu", priority=2)


@pytest.mark.parametrize(
    "record",
    [{"meristem": "unheard of"}, {"meristem": ["list"]}, {"meristem": "plot", "title": "t", "file": "gone"},
     {"meristem": "plot", "title": "t"}, {"meristem": "text", "text": "no title"}, {"meristem": "ended"},
     {"meristem": "ended", "status": "running"}, {"meristem": "artifact", "name": "a", "role": "x", "url": "u"},
     {"meristem": "artifact", "name": 3, "url": "u"}, {"meristem": "progress", "value": float("nan")},
     {"meristem": "progress"}, {"meristem": "parameters", "values": [1]}, {"meristem": "tags", "add": 5},
     {"meristem": "plot", "title": "t", "text": "x", "step": 0.5}, {"meristem": "enqueue"}],
)  # fmt: skip
def test_a_record_that_cannot_be_understood_is_a_fault_and_no_more(record: dict[str, object]) -> None:
    found, faults = harvest(record, {"meristem": "comment", "text": "after"})
    assert faults.count == 1
    assert found == Harvest(comment="after")


DONE, LATE = Ended(status=TaskStatus.COMPLETED), Ended(status=TaskStatus.COMPLETED, at_exit=True)
BAD, STOPPED = Ended(status=TaskStatus.FAILED, message="m"), Ended(status=TaskStatus.ABORTED, message="Ctrl-C")


@pytest.mark.parametrize(
    ("ended", "exit_status", "abort", "status", "cause", "message"),
    [
        (DONE, None, None, "completed", None, None),
        (DONE, 3, None, "completed", None, None),  # it had closed its task long before
        (LATE, 0, None, "completed", None, None),
        (LATE, 3, None, "failed", Cause.CODE_FAILED, "The script exited with status 3."),
        (LATE, 3, "enough", "aborted", Cause.ABORTED, "enough"),
        (DONE, None, "enough", "completed", None, None),
        (BAD, 1, None, "failed", Cause.CODE_FAILED, "m"),
        (BAD, 1, "enough", "aborted", Cause.ABORTED, "enough"),
        (STOPPED, 1, None, "aborted", Cause.ABORTED, "Ctrl-C"),
        (None, None, None, "failed", Cause.CODE_FAILED, "The process ended without a word: it was killed."),
        (None, None, "enough", "aborted", Cause.ABORTED, "enough"),
        (None, 0, None, "completed", None, None),
        (None, 7, None, "failed", Cause.CODE_FAILED, "The script exited with status 7."),
    ],
)
def test_how_an_attempt_ended(
    ended: Ended | None, exit_status: int | None, abort: str | None, status: str, cause: object, message: object
) -> None:
    assert verdict(ended, exit_status, abort) == (status, cause, message)
