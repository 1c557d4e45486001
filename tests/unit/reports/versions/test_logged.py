"""What was logged with a version, on its page."""

from __future__ import annotations

import json
import re

from meristem.reports.plotly_js import plotly_js
from meristem.reports.versions.facts import Logged, VersionFacts
from meristem.reports.versions.logged import logged_html
from meristem.reports.versions.page import render_page

FACTS = VersionFacts(project="p", name="d", number="1.0.0", id="1", status="final", root="0", entries=0, bytes=0)


def logged(kind: str, content: object) -> Logged:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Logged(title="<b>", series="s", kind=kind, content=data)


def test_tables_and_pictures_are_shown_without_a_script_and_escaped() -> None:
    table = logged("table", {"columns": ["<i>"], "rows": [["<x>"]], "row_count": 1})
    page = render_page(FACTS, logged=[table, logged("png", b"\x89PNG")])
    assert "&lt;x&gt;" in page
    assert "&lt;i&gt;" in page
    assert "data:image/png;base64,iVBORw==" in page
    assert "<b>" not in page
    assert "<script" not in page


def test_a_logged_table_looks_as_the_other_tables_of_the_page() -> None:
    table = logged("table", {"columns": ["name", "n"], "rows": [["a", 12000], ["b", None]], "row_count": 2})
    assert logged_html([table]).endswith(
        '<div class="scroll table"><table><thead><tr><th scope="col">name</th>'
        '<th scope="col" class="number">n</th></tr>'
        '</thead><tbody><tr><td>a</td><td class="number">12,000</td></tr><tr><td>b</td><td></td></tr></tbody></table>'
        "</div>"
    )


def test_of_a_long_table_the_first_rows_are_shown_and_all_counted() -> None:
    kept = [[i] for i in range(100)]  # of a table that has 20,000
    page = logged_html([logged("table", {"columns": ["i"], "rows": kept, "row_count": 20_000})])
    assert page.count("<tr>") == 51
    assert "The first 50 of 20,000 rows." in page
    empty = logged_html([logged("table", {"columns": ["i"], "rows": [], "row_count": 0})])
    assert "It has no rows." in empty


def test_a_figure_brings_plotly_once_and_cannot_end_its_script() -> None:
    figure = logged("plotly", {"data": [{"x": ["</script><script>alert(1)"]}], "layout": {"height": 200}})
    page = render_page(FACTS, logged=[figure, figure])
    assert page.count(plotly_js()) == 1
    page = page.replace(plotly_js(), "")
    assert page.count("<script") == page.count("</script>") == 4
    assert page.count("height:200px") == 2


def test_values_that_json_does_not_know_are_gaps_of_a_figure() -> None:
    figure = logged("plotly", b'{"data": [{"y": [1, NaN, Infinity]}], "layout": {"meta": ["one"]}}')
    (inside,) = re.findall(r'<script type="application/json">(.*?)</script>', logged_html([figure]))
    assert json.loads(inside)["data"] == [{"y": [1, None, None]}]


def test_what_is_broken_or_unknown_is_told_and_hides_nothing_else() -> None:
    broken = [
        logged("table", b"{"),
        logged("table", {"a": 1}),
        logged("table", {"columns": ["a"], "rows": [[1], [2, 3]], "row_count": 2}),
        logged("plotly", b'{"data": [], "layout": {"height": 1e999}}'),
        logged("plotly", b"[]"),
        logged("odd", b"x"),
    ]
    assert logged_html(broken).count("It cannot be shown") == len(broken)
