"""Study files: what they mean, and that every mistake is told with its line."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meristem.cli.located import read_located
from meristem.cli.study_file import StudyFile, check_study_file, read_study_file
from meristem.errors import StudyFileError

GOOD = """\
name: digits
space:
  model: {choice: [mlp, forest]}
  lr: {float: [1e-4, 1], log: true, when: {model: mlp}}
  depth: {int: [1, 8], when: {model: forest}}
constraints: ["depth <= 7"]
objective: -loss
controller: {name: random}
executor:
  name: command
  args:
    command: "python train.py --model {model} --lr {lr}"
handlers: [{name: progress}]
budget: {trials: 50, seconds: 3600}
parallel: 2
seed: 1
retries: 1
gpus: "0:1"
store: runs.db
"""


def write(folder: Path, text: str | bytes, name: str = "study.yaml") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems_of(folder: Path, text: str | bytes, name: str = "study.yaml") -> list[str]:
    """The problems of a file, without the folder."""
    with pytest.raises(StudyFileError) as caught:
        read_study_file(write(folder, text, name))
    return [p.replace(f"{folder}/", "") for p in caught.value.problems or (str(caught.value),)]


def test_a_study_file_means_what_it_says(tmp_path: Path) -> None:
    found = read_study_file(write(tmp_path, GOOD))
    assert (found.name, str(found.goals), found.seed, found.store) == ("digits", "-loss", 1, "runs.db")
    assert found.space.names == ("model", "lr", "depth")
    assert found.space.parameters["lr"].low == 1e-4  # type: ignore[attr-defined]
    assert found.plan.to_json() == {"trials": 50, "seconds": 3600, "parallel": 2, "retries": 1}
    assert found.handlers is not None
    assert [h.label for h in found.handlers] == ["progress"]


def test_a_command_runs_in_the_folder_of_its_study_file_and_keeps_its_gpus(tmp_path: Path) -> None:
    found = read_study_file(write(tmp_path, GOOD))
    assert found.executor.args["cwd"] == str(tmp_path)
    assert found.executor.args["gpus"] == "0:1"
    (tmp_path / "sub").mkdir()
    relative = read_study_file(write(tmp_path, GOOD.replace("args:\n", "args:\n    cwd: sub\n")))
    assert relative.executor.args["cwd"] == str(tmp_path / "sub")


def test_the_same_study_as_json(tmp_path: Path) -> None:
    data = read_located(GOOD, "x").data
    for indent in (None, 2, "\t"):
        found = read_study_file(write(tmp_path, json.dumps(data, indent=indent), "study.json"))
        assert found.space == read_study_file(write(tmp_path, GOOD)).space


def test_five_mistakes_are_told_together_each_with_its_line(tmp_path: Path) -> None:
    text = (
        GOOD.replace("[1e-4, 1]", "[1, 1e-4]")
        .replace("random", "randm")
        .replace("{lr}", "{lrr}")
        .replace("parallel: 2", "paralell: 2")
        .replace("trials: 50", "trials: 0")
    )
    problems = problems_of(tmp_path, text)
    assert [p.split(" ")[0] for p in problems] == [f"study.yaml:{line}:" for line in (4, 8, 12, 14, 15)]
    for problem, said in zip(problems, ("lr", "'random'", "'lr'", "trials=0", "'parallel'"), strict=True):
        assert said in problem


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("name: digits", "name: 5", 1, "cannot be a study's name"),
        ("name: digits", "nme: digits", 1, "Did you mean 'name'?"),
        ("when: {model: mlp}", "when: {modl: mlp}", 4, "Did you mean 'model'?"),
        ("when: {model: mlp}", "when: {model: svm}", 4, "can never hold"),
        ("choice: [mlp, forest]", "choise: [mlp, forest]", 3, "Did you mean 'choice'?"),
        ("depth <= 7", "dept <= 7", 6, "not a parameter"),
        ('["depth <= 7"]', "depth <= 7", 6, "must be a list"),
        ("objective: -loss", "objective: [a, 3]", 7, "objective"),
        ("{name: random}", "{nme: random}", 8, "'name' or 'path' is missing"),
        ("{name: random}", "{name: random, args: {sed: 1}}", 8, "no argument 'sed'"),
        ("{name: random}", "{path: no.such.Thing}", 8, "importing no.such"),
        ("name: command", "name: comand", 9, "Did you mean 'command'?"),
        ("    command:", "    comand:", 12, "no argument 'comand'"),
        ("[{name: progress}]", "progress", 13, "must be a list"),
        ("[{name: progress}]", "[{name: keep_best, args: {keep: 0}}]", 13, "keep=0"),
        ("[{name: progress}]", "[{name: progres}]", 13, "Did you mean 'progress'?"),
        ("trials: 50", "trails: 50", 14, "Did you mean 'trials'?"),
        ("parallel: 2", "parallel: two", 15, "parallel='two'"),
        ("seed: 1", "seed: -1", 16, "seed=-1"),
        ("retries: 1", "name: again", 17, "twice (first in line 1)"),
        ("store: runs.db", "store: [1]", 19, "must be text"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in GOOD
    problems = problems_of(tmp_path, GOOD.replace(old, new, 1))
    assert any(p.startswith(f"study.yaml:{line}: ") and said in p for p in problems), problems


def test_missing_sections_are_all_named(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, "seed: 1\n")
    assert [p.split("'")[1] for p in problems] == ["executor", "name", "objective", "space"]


def test_a_parameter_over_several_lines_is_blamed_in_the_line_of_its_key(tmp_path: Path) -> None:
    text = GOOD.replace("{choice: [mlp, forest]}", "\n    choice: [mlp, forest]\n    when: {lrr: 1}")
    assert any(p.startswith("study.yaml:5: ") and "lrr" in p for p in problems_of(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is empty"),
        (b"# only a comment\n", "is empty"),
        (b"name: [1, 2\nspace: }", "study.yaml:2"),
        (b"name: a\nobjective: \xff\xfe\n", "study.yaml:2: is not UTF-8"),
        (b"just text", "must be sections"),
        (b"[" * 600, "nested"),
        (b"[" * 80 + b"]" * 80, "nested"),
        (b"a: &a [*a]", "nested"),
        (b"name: a\n---\nname: b\n", "is not YAML"),
        (b"? [a, b]\n: 1\n", "a key must be a plain name"),
        (b"name: !!python/object:os.system x\n", "missing"),
        (b"seed: 0x\n", "missing"),
        (b"x" * 10_000_001, "larger than 10 MB"),
    ],
)
def test_what_is_no_study_file_is_told_clearly(tmp_path: Path, text: bytes, said: str) -> None:
    assert said in "\n".join(problems_of(tmp_path, text))


def test_aliases_of_aliases_do_not_fill_the_memory(tmp_path: Path) -> None:
    bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    bomb += "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(9))
    assert "more than 100,000 values" in problems_of(tmp_path, bomb)[0]


def test_broken_json_is_told_with_its_line(tmp_path: Path) -> None:
    assert problems_of(tmp_path, '{\n"name": "a",\n"space" 1}', "study.json")[0].startswith("study.json:3: ")
    assert "stands here twice" in "\n".join(problems_of(tmp_path, '{"name": "a",\n"name": "b"}', "study.json"))


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match="meristem init"):
        read_study_file(tmp_path / "none.yaml")
    with pytest.raises(StudyFileError, match="is a folder"):
        read_study_file(tmp_path)
    with pytest.raises(StudyFileError):
        read_study_file("a\0b")


def read_or_refuse(text: str, *, as_json: bool = False) -> StudyFile | None:
    try:
        return check_study_file(read_located(text, "f", as_json=as_json), Path("f"))
    except StudyFileError:
        return None


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.booleans())
def test_any_text_is_read_or_refused(text: str, as_json: bool) -> None:
    read_or_refuse(text, as_json=as_json)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_any_mutation_of_a_study_file_is_read_or_refused(seed: int, changes: int) -> None:
    rng, text = random.Random(seed), GOOD
    for _ in range(changes):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice([0, 1, 2, 8]))
        text = text[:start] + rng.choice(["", ":", "\n", "  ", "[", "}", "&a", "*a", "1", "é", '"', "-"]) + text[end:]
    read_or_refuse(text)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)
SECTIONS = tuple(line.split(":")[0] for line in GOOD.splitlines() if not line.startswith(" "))


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(SECTIONS), values, max_size=4))
def test_any_values_in_sections_are_taken_or_refused(changed: dict[str, object]) -> None:
    data = {**read_located(GOOD, "x").data, **changed}
    read_or_refuse(json.dumps(data), as_json=True)
    read_or_refuse(json.dumps(data))
