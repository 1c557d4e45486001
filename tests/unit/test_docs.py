"""The reference names all there is, and the README's code runs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer

import meristem
from meristem import errors
from meristem.cli.main import app
from meristem.cli.study_file import BUDGET, SECTIONS
from meristem.components import KINDS, known_names
from meristem.events import DatasetEventKind, EventKind, TaskEventKind
from meristem.statuses import Cause
from meristem.stopping.combined import build_rule
from meristem.stopping.curves import Curves

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def commands(command: click.Command, words: str = "meristem") -> Iterator[tuple[str, click.Command]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
        return
    for name, found in inner.items():
        yield from commands(found, f"{words} {name}")


def options_of(command: click.Command) -> list[str]:
    return [option for parameter in command.params for option in parameter.opts if option.startswith("--")]


COMMANDS = dict(commands(typer.main.get_command(app)))
ERRORS = [
    name
    for name, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, Exception) and found.__module__ == errors.__name__
]


def test_the_command_line_has_commands() -> None:
    assert "meristem run" in COMMANDS
    assert "meristem study trials" in COMMANDS


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_and_its_options_stand_in_the_reference(words: str) -> None:
    lines = [line for line in page("cli.md").splitlines() if f"`{words}" in line]
    assert lines, f"docs/reference/cli.md does not have {words}"
    documented = " ".join(lines)
    missing = [option for option in options_of(COMMANDS[words]) if not re.search(rf"{option}\b", documented)]
    assert not missing, f"docs/reference/cli.md has {words} without {missing}"


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_event_stands_in_the_reference(kind: EventKind) -> None:
    assert f"| `{kind}` |" in page("events.md")


@pytest.mark.parametrize("kind", list(TaskEventKind))
def test_every_event_of_tasks_stands_in_the_reference(kind: TaskEventKind) -> None:
    assert f"| `{kind}` |" in page("events.md")


@pytest.mark.parametrize("kind", list(DatasetEventKind))
def test_every_event_of_datasets_stands_in_the_reference(kind: DatasetEventKind) -> None:
    assert f"| `{kind}` |" in page("events.md")


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_stands_in_the_reference(cause: Cause) -> None:
    assert f"`{cause}`" in page("events.md")


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_stands_in_the_reference(name: str) -> None:
    assert f"`{name}`" in page("errors.md")


def test_the_reference_has_the_exit_codes_that_errors_have() -> None:
    for name, code in re.findall(r"^\| `(\w+)` \|.*\| (\d+) \|$", page("errors.md"), re.MULTILINE):
        assert getattr(errors, name).exit_code == int(code), name


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_of_a_study_file_stands_in_the_reference(section: str) -> None:
    assert f"| `{section}` |" in page("study-file.md")


@pytest.mark.parametrize("limit", BUDGET)
def test_every_limit_of_a_budget_stands_in_the_reference(limit: str) -> None:
    assert f"`{limit}`" in page("study-file.md")


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_component_stands_in_the_reference(kind: str) -> None:
    assert [name for name in known_names(kind) if f"`{name}`" not in page("python.md")] == []


def test_every_public_name_stands_in_the_python_reference() -> None:
    text = page("python.md")
    assert [name for name in meristem.__all__ if not re.search(rf"\.{name}\b", text)] == []


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert [path for path in pages if f": {path}" not in navigation] == []


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_stopping_rules_of_the_guide_are_rules() -> None:
    text = (ROOT / "docs" / "how-to" / "stop-hopeless-trials-early.md").read_text(encoding="utf-8")
    written: dict[str, Any] = {}
    for code in re.findall(r"```python\n(class .*?)```", text, re.DOTALL):
        exec(code, written)
    curves = Curves()
    for trial in range(1, 11):
        for step in range(1, 12):
            curves.report(trial, step, trial / 10)
    assert build_rule(written["TenEpochs"]()).why_stop(curves.curve(9), curves.others(9)) is not None
    rule = build_rule(written["NotAmongTheWorst"]())
    assert rule.why_stop(curves.curve(9), curves.others(9)) == "8 of 9 were better"
    assert rule.why_stop(curves.curve(5), curves.others(5)) is None
