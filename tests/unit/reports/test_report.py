"""The report as a whole: nothing keeps it from being made, its numbers are the API's, its pages are safe."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from meristem.errors import InputError
from meristem.reports import catalogue
from meristem.reports.analysis import analysis
from meristem.reports.card import Card, Finding, Group, Level
from meristem.reports.page import page_of
from meristem.reports.plotly_js import plotly_js
from meristem.reports.report import report_of, written

NAMES = [
    "mixed", "one", "same", "two", "two without thresholds", "none", "nothing to choose", "failed", "curved", "hostile",
    "wide",
]  # fmt: skip


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def cells(card: Card) -> dict[Any, Any]:
    """First cells of the rows to their second."""
    assert card.table is not None
    return {row[0]: row[1] for row in card.table.rows}


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_study_has_a_report_without_a_failed_analysis(made: Any, name: str) -> None:
    report = made.report(name)
    assert [card.note for card in report.cards if "This analysis failed" in card.note] == []
    assert len({card.name for card in report.cards}) == len(report.cards)
    assert {card.group for card in report.cards} == set(Group)
    assert all(card.note or card.table or card.figures for card in report.cards)
    assert all(card.explanation.endswith(".") and len(card.explanation) > 60 for card in report.cards)


@pytest.mark.parametrize("name", NAMES)
def test_a_report_is_strict_json_and_markdown(made: Any, name: str) -> None:
    report = made.report(name)
    data = json.loads(report.json(), parse_constant=pytest.fail)
    assert [card["name"] for card in data["cards"]] == [card.name for card in report.cards]
    assert report.markdown().count("\n### ") == len(report.cards)


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_rectangular_and_drawn_values_finite(made: Any, name: str) -> None:
    for card in made.report(name).cards:
        if card.table is not None:
            assert {len(row) for row in card.table.rows} <= {len(card.table.columns)}, card.name
        json.dumps(list(card.figures), allow_nan=False)
        for figure in card.figures:
            assert figure["layout"]["height"] >= 100
            assert figure["data"]


@pytest.mark.parametrize("name", ["mixed", "two", "curved"])
def test_plotly_takes_every_figure(made: Any, name: str) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    for card in made.report(name).cards:
        for figure in card.figures:
            graph_objects.Figure(figure)  # raises for what Plotly does not know


def test_an_analysis_that_raises_becomes_a_card_that_says_so(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    @analysis("Broken", Group.RESULTS, "Says nothing.")
    def broken(evidence: Any, objective: Any) -> Finding:
        raise ZeroDivisionError("of my own")

    monkeypatch.setattr(catalogue, "ALL", (broken, *catalogue.ALL))
    report = report_of(made.study("one"))
    assert report["broken"].level is Level.ERROR
    assert "ZeroDivisionError: of my own" in report["broken"].note
    assert len(report.cards) > 10


def test_the_groups_stand_in_order(made: Any) -> None:
    groups = [card.group for card in made.report("two").cards]
    assert groups == sorted(groups, key=list(Group).index)


def test_analyses_that_say_nothing_about_a_study_are_left_out(made: Any) -> None:
    single, several = ({c.name for c in made.report(name).cards} for name in ("one", "two"))
    assert not {"pareto", "feasibility", "curves"} & single
    assert {"pareto", "feasibility", "sensitivity.f", "sensitivity.g"} <= several
    assert "curves" in {card.name for card in made.report("curved").cards}


# Numbers are those of the API


def test_the_head_and_the_trace_end_with_the_best_of_the_study(made: Any) -> None:
    study, report = made.study("mixed"), made.report("mixed")
    assert dict(report.head)["best value"] == study.best.value
    assert report["trace"].table.rows[-1] == [study.best.number, study.best.value]
    assert report["summary"].table.rows[0][0] == study.best.number


def test_the_trace_of_several_objectives_ends_with_the_hypervolume_of_the_study(made: Any) -> None:
    study, report = made.study("two"), made.report("two")
    assert report["trace"].table.rows[-1][1] == study.hypervolume()
    assert [row[0] for row in report["pareto"].table.rows] == [trial.number for trial in study.pareto]


def test_cross_validation_sensitivity_and_importance_are_those_of_the_insight(made: Any) -> None:
    insight, report = made.study("mixed").insight(), made.report("mixed")
    checked = insight.cross_validation()
    assert cells(report["cross_validation"])["R²"] == checked.r2
    assert cells(report["cross_validation"])["share inside 90 % intervals"] == checked.coverage(0.9)
    shares = insight.sensitivity()
    rows = {row[0]: row[1:] for row in report["sensitivity"].table.rows}
    assert all(rows[name] == [shares.first[name], shares.total[name]] for name in shares.total)
    assert cells(report["importance"]) == insight.importance()


def test_expected_effects_are_the_predictions_of_the_insight(made: Any) -> None:
    study, report = made.study("two"), made.report("two")
    row = report["arm_effects.f"].table.rows[0]
    trial = study.get_trial(row[0])
    (expected,) = study.insight("-f").predict([trial.parameters])
    assert row[4] == pytest.approx(expected.mean)
    assert row[6] - row[4] == pytest.approx(1.959964 * expected.std)
    assert row[3] - row[1] == pytest.approx(1.959964 * 0.02)


def test_a_seed_is_no_amount(made: Any, tmp_path: Path) -> None:
    report = replace(made.report("one"), head=[("seed", 1234567), ("best value", 12345678.0)])
    for text in (report.markdown(), report.html(tmp_path / "r.html").read_text(encoding="utf-8")):
        assert "1234567" in text
        assert "1,234,567" not in text
        assert "12,345,678" in text


# Pages


def test_the_page_needs_nothing_else_and_is_light(made: Any, tmp_path: Path) -> None:
    page = made.report("mixed").html(tmp_path / "report.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 6_000_000
    assert page.count(plotly_js()) == 1
    tags = Tags()
    tags.feed(page)
    assert not [given for _, given in tags.found if given.get("src") or str(given.get("href", "#"))[:1] != "#"]
    assert {"viewport"} <= {given.get("name") for tag, given in tags.found if tag == "meta"}
    assert "@media print" in page
    links = [str(given["href"])[1:] for tag, given in tags.found if tag == "a"]
    assert links == [given["id"] for tag, given in tags.found if tag == "article"]


def test_a_page_without_figures_has_no_script(made: Any) -> None:
    assert "<script" not in page_of("t", (), [replace(card, figures=()) for card in made.report("one").cards])


def test_hostile_names_are_text_in_every_form(made: Any, tmp_path: Path) -> None:
    report = made.report("hostile")
    page = report.html(tmp_path / "report.html").read_text(encoding="utf-8").replace(plotly_js(), "")
    tags = Tags()
    tags.feed(page)
    assert {tag for tag, _ in tags.found} & {"img", "i", "b"} == set()
    assert not [given for _, given in tags.found if any(name.startswith("on") for name in given)]
    scripts = [given.get("type") for tag, given in tags.found if tag == "script"]
    assert scripts.count(None) == 2  # Plotly and what draws
    for text in re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL):
        assert "<" not in text
        figure = json.loads(text)
        for dimension in figure["data"][0].get("dimensions", ()):
            del dimension["ticktext"]  # the only texts that Plotly shows as they are
        assert not re.search(r"<(?!br>|extra>|/extra>)", json.dumps(figure))
    assert "<img" not in report.markdown()
    assert not re.search(r"(?<!\\)\]\(javascript", report.markdown())
    assert "srcdoc" in report._repr_html_()


def test_a_notebook_shows_cards_and_reports_apart_from_the_page(made: Any) -> None:
    for shown in (made.report("one")._repr_html_(), made.report("one")["trace"]._repr_html_()):
        assert shown.startswith("<iframe srcdoc=")
        assert 'sandbox="allow-scripts' in shown
        assert shown.count("<") == 2  # everything inside is escaped


def test_a_missing_plotly_says_what_to_install(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plotly_js.cache_clear()
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(InputError, match=r"pip install 'meristem\[reports\]'"):
        made.report("one").html(tmp_path / "report.html")
    assert made.report("one").markdown()
    plotly_js.cache_clear()


def test_a_missing_kaleido_says_what_to_install(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(InputError, match=r"pip install 'meristem\[reports\]'"):
        made.report("one").png(tmp_path)


def test_a_place_that_cannot_be_written_is_told(made: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        made.report("one").html(tmp_path / "none" / "report.html")


def test_a_card_that_is_not_there_is_told_with_those_that_are(made: Any) -> None:
    with pytest.raises(InputError, match=r"no card 'trice'.*trace"):
        made.report("one")["trice"]


def test_a_report_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("the one before")
    write = Path.write_text

    def full(self: Path, text: str, **given: Any) -> int:
        write(self, text[:10], **given)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match="No space left"):
        written(path, "a longer one")
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "the one before"
