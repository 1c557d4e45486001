"""Version numbers, their order, and what datasets may be called."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.errors import InputError
from meristem.naming import check_dataset
from meristem.store.dataset_numbers import following, precedence

# In ascending order, as section 11 of semver.org says.
ORDERED = (
    "0.0.1", "0.2.0", "0.10.0", "1.0.0-0", "1.0.0-2", "1.0.0-10", "1.0.0-10.a", "1.0.0-A", "1.0.0-a", "1.0.0-a.1",
    "1.0.0-a.b", "1.0.0-a-b", "1.0.0-a1", "1.0.0-rc.1", "1.0.0-rc.1.0", "1.0.0-rc.2", "1.0.0-rc.10", "1.0.0", "1.0.1",
    "1.9.0", "1.10.0", "999999999999999999.0.0",
)  # fmt: skip

parts = st.one_of(st.integers(0, 10**18 - 1), st.from_regex(r"[0-9]{0,2}[A-Za-z-][0-9A-Za-z-]{0,3}", fullmatch=True))
numbers = st.tuples(
    st.integers(0, 200),
    st.integers(0, 200),
    st.integers(0, 200),
    st.one_of(st.none(), st.lists(parts, min_size=1, max_size=4)),
)


def test_numbers_are_ordered_as_semantic_versions() -> None:
    keys = [precedence(number) for number in ORDERED]
    assert all(before < after for before, after in itertools.pairwise(keys))


@given(numbers, numbers)
def test_any_two_numbers_are_ordered_as_the_specification_orders_them(
    one: tuple[int, int, int, list[int | str] | None], other: tuple[int, int, int, list[int | str] | None]
) -> None:
    assert (precedence(written(one)) < precedence(written(other))) == (specified(one) < specified(other))
    assert (precedence(written(one)) == precedence(written(other))) == (written(one) == written(other))


def written(number: tuple[int, int, int, list[int | str] | None]) -> str:
    release = ".".join(map(str, number[:3]))
    return release if number[3] is None else f"{release}-{'.'.join(map(str, number[3]))}"


def specified(number: tuple[int, int, int, list[int | str] | None]) -> tuple[object, ...]:
    pre = number[3]
    ranked = [(0, p, "") if isinstance(p, int) else (1, 0, p) for p in pre or ()]
    return (*number[:3], pre is None, ranked)


@pytest.mark.parametrize(
    "number",
    ["1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.2.3+b", "1.2.3-", "1.2.3-01", "1.2.3-a..b", "", "1.2.３", " 1.2.3",
     "1.2.3\n", "1.2.3-ä", "1" * 19 + ".0.0", "1.0.0-" + "a" * 100, None, 1.2],
)  # fmt: skip
def test_what_is_no_version_number_is_refused(number: str) -> None:
    with pytest.raises(InputError, match="no version number"):
        precedence(number)


def test_the_next_number_is_a_patch_higher_or_the_release_itself() -> None:
    following_ones = [following(highest) for highest in (None, "1.0.0", "1.2.9", "2.0.0-rc.1", "2.0.0-a-b.1")]
    assert following_ones == ["1.0.0", "1.0.1", "1.2.10", "2.0.0", "2.0.0"]


@pytest.mark.parametrize(
    ("project", "name"),
    [("a", "b/c"), ("a", "b@c"), ("a@b", "c"), ("a//b", "c"), ("/a", "b"), ("a/", "b"), ("", "b"), ("a", ".."),
     ("..", "b"), ("a/./b", "c"), ("a/ b", "c"), ("a", " b"), ("a", "x" * 301), ("a", "b\nc"), ("a", "\udc80"),
     (None, "a"), ("a", 3)],
)  # fmt: skip
def test_a_dataset_is_called_only_what_can_be_read_in_one_way(project: str, name: str) -> None:
    with pytest.raises(InputError, match="cannot be called so"):
        check_dataset(project, name)


@pytest.mark.parametrize(("project", "name"), [("a/b c/d", "e.f"), ("étude 研究", "..."), ("x", "100% {it}:1")])
def test_other_names_are_taken(project: str, name: str) -> None:
    check_dataset(project, name)
