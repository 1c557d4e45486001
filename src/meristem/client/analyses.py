"""Cards that explain a study, from `meristem.reports`; shown where there is a notebook to show them in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from meristem.study.study import Study


def cards_of(study: Study, analyses: Sequence[Callable[[Study], Any]] | None, *, display: bool) -> list[Any]:
    """The cards of `analyses`, or of all that fit the study."""
    if analyses is not None:
        return [analysis(study) for analysis in analyses]
    report = study.report()
    if display and _in_notebook():
        import_module("IPython.display").display(report)
    return list(report.cards)


def _in_notebook() -> bool:
    try:
        shell = import_module("IPython").get_ipython()
    except ImportError:
        return False
    return type(shell).__name__ == "ZMQInteractiveShell"
