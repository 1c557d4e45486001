"""What was logged with a version, on its page."""

from __future__ import annotations

import json

from meristem.datasets.logged_page import render_logged
from meristem.datasets.version_facts import Logged


def logged(kind: str, content: object) -> Logged:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Logged(title="<b>", series="s", kind=kind, content=data)


def refuse() -> str:
    raise AssertionError("no figure needs it")


def test_tables_and_pictures_are_shown_without_a_script_and_escaped():
    table = logged("table", {"columns": ["<i>"], "rows": [["<x>"]], "row_count": 1})
    page = render_logged([table, logged("png", b"\x89PNG")], refuse)
    assert "&lt;x&gt;" in page
    assert "&lt;i&gt;" in page
    assert "data:image/png;base64,iVBORw==" in page
    assert "<b>" not in page
    assert "<script" not in page


def test_a_figure_brings_plotly_once_and_cannot_end_its_script():
    figure = logged("plotly", {"data": [{"x": ["</script><script>alert(1)"]}], "layout": {}})
    page = render_logged([figure, figure], lambda: "PLOTLY")
    assert page.count("PLOTLY") == 1
    assert page.count("</script>") == 3
    assert "logged-0" in page
    assert "logged-1" in page


def test_what_is_broken_or_unknown_is_told_and_hides_nothing_else():
    page = render_logged([logged("table", b"{"), logged("table", {"a": 1}), logged("odd", b"x")], refuse)
    assert page.count("It cannot be shown") == 3
