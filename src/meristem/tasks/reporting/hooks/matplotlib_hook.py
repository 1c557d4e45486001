"""Figures that a script shows or saves by matplotlib become plots of the task."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakSet

from meristem.tasks.reporting.hooks.import_hooks import when_imported
from meristem.tasks.reporting.hooks.patching import call_after
from meristem.tasks.reporting.pictures import PLOT_LIMIT_BYTES
from meristem.tasks.reporting.reporter import Reporter

_LIMIT = 2_000  # figures captured of one process: a script may save one a step for days
_PICTURES = {".png", ".svg"}


class MatplotlibHook:
    """Captures `Figure.savefig` (also `pyplot.savefig`) and `pyplot.show`.

    A figure is named by its title, or by the file it was saved to; seen again under that name, it is the next step.
    A picture that was saved as PNG or SVG is taken as it is; others are drawn once more.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._seen: Counter[str] = Counter()
        self._captured: WeakSet[Any] = WeakSet()  # as they are now
        self._inside = False

    def install(self) -> Callable[[], None]:
        """Returns what undoes it."""
        undo: list[Callable[[], None]] = []

        def patch_figure(module: ModuleType) -> None:
            undo.append(call_after(module.Figure, "savefig", self._saved))

        def patch_pyplot(module: ModuleType) -> None:
            undo.append(call_after(module, "show", lambda *args, **named: self._shown(module), first=True))

        undo.append(when_imported("matplotlib.figure", patch_figure))
        undo.append(when_imported("matplotlib.pyplot", patch_pyplot))

        def uninstall() -> None:
            for step in undo:
                step()

        return uninstall

    def _saved(self, figure: Any, target: Any = None, *args: Any, **named: Any) -> None:
        path = Path(os.fspath(target)) if isinstance(target, (str, os.PathLike)) else None
        if path is not None and path.suffix.lower() in _PICTURES and path.is_file():
            if path.stat().st_size <= PLOT_LIMIT_BYTES:
                self._report(figure, path.stem, path)
        else:
            self._report(figure, path.stem if path else "")

    def _shown(self, pyplot: Any) -> None:
        for number in pyplot.get_fignums():
            figure = pyplot.figure(number)
            if figure not in self._captured or figure.stale:
                self._report(figure, f"figure {number}")

    def _report(self, figure: Any, fallback: str, picture: Path | None = None) -> None:
        if self._inside or sum(self._seen.values()) >= _LIMIT:
            return
        self._inside = True
        try:
            title = _title(figure) or fallback or "figure"
            step = self._seen[title]
            self._seen[title] += 1
            self._reporter.report_plot(title, title, figure if picture is None else picture, step)
            self._captured.add(figure)
        finally:
            self._inside = False


def _title(figure: Any) -> str:
    """What stands above it."""
    above = getattr(figure, "_suptitle", None)
    titles = [above.get_text()] if above is not None else [axes.get_title() for axes in figure.axes]
    return next((title.strip().splitlines()[0][:200] for title in titles if title.strip()), "")
