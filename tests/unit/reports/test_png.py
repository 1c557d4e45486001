"""Pictures that stand alone: each says what it is of, also in its file's name."""

from __future__ import annotations

import re
from typing import Any

from meristem.reports.card import Card, Group
from meristem.reports.png import pictures
from meristem.reports.style import figure


def card(name: str, *about: str) -> Card:
    figures = [figure([{"x": [1], "y": [1]}], about=what) for what in about]
    return Card(
        name=name, title="Slices", group=Group.INSIGHTS, explanation="", note="Through trial 7.", figures=figures
    )


def test_files_are_named_after_what_they_show(made: Any) -> None:
    names = set(pictures("Study mixed", made.report("mixed").cards))
    assert {"trace", "slices-rate", "sensitivity", "cross_validation", "cross_validation-calibration"} <= names
    assert any(name.startswith("contours-") and "_and_" in name for name in names)
    assert all(re.fullmatch(r"[\w.+-]+", name) for name in names)


def test_names_are_safe_and_all_different(made: Any) -> None:
    cards = [card("slices", "a/b", "a b", "A b", "../..", "x" * 300), card("slices.a/b")]
    names = list(pictures("Study s", [*cards, *made.report("hostile").cards]))
    assert len({name.casefold() for name in names}) == len(names)
    assert all(re.fullmatch(r"[\w.+-]{1,130}", name) and not name.startswith(".") for name in names)


def test_a_picture_says_what_it_shows_of_which_study_and_what_it_comes_to() -> None:
    before = card("slices", "rate")
    (drawn,) = pictures("Study <digits>", [before]).values()
    text = drawn["layout"]["title"]["text"]
    for said in ("Slices", "rate", "Study &lt;digits&gt;", "Through trial 7."):
        assert said in text
    assert drawn["layout"]["height"] > before.figures[0]["layout"]["height"]
    assert "title" not in before.figures[0]["layout"]  # the page's own figure is as it was


def test_every_figure_of_a_card_with_several_says_what_it_is_about(made: Any) -> None:
    for name in ("mixed", "two"):
        for found in made.report(name).cards:
            about = [figure["layout"].get("meta", {}).get("about", "") for figure in found.figures]
            assert len(set(about)) == len(about), found.name
