"""What was logged with a version, on its page: tables, pictures, plotly figures."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from meristem.reports.card import Table
from meristem.reports.shown import figure_of, table_of, text
from meristem.reports.versions.facts import Logged

_ROWS_SHOWN = 50
_HEIGHT = 448  # pixels of a figure that does not say
_PICTURES = {"png": "image/png", "jpeg": "image/jpeg", "jpg": "image/jpeg", "gif": "image/gif", "svg": "image/svg+xml"}


def logged_html(logged: Sequence[Logged]) -> str:
    """A fragment; pictures lie in it, figures are drawn by what stands at the page's end."""
    return "".join(f"<h3>{text(one.title)} <small>{text(one.series)}</small></h3>{_inside(one)}" for one in logged)


def _inside(one: Logged) -> str:
    if one.kind in _PICTURES:  # as an image, SVG runs no script
        encoded = base64.b64encode(one.content).decode()
        return f'<img class="picture" alt="{text(one.title)}" src="data:{_PICTURES[one.kind]};base64,{encoded}">'
    try:
        if one.kind == "table":
            return _table(json.loads(one.content))
        if one.kind == "plotly":
            return _figure(json.loads(one.content, parse_constant=lambda _: None), one.title)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
        pass
    return f'<p class="none">It cannot be shown ({text(one.kind)}, {len(one.content):,} bytes).</p>'


def _table(found: dict[str, Any]) -> str:
    table = Table(columns=list(map(str, found["columns"])), rows=found["rows"], most=_ROWS_SHOWN)
    return table_of(table, count=int(found["row_count"])) or '<p class="none">It has no rows.</p>'


def _figure(found: dict[str, Any], title: str) -> str:
    layout = dict(found.get("layout") or {})
    figure = {"data": found.get("data") or [], "layout": layout}
    return figure_of(figure, height=int(layout.get("height") or _HEIGHT), about=title)
