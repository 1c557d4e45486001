"""A report as one HTML page that needs nothing else: style, tables, figures, Plotly's JavaScript once."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from meristem.reports.card import Card, Figure, Group, Level
from meristem.reports.frame import document
from meristem.reports.shown import cut, drawing, figure_of, table_of, text
from meristem.reports.style import fact

_LEVELS = {Level.WARNING: "Warning", Level.ERROR: "Error", Level.GOOD: "OK"}
_NO_VERDICT = "Note"  # of a check that says neither


def page_of(title: str, head: Sequence[tuple[str, Any]], cards: Sequence[Card]) -> str:
    """The page.

    Raises:
        InputError: Plotly is not installed.
    """
    body = (
        f"<header><h1>{text(title)}</h1>{_head(head)}</header>\n{_contents(cards) if len(cards) > 1 else ''}\n"
        f"<main>{''.join(_group(group, list(found)) for group, found in groupby(cards, key=_group_of))}</main>\n"
        f"{drawing() if any(card.figures for card in cards) else ''}"
    )
    return document(title, body, ["page.css"])


def _head(head: Sequence[tuple[str, Any]]) -> str:
    if not head:
        return ""
    rows = "".join(f"<div><dt>{text(name)}</dt><dd>{cut(fact(value), 240)}</dd></div>" for name, value in head)
    return f"<dl>{rows}</dl>"


def _contents(cards: Sequence[Card]) -> str:
    parts = []
    for group, found in groupby(cards, key=_group_of):
        links = "".join(f'<li><a href="#{_id(card)}">{cut(card.title, 40)}</a>{_badge(card)}</li>' for card in found)
        parts.append(f"<section><h2>{text(group.value)}</h2><ul>{links}</ul></section>")
    hint = '<p class="hint">Figures tell values on hovering; drag to zoom, double-click to go back.</p>'
    return f'<nav aria-label="Contents">{"".join(parts)}{hint if any(c.figures for c in cards) else ""}</nav>'


def _group(group: Group, cards: Sequence[Card]) -> str:
    return f'<section class="group"><h2>{text(group.value)}</h2>{"".join(map(_card, cards))}</section>'


def _card(card: Card) -> str:
    note = f'<p class="note">{text(card.note)}</p>' if card.note else ""
    figures = "".join(_figure(card, figure) for figure in card.figures)
    grid = f'<div class="figures{" several" if len(card.figures) > 1 else ""}">{figures}</div>' if figures else ""
    title = f"<h3>{cut(card.title, 80)}{_badge(card)}</h3>"
    reading = f"<details><summary>How to read this</summary><p>{text(card.explanation)}</p></details>"
    inside = title + note + grid + table_of(card.table, elsewhere="all are in the JSON form") + reading
    return f'<article id="{_id(card)}" class="{card.level.value}">{inside}</article>'


def _figure(card: Card, figure: Figure) -> str:
    layout = figure["layout"]
    width = int(layout.get("meta", {}).get("width", 0))
    return figure_of(figure, height=int(layout["height"]), about=card.title, least_width=width)


def _group_of(card: Card) -> Group:
    return card.group


def _badge(card: Card) -> str:
    word = _LEVELS.get(card.level, _NO_VERDICT if card.group is Group.HEALTH else "")
    return f' <span class="badge {card.level.value}">{word}</span>' if word else ""


def _id(card: Card) -> str:
    return html.escape(
        "card-" + "".join(c if c.isalnum() and c.isascii() else f"-{ord(c):x}-" for c in card.name), quote=True
    )
