"""Cards that explain a study, from `meristem.reports`; shown in a notebook, and printed elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from shutil import get_terminal_size
from typing import Any

from meristem.study.study import Study

_NARROWEST = 60


def cards_of(study: Study, analyses: Sequence[Callable[[Study], Any]] | None, *, display: bool) -> list[Any]:
    """The cards of `analyses`, or of all that fit the study."""
    if analyses is not None:
        cards = [analysis(study) for analysis in analyses]
        shown: Sequence[Any] = cards
    else:
        report = study.report()
        cards, shown = list(report.cards), [report]
    if display:
        _show(shown, cards)
    return cards


def _show(shown: Sequence[Any], cards: Sequence[Any]) -> None:
    if _in_notebook():
        for one in shown:
            import_module("IPython.display").display(one)
        return
    from meristem.reports.card import Card  # reports are not imported before one is asked for
    from meristem.reports.text import text_of

    known = [card for card in cards if isinstance(card, Card)]
    text = text_of(known, width=max(_NARROWEST, get_terminal_size((100, 24)).columns))
    # A terminal or pipe of another encoding gets escapes.
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, errors="backslashreplace").decode(encoding))


def _in_notebook() -> bool:
    try:
        shell = import_module("IPython").get_ipython()
    except ImportError:
        return False
    return type(shell).__name__ == "ZMQInteractiveShell"
