"""The benchmark of datasets: its data, its goals, and its turns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from benchmarks.datasets import aside, contest
from benchmarks.datasets.aside import await_calm
from benchmarks.datasets.contest import Contest
from benchmarks.datasets.floors import FLOORS, TITLES, prepare
from benchmarks.datasets.generating import CHANGES, KINDS, Kind, generate
from benchmarks.datasets.plan import PARTS, Step, verdicts
from benchmarks.datasets.spending import Spent, StepFailed, bytes_below, differing, run
from benchmarks.datasets.tables import judged, table_of
from rich.console import Console

SMALL = Kind(files=100, size=2000, in_folder=20)
STEP = Step(key="first", what="first version", seconds=0.6, dvc_seconds=4.0, stored=0.03, stored_of=1000)
LARGE = Kind(files=2, size=200_000)


def figures(wall: float, stored: float = 0.0) -> dict[str, list[float]]:
    return {"wall": [wall, 9.0, wall], "cpu": [wall] * 3, "memory": [5e6] * 3, "stored": [stored] * 3}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.bin")}


@pytest.mark.parametrize("kind", [SMALL, LARGE, Kind(files=100, size=100, in_folder=20)])
def test_data_are_the_same_every_time_and_as_large_as_they_say(tmp_path: Path, kind: Kind) -> None:
    for name in ("a", "b"):
        generate(tmp_path / name, kind)
    assert differing(tmp_path / "a", tmp_path / "b") == []
    assert bytes_below(tmp_path / "a") == kind.bytes_in_all
    assert len(set(contents(tmp_path / "a").values())) == kind.files


def test_changes_touch_what_they_say(tmp_path: Path) -> None:
    def changed(name: str, kind: Kind) -> dict[str, tuple[bytes, bytes]]:
        folder = tmp_path / name
        generate(folder, kind)
        before = contents(folder)
        CHANGES[name](folder, kind)
        after = contents(folder)
        assert after.keys() == before.keys()
        return {path: (before[path], after[path]) for path in before if before[path] != after[path]}

    rewritten = changed("rewrite_one_in_hundred", SMALL)
    assert [len(after) for _, after in rewritten.values()] == [SMALL.size]
    for before, after in changed("overwrite_middles", LARGE).values():
        at = [place for place in range(LARGE.size) if before[place] != after[place]]
        assert (len(after), at[0] >= LARGE.size // 2, at[-1] < LARGE.size // 2 + 2000) == (LARGE.size, True, True)
    assert [after == b"\0" + before for before, after in changed("insert_at_head", LARGE).values()] == [True]
    assert len(changed("rewrite_one", SMALL)) == 1


def test_a_goal_is_met_by_seconds_or_by_the_ratio_to_dvc_on_a_slow_machine() -> None:
    def met(ours: float, dvc: float | None) -> tuple[bool, bool]:
        verdict = verdicts(STEP, figures(ours), None if dvc is None else figures(dvc))[0]
        return verdict.met, verdict.by_ratio

    assert met(0.5, 1.0) == (True, False)
    assert met(1.2, 8.1) == (True, True)
    assert met(1.2, 7.9) == (False, False)
    assert met(1.2, None) == (False, False)


def test_stored_bytes_and_memory_have_goals_of_their_own() -> None:
    assert [verdict.met for verdict in verdicts(STEP, figures(0.1, stored=30), None)] == [True, True]
    assert [verdict.met for verdict in verdicts(STEP, figures(0.1, stored=31), None)] == [True, False]
    modest = Step(key="x", what="x", memory=4_999_999)
    assert [verdict.met for verdict in verdicts(modest, figures(0.1), None)] == [False]


def test_every_step_of_the_plan_uses_changes_and_floors_that_there_are() -> None:
    steps = [step for part in PARTS.values() for step in part]
    assert {step.change for step in steps} - {""} == CHANGES.keys()
    assert {floor for step in steps for floor in step.floors} == FLOORS.keys() == TITLES.keys()
    assert PARTS.keys() == KINDS.keys()


@pytest.mark.parametrize("name", FLOORS)
def test_floors_read_or_write_all_that_there_is(tmp_path: Path, name: str) -> None:
    origin, scratch = tmp_path / "origin", tmp_path / "scratch"
    generate(origin, SMALL)
    prepare(name, origin, scratch)
    FLOORS[name](origin, [str(path) for path in origin.rglob("*.bin")], scratch)
    if name in ("links", "cp"):
        assert differing(origin, scratch if name == "links" else scratch / "copy") == []
    elif name == "pack":
        assert (scratch / "pack").stat().st_size == SMALL.bytes_in_all


def test_it_waits_for_a_disk_that_makes_files_slowly_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    took = [3e-4, 3e-4, 3e-5]
    told: list[str] = []
    monkeypatch.setattr(aside, "_seconds_a_file", lambda _: took.pop(0))
    monkeypatch.setattr(aside.time, "sleep", lambda _: None)
    assert await_calm(tmp_path, told.append) == 3e-5
    assert len(told) == 2
    monkeypatch.setattr(aside, "_PATIENCE_SECONDS", -1.0)
    took.append(4e-4)
    assert await_calm(tmp_path, told.append) == 4e-4
    assert "too high" in told[-1]


class Copier:
    """Keeps versions as copies of the folder."""

    name = "Meristem, a stand-in"

    def __init__(self, home: Path) -> None:
        self._home, self.data = home, home / "data"

    def begin(self) -> None:
        self._home.joinpath("store").mkdir()

    def stored(self) -> int:
        return bytes_below(self._home / "store")

    def out(self, step: str) -> Path | None:
        return self._home / "out" if step == "copied" else None

    def measure(self, step: str) -> Spent | None:
        if step == "copied":
            newest = max(self._home.joinpath("store").iterdir(), key=lambda path: path.stat().st_mtime_ns)
            self._copy(newest, self._home / "out")
            return Spent(wall=0.1, cpu=0.1, memory=1)
        if step in ("first", "changed"):
            self._copy(self.data, self._home / "store" / step)
            return Spent(wall=0.2, cpu=0.2, memory=1)
        return None

    def _copy(self, source: Path, target: Path) -> None:
        run(["cp", "-r", str(source), str(target)], cwd=self._home, env=os.environ)


class Forgetful(Copier):
    """Leaves out a file, and fails at the second version."""

    name = "DVC"

    def measure(self, step: str) -> Spent | None:
        if step == "changed":
            raise StepFailed("no second version")
        spent = super().measure(step)
        if step == "copied":
            next(self._home.joinpath("out").rglob("*.bin")).unlink()
        return spent


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "small", SMALL)  # type: ignore[arg-type]
    monkeypatch.setattr(contest, "settle_disk", lambda: None)
    monkeypatch.setattr(contest, "run_inner", lambda *_, **__: Spent(wall=0.01, cpu=0.01, memory=1))


STEPS = [
    Step(key="first", what="first", floors=("stat",), seconds=1.0),
    Step(key="sync", what="sync"),
    Step(key="changed", what="changed", change="rewrite_one_in_hundred"),
    Step(key="copied", what="copied"),
]


@pytest.mark.usefixtures("tiny")
def test_rounds_measure_every_step_check_copies_and_leave_data_for_the_next_round(tmp_path: Path) -> None:
    held = Contest("small", tmp_path, [Copier], lambda _: None)
    runs = held.run(STEPS, rounds=2)
    assert held.failures == []
    assert runs["first"][Copier.name]["stored"] == [SMALL.bytes_in_all] * 2
    assert runs["copied"][Copier.name]["wall"] == [0.1, 0.1]
    assert len(runs["first"]["floor: stat all"]["wall"]) == 2
    assert "sync" not in runs
    told: Any = judged(STEPS, runs)
    assert [(one["step"], one["met"]) for one in told] == [("first", True)]
    console = Console(record=True, width=150, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    console.print(table_of("small", STEPS, runs))
    console.file.close()
    assert "≤ 1 s: met" in console.export_text()


@pytest.mark.usefixtures("tiny")
def test_one_that_fails_is_out_of_the_round_and_a_wrong_copy_is_told(tmp_path: Path) -> None:
    held = Contest("small", tmp_path, [Forgetful, Copier], lambda _: None)
    runs = held.run([STEPS[0], STEPS[3], STEPS[2]], rounds=1)
    assert runs["changed"].keys() == {Copier.name}
    wrong, failed = held.failures
    assert (wrong.startswith("DVC: copied: 1 files differ"), failed) == (True, "DVC: no second version")


def test_a_command_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    spent, printed = run(["echo", "hello"], cwd=tmp_path, env=os.environ)
    assert (printed, spent.wall > 0, spent.memory > 0) == ("hello\n", True, True)
    with pytest.raises(StepFailed, match=r"ended with 2.*nowhere"):
        run(["ls", "nowhere"], cwd=tmp_path, env={**os.environ, "LC_ALL": "C"})
