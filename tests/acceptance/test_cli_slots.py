"""`meristem study slots`, beside a study that runs in another process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from meristem.cli.main import main
from meristem.events import Event, EventKind
from meristem.store.rows import Change, TrialRow
from meristem.store.store import Store

FILE = """\
name: tiny
space:
  x: {int: [1, 9]}
objective: accuracy
controller: grid
executor:
  name: command
  args: {command: 'while [ ! -e go-{trial} ]; do sleep 0.05; done; echo {x}', gpus: '0,1:2', cwd: .}
handlers: []
parallel: 2
budget: {trials: 6}
"""

Call = Callable[..., str]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs `meristem study slots` in this process; gives what it printed and expects this exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MERISTEM_STORE", raising=False)

    def call(*words: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["meristem", "study", "slots", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        assert caught.value.code == code, out + err
        assert "Traceback" not in err
        return out + err if code == 0 else err

    return call


@pytest.fixture
def running(call: Call, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A study that runs trials 1 and 2 in its two slots; a trial N goes on until there is a file go-N."""
    (tmp_path / "study.yaml").write_text(FILE)
    engine = subprocess.Popen([sys.executable, "-m", "meristem.cli.main", "run", "study.yaml"], cwd=tmp_path)
    wait_until((tmp_path / "meristem.db").exists)
    store = Store(f"sqlite:///{tmp_path}/meristem.db")
    wait_until(lambda: (row := store.studies.find("tiny")) is not None and row.trials_created == 2)
    yield engine
    for number in range(1, 20):
        (tmp_path / f"go-{number}").touch()
    engine.wait(60)
    store.close()


def slots(call: Call) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(call("tiny", "--json"))["slots"]
    return found


def test_slots_are_listed_suspended_resumed_and_aborted_from_another_terminal(
    running: subprocess.Popen[bytes], call: Call, tmp_path: Path
) -> None:
    assert [line.split()[:4] for line in call("tiny").splitlines()] == [
        ["slot", "gpus", "state", "trial"], ["0", "0,1", "busy", "1"], ["1", "2", "busy", "2"],
    ]  # fmt: skip
    assert call("tiny", "suspend", "1") == "Slot 1 is suspended: it gets no new trials; trial 2 goes on in it.\n"
    assert "was suspended already" in call("tiny", "suspend", "1")
    assert "busy, no new trials" in call("tiny", "list")
    assert "none: it is suspended" in call("tiny", "show", "1")
    assert call("tiny", "abort", "1", "--message", "too hot") == "Asked trial 2 in slot 1 to end.\n"
    wait_until(lambda: slots(call)[1]["state"] == "suspended")
    assert "Nothing runs in slot 1 (suspended)" in call("tiny", "abort", "1", code=1)
    assert json.loads(call("tiny", "resume", "--all", "--json"))["changed"] == [1]
    wait_until(lambda: slots(call)[1]["trial"] == 3)
    [shown] = json.loads(call("tiny", "show", "1", "--json"))["slots"]
    assert (shown["gpus"], shown["running"]["parameters"], shown["ended"]) == (["2"], {"x": 3}, 1)
    assert json.loads(call("tiny", "abort", "--all", "--json")) == {"name": "tiny", "aborted": [1, 3]}
    said = call("tiny", "stop", "good", "enough")
    assert said == "Asked study tiny to stop. Resume it with: meristem study resume tiny\n"
    assert running.wait(30) == 0
    said = call("tiny")
    assert "Study tiny is not running: it is stopped. These are the slots of its last run." in said
    assert "not running: it is stopped" in call("tiny", "suspend", "0", code=1)
    store = Store(f"sqlite:///{tmp_path}/meristem.db")
    study = store.studies.get("tiny")
    assert study.message == "good enough"
    errors = {row.number: row.error for row in store.trials.list_page(study.id, statuses=["abandoned"])}
    assert errors == {1: "aborted by hand", 2: "too hot", 3: "aborted by hand"}
    store.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("spleen show 2", "Study 'spleen' has no slot '2'. Its slots: 0 (W1), 1 (W2)."),
        ("spleen resume W3", "has no slot 'W3'"),
        ("spleen suspnd 1", "There is no action 'suspnd' on slots. Did you mean 'suspend'? Known: list, show,"),
        ("spleen suspend", "suspend needs a slot, such as suspend 0; or --all"),
        ("spleen abort 0 --all", "--all and single slots exclude each other"),
        ("spleen list 0", "a single one is shown by show"),
        ("spleen stop --all", "stop has no --all"),
        ("spleen suspend 0 --message hot", "--message goes with abort, or with stop"),
        ("splen", "Did you mean 'spleen'?"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(workers: None, call: Call, words: str, said: str) -> None:
    assert said in call(*words.split(), code=2)


def test_slots_of_an_mmar_go_by_claras_names_too(
    workers: None, call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [line.split()[:3] for line in call("spleen").splitlines()] == [
        ["slot", "worker", "gpus"], ["0", "W1", "0,1"], ["1", "W2", "2,3"],
    ]  # fmt: skip
    assert call("spleen", "suspend", "W2") == "Slot 1 (W2) is suspended: it gets no new trials.\n"
    assert call("spleen", "resume", "w2", "0") == "Slot 0 (W1) was not suspended.\nSlot 1 (W2) gets trials again.\n"
    call("spleen", "suspend", "--all")
    monkeypatch.setattr(sys, "argv", ["meristem", "study", "show", "spleen"])
    with pytest.raises(SystemExit):
        main()
    assert "suspended slots  0, 1\n" in capsys.readouterr().out
    assert call("spleen", "abort", "w1") == "Asked trial 1 in slot 0 (W1) to end.\n"
    assert "busy, no new trials, aborting" in call("spleen")


@pytest.fixture
def workers(call: Call, tmp_path: Path) -> Iterator[None]:
    """A study of an MMAR's trainings on two workers, of which the first trains."""
    store = Store(f"sqlite:///{tmp_path}/meristem.db")
    definition = {"space": {"parameters": {}}, "objective": "dice", "controller": {"name": "random"}, "seed": 1}
    study = store.studies.ensure("spleen", definition, "created")
    token = store.leases.acquire(study.id, "somebody")
    facts = [{"worker": "W1", "gpus": ["0", "1"]}, {"worker": "W2", "gpus": ["2", "3"]}]
    row = TrialRow(number=1, status="running", parameters={}, slot=0, started_at=5.0)
    store.commits.apply(
        Change(
            study_id=study.id, token=token, new_trials=[row], events=[Event(kind=EventKind.STUDY_STARTED)],
            study={"status": "running", "run": 1, "setup": json.dumps({"slots": facts})},
        )
    )  # fmt: skip
    yield
    store.close()


def wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
