"""What the hooks share: how they keep out of the way, and how they find what was there before them."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from meristem.errors import InputError
from meristem.tasks.capture.imported_files import is_installed

Undo = Callable[[], None]

_log = logging.getLogger("meristem.tasks")
_told: set[str] = set()


@contextmanager
def quietly(what: str) -> Iterator[None]:
    """Errors of a hook are logged, once, and swallowed: the script goes on as without it.

    InputError passes: a value of the store that the code cannot use must not be passed over.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if what not in _told:
            _told.add(what)
            _log.warning("%s does not work here (%s: %s); go on without.", what, type(error).__name__, error)


def patch(holder: Any, name: str, wrapper: Callable[[Any], Any]) -> Undo:
    """Replace the function `holder.name` by `wrapper(original)`; the undo puts it back unless it was replaced again."""
    original = getattr(holder, name)
    patched = wrapper(original)
    setattr(holder, name, patched)

    def undo() -> None:
        if getattr(holder, name, None) is patched:
            setattr(holder, name, original)

    return undo


def called_from(modules: Sequence[str], skip: str) -> bool:
    """Whether the nearest caller outside of this room and of the module `skip` is in one of `modules`."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name != skip and not name.startswith("meristem.tasks.parameters."):
            return any(name == one or name.startswith(f"{one}.") for one in modules)
        frame = frame.f_back
    return False


def living(kind: type) -> list[Any]:
    """Objects of exactly this kind or its children in the variables of the script: what it made before the hooks came.

    Looks into the functions that are running and into the globals of the modules that are nobody's package.
    """
    found: dict[int, Any] = {}
    for names in _variables():
        for value in names:
            if isinstance(value, kind):
                found[id(value)] = value
    return list(found.values())


def _variables() -> Iterator[list[Any]]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not _of_others(frame.f_globals) and not is_installed(Path(frame.f_code.co_filename)):
            yield list(frame.f_locals.values())
        frame = frame.f_back
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        file = names.get("__file__")
        is_main = names.get("__name__") == "__main__"
        if not _of_others(names) and (is_main or (isinstance(file, str) and not is_installed(Path(file)))):
            yield list(names.values())


def _of_others(names: dict[str, Any]) -> bool:
    return str(names.get("__name__", "")).partition(".")[0] == "meristem"


def when_imported(module: str, install: Callable[[], Undo]) -> Undo:
    """Install a hook now where `module` is loaded, else right after the script imports it."""
    undone: list[Undo] = []

    def now() -> None:
        with quietly(f"The hook of {module}"):
            undone.append(install())

    finder = _Watch(module, now)
    if module in sys.modules:
        now()
    else:
        sys.meta_path.insert(0, finder)

    def undo() -> None:
        with suppress(ValueError):
            sys.meta_path.remove(finder)
        while undone:
            undone.pop()()

    return undo


class _Watch(importlib.abc.MetaPathFinder):
    """Finds no module itself: lets the others find one, and calls `then` once it is loaded."""

    def __init__(self, module: str, then: Callable[[], None]) -> None:
        self._module, self._then = module, then

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._module:
            return None
        with suppress(ValueError):
            sys.meta_path.remove(self)
        spec = None
        for finder in list(sys.meta_path):
            look = getattr(finder, "find_spec", None)
            spec = look(fullname, path, target) if look else None
            if spec is not None:
                break
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            self._call_after(spec.loader)
        return spec

    def _call_after(self, loader: Any) -> None:
        run = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            loader.exec_module = run
            run(module)
            self._then()

        with suppress(AttributeError):  # a loader that cannot be changed: without the hook then
            loader.exec_module = exec_module
