"""How this process was started: the script, module or function that a worker has to start again.

Decides on given values only (`find_entry`); `current_entry` gives it those of this process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

from meristem.errors import InputError


class EntryKind(StrEnum):
    SCRIPT = "script"
    MODULE = "module"
    FUNCTION = "function"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoint:
    """What to start.

    Attributes:
        name: File name of a script, `package.module`, or `package.module:function`.
        path: The file, absolute; None where there is none (`python -c`, a notebook without a file, a built-in).
        arguments: The command line after it.
        text: The code itself where no file holds it, else None.
        notebook: The code comes from a notebook and `path`, where known, is the .ipynb.
    """

    kind: EntryKind
    name: str
    path: Path | None = None
    arguments: tuple[str, ...] = ()
    text: str | None = None
    notebook: bool = False

    @property
    def interactive(self) -> bool:
        """Nothing is known that could be started again."""
        return self.kind is EntryKind.SCRIPT and self.path is None and self.text is None and not self.notebook


def current_entry() -> EntryPoint:
    """The entry point of this process."""
    shell = _notebook_shell()
    if shell is not None:
        path = _notebook_path(getattr(shell, "user_ns", {}))
        name = f"{path.stem}.py" if path else "notebook.py"
        return EntryPoint(kind=EntryKind.SCRIPT, name=name, path=path, notebook=True)
    return find_entry(sys.modules.get("__main__"), sys.argv, sys.orig_argv)


def find_entry(main: ModuleType | None, argv: Sequence[str], orig_argv: Sequence[str]) -> EntryPoint:
    """The entry point of a process with the module `main`.

    Args:
        main: Its `__main__`.
        argv: `sys.argv`, which scripts and libraries may have changed.
        orig_argv: `sys.orig_argv`: the interpreter, its options, and what it was told to run.
    """
    flag, told, rest = _split_command(orig_argv)
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    path = Path(os.path.abspath(file)) if file and not str(file).startswith("<") else None
    module = getattr(spec, "name", None)
    # Those who run a script inside their own process (coverage, runpy of a folder) name its spec __main__.
    if module and module != "__main__":
        name = module.removesuffix(".__main__")
        arguments = rest if flag == "-m" and told == name else tuple(argv[1:])
        return EntryPoint(kind=EntryKind.MODULE, name=name, path=path, arguments=arguments)
    if path is not None:
        same = flag == "" and told is not None and Path(told).name in (path.name, path.parent.name)
        return EntryPoint(kind=EntryKind.SCRIPT, name=path.name, path=path, arguments=rest if same else tuple(argv[1:]))
    if flag == "-c" and told is not None:
        return EntryPoint(kind=EntryKind.SCRIPT, name="command.py", arguments=rest, text=told)
    if getattr(sys, "frozen", False):
        program = Path(sys.executable)
        return EntryPoint(kind=EntryKind.SCRIPT, name=program.name, arguments=tuple(argv[1:]))
    return EntryPoint(kind=EntryKind.SCRIPT, name="interactive.py")


def entry_of_function(function: Callable[..., Any] | str) -> EntryPoint:
    """The entry point that calls `function`, given itself or as `package.module:function`.

    Raises:
        InputError: It cannot be imported by that name: a lambda, one defined inside another, one of a session.
    """
    if isinstance(function, str):
        module, colon, name = function.partition(":")
        if not (colon and _dotted(module) and _dotted(name)):
            raise InputError(f"{function!r} names no function.", fix="Write package.module:function, as for an import.")
        return EntryPoint(kind=EntryKind.FUNCTION, name=function, path=_file_of(module))
    name, module = getattr(function, "__qualname__", ""), getattr(function, "__module__", None) or ""
    if module == "__main__":
        main = find_entry(sys.modules.get("__main__"), sys.argv, sys.orig_argv)
        module = main.name if main.kind is EntryKind.MODULE else main.path.stem if main.path else ""
    if not (_dotted(module) and _dotted(name)):
        raise InputError(
            f"{name or function!r} cannot be imported by its name, so no worker could call it.",
            fix="Move it to the top level of a module that is saved as a file.",
        )
    return EntryPoint(kind=EntryKind.FUNCTION, name=f"{module}:{name}", path=_file_of(module))


def _split_command(orig_argv: Sequence[str]) -> tuple[str, str | None, tuple[str, ...]]:
    """("-m" | "-c" | "", what runs, arguments after it) of a Python command line; ("", None, ()) without one."""
    words = list(orig_argv[1:])
    while words:
        word = words.pop(0)
        if word in ("-m", "-c"):
            return (word, words[0], tuple(words[1:])) if words else ("", None, ())
        if word in ("-W", "-X", "--check-hash-based-pycs"):  # their value is a word of its own
            words = words[1:]
        elif word.startswith("-") and not word.startswith("--") and word[-1] in "mc" and word[1] not in "WX":
            return (f"-{word[-1]}", words[0], tuple(words[1:])) if words else ("", None, ())  # -um train
        elif not word.startswith("-"):
            return "", word, tuple(words)
        elif word == "-":
            return "", None, tuple(words)
    return "", None, ()


def _dotted(name: str) -> bool:
    return bool(name) and all(part.isidentifier() for part in name.split("."))


def _file_of(module: str) -> Path | None:
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if file is None and module.rpartition(".")[2] == _stem(sys.modules.get("__main__")):
        file = getattr(sys.modules["__main__"], "__file__", None)
    return Path(os.path.abspath(file)) if file else None


def _stem(module: ModuleType | None) -> str | None:
    file = getattr(module, "__file__", None)
    return Path(file).stem if file else None


def _notebook_shell() -> Any:
    """The IPython shell where this process is a notebook's kernel or an IPython session, else None."""
    if "IPython" not in sys.modules:
        return None
    shell = getattr(sys.modules["IPython"], "get_ipython", lambda: None)()
    main = sys.modules.get("__main__")
    # `ipython train.py` runs a file: that is a script like any other.
    return None if shell is None or getattr(main, "__file__", None) else shell


def _notebook_path(names: dict[str, Any]) -> Path | None:
    """Where editors say it: VS Code in a variable, Jupyter 2 and newer in the environment."""
    for told in (names.get("__vsc_ipynb_file__"), names.get("__session__"), os.environ.get("JPY_SESSION_NAME")):
        if isinstance(told, str) and told.endswith(".ipynb") and Path(told).is_file():
            return Path(told).absolute()
    return None
