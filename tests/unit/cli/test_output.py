"""Printing: JSON that every reader takes, tables that fit."""

from __future__ import annotations

import json
import math
import re

import pytest

from meristem.cli.output import clean, columns_that_fit, iso, print_json, print_pairs, print_table, shown


def test_nan_and_infinity_become_text() -> None:
    assert clean({"a": [math.nan, math.inf, -math.inf, 1.5]}) == {"a": ["NaN", "Infinity", "-Infinity", 1.5]}


@pytest.mark.parametrize("text", ["plain", "größe 日本 🌱", "lone \ud800", "line\nbreak\x00"])
def test_printed_json_can_be_read_again(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": text, "value": math.nan})
    assert json.loads(capsys.readouterr().out) == {"name": text, "value": "NaN"}


@pytest.mark.parametrize("long", ["x" * 500, "[bold]" * 90, "日本" * 200, "a\nb" * 100])
def test_tables_fit_a_terminal(long: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
    monkeypatch.setenv("COLUMNS", "80")
    print_table(("number", "name", "rest"), [[1, long, long], [2, None, 0.5]], numbers=("number",))
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in capsys.readouterr().out.splitlines()]
    assert max(len(line) for line in lines) <= 80
    assert len(lines) == 3
    assert any("…" in line for line in lines)
    print_pairs([("name", long), ("nothing", None), (long, 1)])
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in capsys.readouterr().out.splitlines()]
    assert max(len(line) for line in lines) <= 80  # values are wrapped, not cut
    assert len(lines) > 3


def test_in_a_pipe_nothing_is_cut_and_no_line_ends_in_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("number", "rest"), [[1, "x" * 500], [2, None]])
    print_pairs([("name", "y" * 500)])
    out = capsys.readouterr().out
    assert "x" * 500 in out
    assert "y" * 500 in out
    assert all(line == line.rstrip() for line in out.splitlines())


def test_values_are_shown_on_one_line_and_short() -> None:
    assert shown("a\nb\x1b[31m") == "a\\nb\\x1b[31m"
    assert shown("x" * 30, 10) == "x" * 9 + "…"
    assert (shown(0.1 + 0.2), shown({"a": 1}), shown(None)) == ("0.3", '{"a": 1}', "null")


def test_times_are_iso_in_utc() -> None:
    assert iso(0.5) == "1970-01-01T00:00:00.500Z"
    assert iso(None) is None


def test_a_narrow_terminal_does_without_some_columns_and_no_more_than_it_must() -> None:
    widths = {"task": 4, "id": 8, "name": 20, "tags": 10}
    for width, kept in (
        (100, ["task", "id", "name", "tags"]), (48, ["task", "id", "name", "tags"]), (47, ["task", "name", "tags"]),
        (37, ["task", "name"]), (5, ["task", "name"]),
    ):  # fmt: skip
        assert columns_that_fit(widths, ["id", "tags"], width) == kept, width
