"""Hooks wait for a library that is not imported yet, keep quiet, and go without a trace."""

from __future__ import annotations

import argparse
import sys

import click
import pytest

from meristem.errors import InputError
from meristem.tasks.parameters.connecting import Parameters
from meristem.tasks.parameters.hooking import patch, quietly, when_imported
from meristem.tasks.parameters.hooks import install_hooks


@pytest.fixture
def library(tmp_path, monkeypatch) -> str:
    (tmp_path / "late_library.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "late_library"
    sys.modules.pop("late_library", None)


def test_a_hook_is_installed_right_after_its_library_is_imported(library):
    seen: list[int] = []
    finders = list(sys.meta_path)

    def install():
        seen.append(sys.modules[library].value)
        return lambda: seen.append(-1)

    undo = when_imported(library, install)
    assert seen == []
    __import__(library)
    assert seen == [1]
    undo()
    assert (seen, sys.meta_path) == ([1, -1], finders)


def test_a_hook_whose_library_never_comes_is_taken_out(library):
    finders = list(sys.meta_path)
    when_imported(library, lambda: pytest.fail("installed"))()
    assert sys.meta_path == finders
    __import__(library)


def test_an_error_of_a_hook_is_logged_once_and_swallowed(caplog):
    for _ in range(2):
        with quietly("This test's hook"):
            raise KeyError("x")
    assert caplog.text.count("This test's hook does not work here") == 1
    with pytest.raises(InputError), quietly("This test's hook"):
        raise InputError("a value that does not fit")


def test_a_patch_on_top_of_ours_stays():
    class Library:
        @staticmethod
        def call() -> int:
            return 1

    undo = patch(Library, "call", lambda original: lambda: original() + 1)
    assert Library.call() == 2
    Library.call = later = lambda: 5  # type: ignore[method-assign,assignment]
    undo()
    assert Library.call is later


def test_all_hooks_are_installed_and_taken_out_again():
    before = argparse.ArgumentParser.parse_known_args, click.Command.invoke, list(sys.meta_path)
    undo = install_hooks(Parameters({}, False, lambda values: None))
    assert argparse.ArgumentParser.parse_known_args is not before[0]
    assert click.Command.invoke is not before[1]
    undo()
    assert (argparse.ArgumentParser.parse_known_args, click.Command.invoke, sys.meta_path) == before
