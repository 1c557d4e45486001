"""Adding beside the work of a labelling tool: whatever ends it, what was given is kept, and what is left is told."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from integration.datasets.conftest import Machine
from meristem.datasets.dataset import Dataset
from meristem.errors import DatasetError, MeristemError, VersionRefused
from meristem.statuses import VersionStatus

_PROGRAM = """
import os, sys, time
from pathlib import Path
from meristem.datasets.dataset import Dataset

draft = Dataset.create("p", "d", store=sys.argv[1])
for i in range(30):
    draft.add_files(Path(sys.argv[2]) / f"f{i}", background=True)
"""


def _files(folder: Path, count: int = 30) -> Path:
    for i in range(count):
        (folder / f"f{i}").write_text(f"label {i}\n" * 100)
    return folder


def _run(machine: Machine, work: Path, *more: str) -> tuple[subprocess.CompletedProcess[str], Dataset]:
    store = machine()
    program = _PROGRAM + "\n".join(more)
    done = subprocess.run(
        [sys.executable, "-c", program, str(store.file), str(_files(work))], capture_output=True, text=True, timeout=90
    )
    return done, Dataset.get(id=1, store=store)


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise RuntimeError('of the tool')"])
def test_a_process_that_ends_keeps_what_was_given_and_tells_of_the_draft(
    machine: Machine, work: Path, end: str
) -> None:
    done, draft = _run(machine, work, end)
    assert draft.status is VersionStatus.DRAFT
    assert len(draft.list_files()) == 30
    assert "Dataset.get(id=1)" in done.stderr
    assert "could not be added" not in done.stderr
    draft.finalize()
    assert draft.verify().is_whole


def test_a_fork_neither_waits_for_what_its_parent_adds_nor_tells_of_it(machine: Machine, work: Path) -> None:
    done, draft = _run(
        machine,
        work,
        "sys.stderr.flush()",
        "child = os.fork()",
        "if child == 0:",
        "    sys.exit(7)",
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))",
        "draft.finalize()",
    )
    assert done.stdout.strip() == "7"
    assert "is not final" not in done.stderr
    assert len(Dataset.get(id=draft.id, store=machine()).list_files()) == 30


def test_one_file_that_cannot_be_added_is_told_and_takes_no_other_with_it(machine: Machine, work: Path) -> None:
    _files(work, 5)
    draft = Dataset.create("p", "d", store=machine())
    gate = threading.Event()
    draft._background._work = _held(draft._background._work, gate)
    for name in ("f0", "lost", "f1", "gone", "f2"):
        draft.add_files(work / name, background=True)
    gate.set()
    with pytest.raises(MeristemError) as told:
        draft.finalize()
    assert "lost" in str(told.value)
    assert any("gone" in note for note in told.value.__notes__)
    assert draft.status is VersionStatus.DRAFT
    assert draft.list_files() == ["f0", "f1", "f2"]
    draft.finalize()
    assert Dataset.get("p", "d", store=machine()).list_files() == ["f0", "f1", "f2"]


def test_what_a_file_failed_of_is_raised_at_the_end_and_the_others_are_there(machine: Machine, work: Path) -> None:
    _files(work, 2)
    draft = Dataset.create("p", "d", store=machine())
    draft.add_files(work / "lost", background=True)
    draft._background._waiting.join()
    draft.add_files(work / "f1", background=True)
    with pytest.raises(MeristemError, match="lost"):
        draft.finalize()
    draft.finalize()
    assert draft.list_files() == ["f1"]


def test_a_block_that_fails_leaves_a_draft_with_all_that_was_given(
    machine: Machine, work: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _files(work)
    draft = Dataset.create("p", "d", store=machine())
    with suppress(ZeroDivisionError), draft:
        for i in range(30):
            draft.add_files(work / f"f{i}", background=True)
        raise ZeroDivisionError
    again = Dataset.get(id=draft.id, store=machine())
    assert again.status is VersionStatus.DRAFT
    assert len(again.list_files()) == 30
    assert f"id={draft.id}" in caplog.text
    with again:
        pass
    assert again.status is VersionStatus.FINAL


def test_many_files_are_added_in_the_background_and_in_front_at_once(machine: Machine, work: Path) -> None:
    _files(work, 60)
    with Dataset.create("p", "d", store=machine()) as draft:
        for i in range(0, 60, 2):
            draft.add_files(work / f"f{i}", background=True)
            draft.add_files(work / f"f{i + 1}")
    assert len(draft.list_files()) == 60
    assert draft.verify().is_whole


def test_two_handles_of_one_draft_lose_nothing_in_silence(machine: Machine, work: Path) -> None:
    _files(work, 3)
    first = Dataset.create("p", "d", store=machine())
    second = Dataset.get(id=first.id, store=machine())
    first.add_files(work / "f0")
    with pytest.raises(DatasetError):  # it is told that another one wrote the draft
        second.add_files(work / "f1")
    third = Dataset.get(id=first.id, store=machine())
    third.add_files(work / "f1")
    with pytest.raises(DatasetError):
        first.finalize()
    third.finalize()
    assert third.list_files() == ["f0", "f1"]
    with pytest.raises(VersionRefused):
        second.add_files(work / "f2")


def test_a_draft_that_was_finalized_or_given_up_elsewhere_takes_nothing_any_more(machine: Machine, work: Path) -> None:
    _files(work, 2)
    for how in ("finalize", "discard"):
        here = Dataset.create("p", how, store=machine())
        here.add_files(work / "f0")
        getattr(Dataset.get(id=here.id, store=machine("two")), how)()
        here.add_files(work / "f1", background=True)
        with pytest.raises(VersionRefused):
            here.finalize()
        with pytest.raises(VersionRefused):
            here.add_files(work / "f1")
        here._background.close()
    assert Dataset.get("p", "finalize", store=machine("two")).list_files() == ["f0"]


def _held(work: object, gate: threading.Event) -> object:
    def held(piece: object) -> None:
        gate.wait(30)
        work(piece)  # type: ignore[operator]

    return held
