"""What was logged with a version, on its page: tables, pictures, plotly figures."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Sequence

from meristem.datasets.version_facts import Logged

_ROWS_SHOWN = 50
_PICTURES = {"png": "image/png", "jpeg": "image/jpeg", "jpg": "image/jpeg", "gif": "image/gif", "svg": "image/svg+xml"}


def render_logged(logged: Sequence[Logged], plotly_js: Callable[[], str]) -> str:
    """A fragment of HTML; pictures lie in it.

    Args:
        plotly_js: Gives Plotly's JavaScript; called only where there is a figure for it.
    """
    parts = [_one(number, one) for number, one in enumerate(logged)]
    script = f"<script>{plotly_js()}</script>" if any(one.kind == "plotly" for one in logged) else ""
    return script + "".join(parts)


def _one(number: int, one: Logged) -> str:
    title = f"<h3>{html.escape(one.title)} <small>{html.escape(one.series)}</small></h3>"
    if one.kind in _PICTURES:  # as an image, SVG runs no script
        encoded = base64.b64encode(one.content).decode()
        source = f"data:{_PICTURES[one.kind]};base64,{encoded}"
        return f'{title}<img style="max-width:100%" alt="{html.escape(one.title)}" src="{source}">'
    try:
        found = json.loads(one.content)
        if one.kind == "table":
            return title + _table(found)
        if one.kind == "plotly":
            return title + _figure(number, found)
    except (ValueError, KeyError, TypeError):
        pass
    return f'{title}<p class="none">It cannot be shown ({html.escape(one.kind)}, {len(one.content):,} bytes).</p>'


def _table(found: dict[str, object]) -> str:
    columns, rows, count = found["columns"], found["rows"], found["row_count"]
    if not isinstance(columns, list) or not isinstance(rows, list) or not isinstance(count, int):
        raise TypeError("no table")
    head = "".join(f"<th>{html.escape(str(column))}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows[:_ROWS_SHOWN]
    )
    more = f'<p class="more">and {count - _ROWS_SHOWN:,} more rows</p>' if count > _ROWS_SHOWN else ""
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}'


def _figure(number: int, found: dict[str, object]) -> str:
    data, layout = (_script_safe(found.get(name) or empty) for name, empty in (("data", []), ("layout", {})))
    return (
        f'<div id="logged-{number}" style="height:28rem"></div>'
        f'<script>Plotly.newPlot("logged-{number}", {data}, {layout}, {{"responsive": true}})</script>'
    )


def _script_safe(value: object) -> str:
    """JSON that cannot end the script in which it stands."""
    return json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
