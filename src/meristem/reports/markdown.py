"""A report as Markdown: head, notes, explanations and tables, without figures."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from meristem.reports.card import Card, Group, Level, Table
from meristem.reports.cells import texts_of
from meristem.reports.style import fact, plain

_MARKS = {Level.WARNING: "⚠ ", Level.ERROR: "✖ ", Level.GOOD: "✔ "}


def markdown_of(title: str, head: Sequence[tuple[str, Any]], cards: Sequence[Card]) -> str:
    parts = [f"# {_text(title)}", _table(Table(columns=["", ""], rows=[[name, fact(value)] for name, value in head]))]
    for group, members in groupby(cards, key=lambda card: card.group):
        parts.append(f"## {group.value}")
        for card in members:
            parts.append(f"### {_mark(card)}{_text(card.title)}")
            parts += [f"**{_text(card.note)}**"] if card.note else []
            parts.append(_text(card.explanation))
            if card.table is not None and card.table.rows and card.table.most:
                parts.append(_table(card.table))
    return "\n\n".join(parts) + "\n"


def _mark(card: Card) -> str:
    return _MARKS.get(card.level, "ℹ " if card.group is Group.HEALTH else "")


def _table(table: Table) -> str:
    head = [_text(column) for column in table.columns]
    lines = [head, ["---"] * len(head), *(list(map(_text, row)) for row in texts_of(table))]
    left = len(table.rows) - table.most
    rows = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return rows + (f"\n\n… {left} more rows" if left > 0 else "")


def _text(value: Any) -> str:
    """Text that Markdown shows as it is: no HTML, links, emphasis or cells of its own."""
    return re.sub(r"([\\`*\[\]|])", r"\\\1", html.escape(plain(value, 400), quote=False))
