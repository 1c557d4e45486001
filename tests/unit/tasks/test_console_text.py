"""What a terminal would show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.tasks.console_text import shown_lines, shown_text


@pytest.mark.parametrize(
    ("printed", "seen"),
    [
        ("plain\ntext", "plain\ntext"),
        ("10%\r20%\r100%\n", "100%\n"),
        ("a long line\rshort", "shortg line"),
        ("a long line\r\x1b[Kshort", "short"),
        ("abc\b\bX", "aXc"),
        ("windows\r\nend", "windows\nend"),
        ("\x1b[31mred\x1b[0m!", "red!"),
        ("\x1b]0;title\x07x", "x"),
        ("tab\there \x00\x07.", "tab\there ."),
        ("a\x1b[3Cb", "a   b"),
        ("abc\x1b[2K\rx", "x"),
        ("one\n\x1b[A\rtwo", "one\ntwo"),
    ],
)
def test_control_characters_are_applied(printed: str, seen: str) -> None:
    assert shown_text(printed) == seen


def test_colours_are_kept_where_they_are_wanted() -> None:
    assert shown_text("\x1b[31mred\x1b[0m!\rR", colours=True) == "Red\x1b[0m!"
    assert shown_text("\x1b[1mbold\x1b[0m", colours=True) == "\x1b[1mbold\x1b[0m"


def test_of_a_progress_bar_of_hours_the_last_state_is_shown_and_little_kept() -> None:
    pieces = (f"\r{i:6}/200000 {'#' * 40}" for i in range(20_000))
    assert list(shown_lines(pieces)) == [f"{19_999:6}/200000 {'#' * 40}"]


@given(st.text(alphabet=st.sampled_from("ab\r\n\b\x1b[31mKü\t"), max_size=60))
def test_whatever_was_printed_nothing_that_moves_a_cursor_is_left(text: str) -> None:
    assert not set(shown_text(text)) & set("\r\b\x1b")


@given(st.text(alphabet=st.sampled_from("ab\r\n\b ü"), max_size=60), st.integers(0, 60))
def test_pieces_show_what_the_whole_shows(text: str, cut: int) -> None:
    whole = shown_text(text).split("\n")
    if not text or text.endswith("\n"):
        whole.pop()
    assert list(shown_lines([text[:cut], text[cut:]])) == whole


@given(st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs")), max_size=50))
def test_plain_text_is_shown_as_it_is(text: str) -> None:
    assert shown_text(text) == text
