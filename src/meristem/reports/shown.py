"""Tables and figures as HTML, alike on all pages; names and values in them are never read as HTML or scripts."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from meristem.reports.card import Table
from meristem.reports.cells import is_number, texts_of
from meristem.reports.plotly_js import plotly_js
from meristem.reports.style import number, plain

_LONGEST_CELL = 48
_WIDE = 10  # columns; on paper they are set smaller
_RIGHT = ' class="number"'


def table_of(table: Table | None, *, elsewhere: str = "", count: int = 0) -> str:
    """The first rows below a header that stays in sight; numbers on the right; "" where there are none.

    Args:
        elsewhere: Where all rows are, said where some are left out.
        count: How many rows there are, where `table` does not hold them all.
    """
    if table is None or not table.rows or not table.most:
        return ""
    shown = table.rows[: table.most]
    numeric = [any(map(is_number, cells)) for cells in zip(*shown, strict=True)]
    head = "".join(
        f'<th scope="col"{_RIGHT if right else ""}>{cut(column, 34)}</th>'
        for column, right in zip(table.columns, numeric, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(map(_cell, row, texts)) + "</tr>" for row, texts in zip(shown, texts_of(table), strict=True)
    )
    count = max(count, len(table.rows))
    told = f"The first {len(shown)} of {count:,} rows{elsewhere and f'; {elsewhere}'}."
    more = f'<p class="more">{text(told)}</p>' if count > len(shown) else ""
    wide = ' class="wide"' if len(table.columns) > _WIDE else ""
    inside = f"<table{wide}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll table">{inside}</div>{more}'


def figure_of(figure: Mapping[str, Any], *, height: int, about: str, least_width: int = 0) -> str:
    """A place where `drawing` draws a figure.

    Args:
        figure: `data` and `layout` in the format of Plotly, plain data without NaN or infinity.
        height: In pixels, as `least_width`.
        about: What it shows, for those who cannot see it.
    """
    # "<" must not stand in a script: "</script>" in a name would end it.
    inside = json.dumps(figure, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    inside = inside.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    least = f"min-width:{least_width}px;" if least_width else ""
    return (
        f'<div class="scroll"><div class="figure" style="height:{height}px;{least}" role="img" '
        f'aria-label="{text(about)}"><script type="application/json">{inside}</script></div></div>'
    )


def drawing() -> str:
    """What draws a page's figures; stands at its end.

    Raises:
        InputError: Plotly is not installed.
    """
    script = files("meristem.reports").joinpath("page.js").read_text(encoding="utf-8")
    return f"<script>{plotly_js()}</script>\n<script>{script}</script>"


def cut(value: Any, longest: int) -> str:
    """Text that is cut where it is long, whole on hovering."""
    whole = "" if value is None else number(value)
    shown = plain(whole, longest)
    full = plain(value, 2000) if isinstance(value, str) else whole
    return text(shown) if shown == full else f'<span title="{text(full)}">{text(shown)}</span>'


def text(value: Any, longest: int = 4000) -> str:
    """One line of text as HTML."""
    return html.escape(plain(value, longest), quote=True)


def _cell(value: Any, shown: str) -> str:
    if not is_number(value):
        return f"<td>{cut(value, _LONGEST_CELL)}</td>"
    whole = f' title="{value!r}"' if isinstance(value, float) else ""
    return f"<td{_RIGHT}{whole}>{text(shown)}</td>"
