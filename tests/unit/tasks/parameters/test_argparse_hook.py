"""argparse is followed without a change to the script, and is left as it was."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator

import pytest
from tests.unit.tasks.parameters.parsers import training_parser

from meristem.errors import InputError
from meristem.tasks.parameters import argparse_hook
from meristem.tasks.parameters.connecting import Parameters

GIVEN = ["--data", "d", "start", "train", "--n", "4", "1", "2"]


@contextlib.contextmanager
def hooked(stored: dict[str, object] | None = None) -> Iterator[dict[str, object]]:
    told: dict[str, object] = {}
    undo = argparse_hook.install(Parameters(stored or {}, stored is not None, told.update))
    try:
        yield told
    finally:
        undo()


def test_what_is_parsed_is_told():
    before = argparse.ArgumentParser.parse_known_args
    with hooked() as told:
        training_parser().parse_args(GIVEN)
    assert told == {
        "Args/lr": 0.1, "Args/data": "d", "Args/pos": "start", "Args/fast": False, "Args/mode": "a",
        "Args/layers": None, "Args/command": "train", "Args/n": 4, "Args/files": ["1", "2"],
    }  # fmt: skip
    assert argparse.ArgumentParser.parse_known_args is before


def test_values_of_the_store_go_before_the_command_line_with_the_types_of_the_arguments():
    with hooked() as told:
        training_parser().parse_args(GIVEN)
    edited = told | {"Args/lr": "0.5", "Args/fast": "true", "Args/layers": ["3", 4], "Args/n": 9, "Args/mode": "b"}
    with hooked(edited) as news:
        args = training_parser().parse_args(GIVEN)
    assert (args.lr, args.fast, args.layers, args.n, args.mode) == (0.5, True, [3, 4], 9, "b")
    assert news == {}


def test_what_is_required_and_stored_need_not_be_on_the_command_line():
    with hooked() as told:
        expected = training_parser().parse_args(GIVEN)
    with hooked(told):
        parser = training_parser()
        before = [(action.nargs, action.required) for action in parser._actions]
        assert parser.parse_args([]) == expected
    assert [(action.nargs, action.required) for action in parser._actions] == before


def test_mistakes_are_listed_at_once():
    with hooked({"Args/lr": "fast", "Args/mode": "c", "Args/n": 1.5}), pytest.raises(InputError) as caught:
        training_parser().parse_args(GIVEN)
    assert len(caught.value.problems) == 3
    assert "Args/mode is 'c'; expected is one of a, b" in caught.value.problems


def test_what_was_parsed_before_is_found_in_the_variables_of_the_script():
    parser = training_parser()
    args = parser.parse_args(GIVEN)
    with hooked({"Args/n": "8", "Args/lr": 1}):
        assert (args.n, args.lr) == (8, 1.0)


@pytest.mark.parametrize("method", ["parse_known_args", "parse_intermixed_args", "parse_known_intermixed_args"])
def test_other_ways_to_parse_are_followed_too(method):
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("rest", nargs="*")
    with hooked({"Args/lr": 0.5}) as told:
        done = getattr(parser, method)(["a", "--lr", "3"])
    assert (done[0] if isinstance(done, tuple) else done).lr == 0.5
    assert told == {"Args/rest": ["a"]}


def test_actions_of_all_kinds_are_typed():
    parser = argparse.ArgumentParser()
    parser.add_argument("-v", action="count", default=0)
    parser.add_argument("--add", action="append", type=int)
    parser.add_argument("--on", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--untyped", default=3)
    parser.add_argument("--const", action="store_const", const=5, default=1)
    parser.add_argument("--own", type=lambda text: text.split("-"), default=["a"])
    parser.set_defaults(run=len)
    stored = {"v": "2", "add": ["1", 2], "on": "false", "untyped": "4", "const": 5, "own": "x-y"}
    with hooked({f"Args/{name}": value for name, value in stored.items()}) as told:
        args = parser.parse_args([])
    assert vars(args) == {
        "v": 2, "add": [1, 2], "on": False, "untyped": 4, "const": 5, "own": ["x", "y"], "run": len,
    }  # fmt: skip
    assert told == {"Args/run": "builtins.len"}


def test_an_error_inside_the_hook_leaves_the_script_alone(caplog):
    class Strange(argparse.Namespace):
        @property
        def __dict__(self):  # type: ignore[override]
            raise RuntimeError("no variables")

    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    with hooked() as told:
        assert parser.parse_args([], Strange()).lr == 0.1
    assert told == {}
    assert "go on without" in caplog.text


def test_parsers_of_libraries_are_passed_over():
    names = {"__name__": "hydra._internal.utils", "parser": training_parser(), "given": GIVEN}
    with hooked() as told:
        exec("args = parser.parse_args(given)", names)
    assert told == {}
