"""click and Typer are followed; what the store has is converted and checked by them."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from meristem.tasks.parameters import click_hook
from meristem.tasks.parameters.connecting import Parameters

click = pytest.importorskip("click", reason="click is not installed")

calls: list[dict[str, Any]] = []


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@click.command()
@click.option("--lr", type=float, default=0.1)
@click.option("--data", required=True, type=click.Path(path_type=Path))
@click.option("--mode", type=click.Choice(["a", "b"]), default="a")
@click.option("--fast/--slow", default=False)
@click.option("-m", multiple=True, type=int)
@click.option("--password", hide_input=True, default="secret")
@click.option("--parts", callback=lambda ctx, param, value: value.split(","), default="q,w")
@click.argument("files", nargs=-1)
def command(**values: Any) -> None:
    calls.append(values)


@click.group()
@click.option("--seed", type=int, default=0)
def group(seed: int) -> None:
    calls.append({"seed": seed})


@group.command()
@click.argument("n", type=int)
def train(n: int) -> None:
    calls.append({"n": n})


typed = typer.Typer()


@typed.command()
def typed_command(lr: float, color: Color = Color.RED, path: Path = Path("x"), sizes: list[int] = [1]) -> None:  # noqa: B006  # Typer's way
    calls.append({"lr": lr, "color": color, "path": path, "sizes": sizes})


@contextlib.contextmanager
def hooked(stored: dict[str, object] | None = None) -> Iterator[dict[str, object]]:
    calls.clear()
    told: dict[str, object] = {}
    undo = click_hook.install(Parameters(stored or {}, stored is not None, told.update))
    try:
        yield told
    finally:
        undo()


def test_options_are_told_without_secrets():
    with hooked() as told:
        command(["--data", "d", "-m", "1", "file"], standalone_mode=False)
    assert told == {
        "Args/lr": 0.1, "Args/data": "d", "Args/mode": "a", "Args/fast": False, "Args/m": [1],
        "Args/parts": ["q", "w"], "Args/files": ["file"],
    }  # fmt: skip


def test_values_of_the_store_go_before_the_command_line():
    stored = {"lr": "0.5", "data": "e", "fast": "true", "m": ["3"], "parts": ["z"], "files": ["x"], "mode": "b"}
    with hooked({f"Args/{name}": value for name, value in stored.items()}) as told:
        command(["--lr", "7"], standalone_mode=False)
    assert calls == [
        {
            "lr": 0.5, "data": Path("e"), "fast": True, "m": (3,), "parts": ["z"], "files": ("x",), "mode": "b",
            "password": "secret",
        }
    ]  # fmt: skip
    assert told == {}


def test_what_does_not_fit_is_refused_by_click():
    with hooked({"Args/mode": "c"}), pytest.raises(click.BadParameter, match="not one of 'a', 'b'"):
        command(["--data", "d"], standalone_mode=False)


def test_commands_of_a_group_have_their_name_before_theirs():
    with hooked() as told:
        group(["--seed", "3", "train", "7"], standalone_mode=False)
    assert told == {"Args/seed": 3, "Args/train/n": 7}
    with hooked(told | {"Args/train/n": 9}):
        group(["train"], standalone_mode=False)
    assert calls == [{"seed": 3}, {"n": 9}]


def test_typer_is_followed_too():
    with hooked() as told:
        typed(["0.1"], standalone_mode=False)
    assert told == {"Args/lr": 0.1, "Args/color": "red", "Args/path": "x", "Args/sizes": [1]}
    with hooked(told | {"Args/lr": 0.5, "Args/color": "blue", "Args/sizes": [3, 4]}):
        typed([], standalone_mode=False)
    assert calls == [{"lr": 0.5, "color": Color.BLUE, "path": Path("x"), "sizes": [3, 4]}]


def test_the_options_of_the_running_command_are_told():
    told: dict[str, object] = {}

    @click.command()
    @click.option("--lr", type=float)
    def running(lr: float) -> None:
        click_hook.install(Parameters({}, False, told.update))()

    running(["--lr", "0.3"], standalone_mode=False)
    assert told == {"Args/lr": 0.3}
