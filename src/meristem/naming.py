"""What tasks and datasets may be called, and the numbers that go with them.

One rule for scripts, the store and the command line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from meristem.errors import InputError

LONGEST_NAME, LONGEST_TAG, LONGEST_NUMBER = 300, 100, 100  # characters
HIGHEST_PRIORITY = 1_000_000
MOST_ATTEMPTS = 1_000
# Semantic versioning 2.0.0 without build metadata, each number of at most 18 digits.
_NUMBER, _PRE = "(0|[1-9][0-9]{0,17})", "(?:0|[1-9][0-9]{0,17}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
VERSION_NUMBER = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_PRE}(?:\.{_PRE})*))?")


def naming_problems(*, tags: Iterable[Any] = (), **names: Any) -> list[str]:
    """What is wrong with names (by what they name: project, name, kind) and tags, as sentences."""
    problems = [
        f"{what}={given!r:.60} is no name: give one line of 1 to {LONGEST_NAME} characters"
        for what, given in names.items()
        if not _is_line(given, LONGEST_NAME)
    ]
    return problems + [
        f"the tag {tag!r:.60} is none: give one line of 1 to {LONGEST_TAG} characters"
        for tag in tags
        if not _is_line(tag, LONGEST_TAG)
    ]


def check_dataset(project: Any, name: Any, *, tags: Iterable[Any] = ()) -> None:
    """Raises InputError, with every mistake, where a dataset cannot be called so.

    `PROJECT/NAME@VERSION/PATH` must be readable in one way, and each part be a folder's name.
    """
    problems = naming_problems(tags=tags, project=project, name=name)
    if not problems:
        problems += [f"project={project!r:.60} {why}" for why in _no_parts(project.split("/"))]
        problems += [f"name={name!r:.60} {why}" for why in _no_parts([name])]
    if problems:
        raise InputError("A dataset cannot be called so", problems)


def is_priority(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and abs(given) <= HIGHEST_PRIORITY


def is_attempts(given: Any) -> bool:
    """Whether it may be a task's `max_attempts`."""
    return isinstance(given, int) and not isinstance(given, bool) and 1 <= given <= MOST_ATTEMPTS


def check_priority(given: Any) -> None:
    """Raises InputError where `given` is no priority."""
    if not is_priority(given):
        fix = "Higher ones start first; 0 is usual, negative ones may wait."
        raise InputError(f"priority={given!r:.40} is no whole number up to a million.", fix=fix)


def check_attempts(given: Any) -> None:
    """Raises InputError where `given` is no number of attempts."""
    if not is_attempts(given):
        raise InputError(f"max_attempts={given!r:.40} is no whole number from 1 to {MOST_ATTEMPTS}.")


def _is_line(given: Any, longest: int) -> bool:
    if not isinstance(given, str) or not given.strip() or len(given) > longest:
        return False
    return not any(c < " " or c == "\x7f" for c in given)


def _no_parts(parts: Iterable[str]) -> list[str]:
    """Why names cannot be parts of `PROJECT/NAME@VERSION/PATH`."""
    problems: list[str] = []
    if any(c in part for part in parts for c in "@/"):
        problems.append("has a character that separates: no @, and in a name no /")
    if any(part.strip() in ("", ".", "..") or part != part.strip() for part in parts):
        problems.append("has a part that is empty, . or .., or begins or ends with a blank")
    if any("\ud800" <= c <= "\udfff" for part in parts for c in part):
        problems.append("is no Unicode text")
    return problems
