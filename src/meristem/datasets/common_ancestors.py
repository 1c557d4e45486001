"""Where the histories of two contents part: what a merge must compare both with. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def common_ancestors(parents: Mapping[int, Collection[int]], ours: Collection[int], theirs: int) -> list[int]:
    """The nearest versions of which both sides hold all changes; several where branches were merged both ways.

    Args:
        parents: Of each version; of all ancestors of both sides.
        ours: What our content was made from. Each version counts as its own ancestor.
    """
    common = _with_ancestors(parents, ours) & _with_ancestors(parents, [theirs])
    farther = _with_ancestors(parents, {parent for version in common for parent in parents[version]})
    return sorted(common - farther)


def _with_ancestors(parents: Mapping[int, Collection[int]], versions: Collection[int]) -> set[int]:
    found: set[int] = set()
    waiting = list(versions)
    while waiting:
        if (version := waiting.pop()) not in found:
            found.add(version)
            waiting += parents[version]
    return found
