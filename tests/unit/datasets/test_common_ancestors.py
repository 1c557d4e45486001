"""Where histories part."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meristem.datasets.common_ancestors import common_ancestors


def test_the_nearest_version_that_both_hold_is_found() -> None:
    line = {1: (), 2: (1,), 3: (2,), 4: (2,)}
    assert common_ancestors(line, [3], 4) == [2]
    assert common_ancestors(line, [2], 4) == [2]
    assert common_ancestors(line, [4], 2) == [2]
    assert common_ancestors({1: (), 2: ()}, [1], 2) == []
    assert common_ancestors({1: ()}, [], 1) == []


def test_of_branches_that_were_merged_both_ways_both_count() -> None:
    assert common_ancestors({1: (), 2: (1,), 3: (1,), 4: (2, 3), 5: (3, 2)}, [4], 5) == [2, 3]


def test_what_was_begun_from_several_holds_them_all() -> None:
    assert common_ancestors({1: (), 2: (), 3: (2,)}, [1, 2], 3) == [2]


@given(st.data())
def test_each_is_held_by_both_and_by_no_other_common_one(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    parents = {
        version: tuple(data.draw(st.sets(st.integers(0, version - 1), max_size=3)) if version else ())
        for version in range(count)
    }

    def held(version: int) -> set[int]:
        return {version}.union(*(held(parent) for parent in parents[version]))

    ours = data.draw(st.lists(st.sampled_from(range(count)), max_size=3))
    theirs = data.draw(st.sampled_from(range(count)))
    common = set().union(*map(held, ours)) & held(theirs)
    nearest = [v for v in common if not any(v in held(other) - {other} for other in common)]
    assert common_ancestors(parents, ours, theirs) == sorted(nearest)
