"""A report as one HTML page that needs nothing else: style, tables, figures, Plotly's JavaScript once."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from importlib.resources import files
from itertools import groupby
from typing import Any

from meristem.reports.card import Card, Figure, Group, Level, Table
from meristem.reports.cells import is_number, texts_of
from meristem.reports.plotly_js import plotly_js
from meristem.reports.style import fact, number, plain

_LEVELS = {Level.WARNING: "Warning", Level.ERROR: "Error", Level.GOOD: "OK"}
_NO_VERDICT = "Note"  # of a check that says neither
_LONGEST_CELL = 48
_WIDE = 10  # columns; on paper they are set smaller
_RIGHT = ' class="number"'


def page_of(title: str, head: Sequence[tuple[str, Any]], cards: Sequence[Card]) -> str:
    """The page.

    Raises:
        InputError: Plotly is not installed.
    """
    own = files("meristem.reports")
    style, script = (own.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    drawing = f"<script>{plotly_js()}</script>\n<script>{script}</script>" if any(c.figures for c in cards) else ""
    many = len(cards) > 1
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(title)}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{_text(title)}</h1>{_head(head)}</header>
{_contents(cards) if many else ""}
<main>{"".join(_group(group, list(found)) for group, found in groupby(cards, key=lambda card: card.group))}</main>
{drawing}
</body>
</html>
"""


def framed(page: str, *, height: int = 860) -> str:
    """A page inside another, such as a notebook's, apart from its scripts and styles."""
    inner = html.escape(page, quote=True)
    style = f"width:100%;height:{height}px;border:1px solid #d5d8dc;border-radius:6px;background:white"
    return f'<iframe srcdoc="{inner}" style="{style}" sandbox="allow-scripts allow-downloads" loading="lazy"></iframe>'


def _head(head: Sequence[tuple[str, Any]]) -> str:
    if not head:
        return ""
    rows = "".join(f"<div><dt>{_text(name)}</dt><dd>{_cut(fact(value), 240)}</dd></div>" for name, value in head)
    return f"<dl>{rows}</dl>"


def _contents(cards: Sequence[Card]) -> str:
    parts = []
    for group, found in groupby(cards, key=lambda card: card.group):
        links = "".join(f'<li><a href="#{_id(card)}">{_cut(card.title, 40)}</a>{_badge(card)}</li>' for card in found)
        parts.append(f"<section><h2>{_text(group.value)}</h2><ul>{links}</ul></section>")
    hint = '<p class="hint">Figures tell values on hovering; drag to zoom, double-click to go back.</p>'
    return f'<nav aria-label="Contents">{"".join(parts)}{hint if any(c.figures for c in cards) else ""}</nav>'


def _group(group: Group, cards: Sequence[Card]) -> str:
    return f'<section class="group"><h2>{_text(group.value)}</h2>{"".join(map(_card, cards))}</section>'


def _card(card: Card) -> str:
    note = f'<p class="note">{_text(card.note)}</p>' if card.note else ""
    figures = "".join(_figure(card, figure) for figure in card.figures)
    grid = f'<div class="figures{" several" if len(card.figures) > 1 else ""}">{figures}</div>' if figures else ""
    title = f"<h3>{_cut(card.title, 80)}{_badge(card)}</h3>"
    reading = f"<details><summary>How to read this</summary><p>{_text(card.explanation)}</p></details>"
    inside = title + note + grid + _table(card.table) + reading
    return f'<article id="{_id(card)}" class="{card.level.value}">{inside}</article>'


def _figure(card: Card, figure: Figure) -> str:
    # "<" must not stand in a script: "</script>" in a name would end it.
    text = json.dumps(figure, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    height, width = int(figure["layout"]["height"]), int(figure["layout"].get("meta", {}).get("width", 0))
    least = f"min-width:{width}px;" if width else ""
    return (
        f'<div class="scroll"><div class="figure" style="height:{height}px;{least}" role="img" '
        f'aria-label="{_text(card.title)}"><script type="application/json">{text}</script></div></div>'
    )


def _table(table: Table | None) -> str:
    if table is None or not table.rows or not table.most:
        return ""
    shown = table.rows[: table.most]
    numeric = [any(map(is_number, cells)) for cells in zip(*shown, strict=True)]
    head = "".join(
        f'<th scope="col"{_RIGHT if right else ""}>{_cut(column, 34)}</th>'
        for column, right in zip(table.columns, numeric, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(map(_cell, row, texts)) + "</tr>" for row, texts in zip(shown, texts_of(table), strict=True)
    )
    left = len(table.rows) - len(shown)
    more = (
        f'<p class="more">The first {len(shown)} of {len(table.rows):,} rows; all are in the JSON form.</p>'
        if left
        else ""
    )
    wide = ' class="wide"' if len(table.columns) > _WIDE else ""
    inside = f"<table{wide}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll table">{inside}</div>{more}'


def _cell(value: Any, text: str) -> str:
    if not is_number(value):
        return f"<td>{_cut(value, _LONGEST_CELL)}</td>"
    whole = f' title="{value!r}"' if isinstance(value, float) else ""
    return f"<td{_RIGHT}{whole}>{_text(text)}</td>"


def _cut(value: Any, longest: int) -> str:
    """Text that is cut where it is long, whole on hovering."""
    whole = "" if value is None else number(value)
    shown = plain(whole, longest)
    full = plain(value, 2000) if isinstance(value, str) else whole
    return _text(shown) if shown == full else f'<span title="{_text(full)}">{_text(shown)}</span>'


def _badge(card: Card) -> str:
    word = _LEVELS.get(card.level, _NO_VERDICT if card.group is Group.HEALTH else "")
    return f' <span class="badge {card.level.value}">{word}</span>' if word else ""


def _id(card: Card) -> str:
    return html.escape(
        "card-" + "".join(c if c.isalnum() and c.isascii() else f"-{ord(c):x}-" for c in card.name), quote=True
    )


def _text(value: Any) -> str:
    return html.escape(plain(value, 4000), quote=True)
