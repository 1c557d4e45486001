"""How a process was started is read off its main module and its command line."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from meristem.errors import InputError
from meristem.tasks.capture.entry import EntryKind, EntryPoint, entry_of_function, find_entry


def main(file: str | None = None, spec: str | None = None) -> ModuleType:
    module = ModuleType("__main__")
    if file:
        module.__file__ = file
    module.__spec__ = ModuleSpec(spec, None) if spec else None
    return module


@pytest.mark.parametrize(
    ("module", "argv", "orig_argv", "expected"),
    [
        (main("/p/train.py"), ["train.py", "--lr"], ["python", "train.py", "--lr"], ("script", "train.py", ["--lr"])),
        (main("/p/t.py"), ["t.py"], ["python", "-u", "-X", "dev", "t.py", "a"], ("script", "t.py", ["a"])),
        (main("/p/a.py"), ["a.py", "x"], ["python", "-Wd", "coverage", "run", "a.py", "x"], ("script", "a.py", ["x"])),
        (main("/p/q/m.py", "q.m"), ["/p/q/m.py", "changed"], ["python", "-m", "q.m", "1"], ("module", "q.m", ["1"])),
        (main("/p/q/__main__.py", "q.__main__"), ["m", "1"], ["python", "-um", "q", "1"], ("module", "q", ["1"])),
        (main("/p/q/__main__.py", "__main__"), ["q", "1"], ["python", "/p/q", "1"], ("script", "__main__.py", ["1"])),
        (main(), ["-c", "1"], ["python", "-c", "print(1)", "1"], ("script", "command.py", ["1"])),
        (main(), [""], ["python"], ("script", "interactive.py", [])),
        (None, ["x"], ["python", "-"], ("script", "interactive.py", [])),
    ],
)  # fmt: skip
def test_the_entry_is_what_python_was_told_to_run(module, argv, orig_argv, expected):
    entry = find_entry(module, argv, orig_argv)
    assert (entry.kind, entry.name, list(entry.arguments)) == expected


def test_the_text_of_a_command_is_kept_and_a_session_has_none():
    assert find_entry(main(), ["-c"], ["python", "-c", "import x"]).text == "import x"
    assert find_entry(main(), [""], ["python"]).interactive


def test_a_function_is_named_as_it_is_imported():
    entry = entry_of_function(find_entry)
    assert (entry.kind, entry.name) == (EntryKind.FUNCTION, "meristem.tasks.capture.entry:find_entry")
    assert entry.path == Path(sys.modules["meristem.tasks.capture.entry"].__file__)
    assert entry_of_function("package.module:Class.method").name == "package.module:Class.method"


def test_a_function_of_the_script_has_the_name_of_its_file(monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", main("/p/train.py"))

    def fit() -> None: ...

    fit.__module__, fit.__qualname__ = "__main__", "fit"
    assert entry_of_function(fit) == EntryPoint(kind=EntryKind.FUNCTION, name="train:fit", path=Path("/p/train.py"))


@pytest.mark.parametrize("function", [lambda: 1, "module", "module:", "a b:c"])
def test_what_cannot_be_imported_is_refused(function):
    with pytest.raises(InputError, match=r"cannot be imported|names no function"):
        entry_of_function(function)
