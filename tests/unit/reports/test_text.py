"""Cards as text: title, note, and as much of the table as fits."""

from __future__ import annotations

from typing import Any

import pytest

import meristem as ms
from meristem.client.analyses import cards_of
from meristem.reports.analyses.importance import importance
from meristem.reports.analyses.trace import trace
from meristem.reports.card import Card, Group, Level, Table
from meristem.reports.text import text_of


def card(rows: list[list[Any]], *columns: str) -> Card:
    table = Table(columns=columns, rows=rows)
    return Card(
        name="c", title="Noise", group=Group.HEALTH, explanation="", note="Little.", level=Level.GOOD, table=table
    )


def test_a_card_has_title_verdict_note_and_an_aligned_table() -> None:
    assert text_of([card([["a", 1.25], ["long", None]], "what", "value")]).splitlines() == [
        "Noise [OK]", "----------", "Little.", "what  value", "a      1.25", "long",
    ]  # fmt: skip


def test_what_does_not_fit_is_told() -> None:
    lines = text_of([card([["x" * 50] * 9] * 15, *"abcdefghi")], width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "… 5 more rows and 7 more columns"


@pytest.mark.parametrize("name", ["mixed", "two", "hostile", "none", "wide"])
def test_every_report_fits_a_terminal_apart_from_its_notes(made: Any, name: str) -> None:
    report = made.report(name)
    notes = {c.note for c in report.cards}
    text = text_of(report.cards, width=80)
    assert all(c.title.splitlines()[0][:100] in text for c in report.cards)
    assert max(len(line) for line in text.splitlines() if line not in notes) <= 120


def test_a_script_prints_cards_unless_told_not_to(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    study: ms.Study = made.study("one")
    cards_of(study, None, display=False)
    assert capsys.readouterr().out == ""
    cards = cards_of(study, None, display=True)
    printed = capsys.readouterr().out
    assert all(found.title in printed for found in cards)
    assert "best so far" in printed
    cards_of(study, [trace, lambda study: study.name, importance], display=True)
    printed = capsys.readouterr().out
    assert printed.startswith("Optimization trace\n")
    assert "Importance" in printed
