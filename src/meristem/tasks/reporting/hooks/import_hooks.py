"""Calls a function once a module has been imported, without importing it.

Scripts import plotting libraries after the task has begun, or never; both cost nothing here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from meristem.errors import one_line
from meristem.tasks.reporting.append_file import warn

Patch = Callable[[ModuleType], None]


def when_imported(name: str, patch: Patch) -> Callable[[], None]:
    """Calls `patch` with the module `name`: now where it is imported already, else once it is.

    A patch that fails is told of; the import succeeds all the same.

    Returns:
        A function that has it forgotten, where the module was not imported yet.
    """
    loaded = sys.modules.get(name)
    if loaded is not None and not getattr(getattr(loaded, "__spec__", None), "_initializing", False):
        _apply(patch, loaded)
        return lambda: None
    finder = _Finder(name, patch)
    sys.meta_path.insert(0, finder)

    def forget() -> None:
        with suppress(ValueError):
            sys.meta_path.remove(finder)

    return forget


def _apply(patch: Patch, module: ModuleType) -> None:
    try:
        patch(module)
    except Exception as error:  # another version than those that are known
        warn(f"what {module.__name__} does is not captured: {one_line(error)}")


class _Finder:
    """Finds one module as the others would, with a loader that calls the patch afterwards.

    It has the form of importlib.abc.MetaPathFinder, whose import takes 7 ms.
    """

    def __init__(self, name: str, patch: Patch) -> None:
        self._name, self._patch = name, patch
        self._busy = False

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self._name or self._busy:
            return None
        self._busy = True  # the search below comes here again
        try:
            spec = find_spec(name)
        finally:
            self._busy = False
        if spec is None or spec.loader is None:
            return None
        with suppress(ValueError):
            sys.meta_path.remove(self)
        spec.loader = _Loader(spec.loader, self._patch)  # type: ignore[assignment]
        return spec


class _Loader:
    """Loads as `inner` does, and gives the module its own loader back, whose other abilities are asked for later."""

    def __init__(self, inner: Any, patch: Patch) -> None:
        self._inner, self._patch = inner, patch

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._inner.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._inner
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        self._inner.exec_module(module)
        _apply(self._patch, module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
