"""What tasks may be called."""

from __future__ import annotations

import pytest

from meristem.errors import InputError
from meristem.naming import check_attempts, check_priority, naming_problems


@pytest.mark.parametrize("name", ["digits", "étude 研究 🌱", "a" * 300, " x "])
def test_a_line_of_text_is_a_name(name: str) -> None:
    assert naming_problems(project=name, name=name, tags=[name[:100]]) == []


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "nul\0", "a" * 301, None, 3, b"x", "\x1b[31m"])
def test_what_is_no_line_of_text_is_no_name_and_no_tag(name: object) -> None:
    assert len(naming_problems(name=name, tags=[name])) == 2


def test_priorities_and_attempts_are_whole_numbers_within_limits() -> None:
    for given in (0, -5, 1_000_000):
        check_priority(given)
    check_attempts(1)
    for odd in (1.5, True, None, "3", 10**20):
        with pytest.raises(InputError):
            check_priority(odd)
        with pytest.raises(InputError):
            check_attempts(odd)
