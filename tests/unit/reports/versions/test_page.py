"""The page of a version, and the picture of its lineage."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.datasets.previews.samples import labels, preview_of

from meristem.datasets.previews import differences
from meristem.reports.versions.facts import (
    ChangeList,
    FileRow,
    GraphReader,
    GraphVersion,
    LineageGraph,
    PathChange,
    VersionChanges,
    VersionFacts,
)
from meristem.reports.versions.lineage import lineage_svg, nearest, place
from meristem.reports.versions.page import render_page

HOSTILE = "</style></title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x1b[31m"


def facts(**more: object) -> VersionFacts:
    known: dict[str, object] = {
        "project": "robots/vision", "name": "scenes", "number": "1.5.0", "id": "abc", "status": "published",
        "root": "0" * 64, "entries": 2, "bytes": 3000, "made_by": {"user": "ana", "command": "label.py"},
        "created_at": 1.79e9, **more,
    }  # fmt: skip
    return VersionFacts(**known)  # type: ignore[arg-type]


def version(name: str, *parents: str, at: float, status: str = "final") -> GraphVersion:
    return GraphVersion(id=name, label=f"@{name}", status=status, created_at=at, parents=parents)


def test_a_page_tells_what_a_version_is() -> None:
    before, after = preview_of({"l.csv": labels(50)}), preview_of({"l.csv": labels(50, "cat wolf")})
    changed = ChangeList(count=70, shown=tuple(PathChange(path=f"{i}", size_before=1, size_after=2) for i in range(60)))
    moved = ChangeList(count=1, shown=(PathChange(path="new", before="old", size_after=5),))
    looks = differences(before, after, added=(), modified={"l.csv"})
    page = render_page(
        facts(tags=("golden",), files=(FileRow(path="a/b.csv", kind="f", size=10, content="f" * 64),)),
        after,
        [VersionChanges(parent="@1.4.0", modified=changed, moved=moved, looks=looks)],
        LineageGraph(current="1.5.0", versions=[version("1.5.0", at=2.0)],
                     readers=[GraphReader(kind="study", label="lr search", version="1.5.0")]),
    )  # fmt: skip
    for text in ("robots/vision/", "golden", "published", "ana", "3 KB", "old → new", "and 20 more",
                 "New in label: wolf.",
                 "study lr search", "a/b.csv", "ffffffffffffffff", "prefers-color-scheme: dark"):  # fmt: skip
        assert text in page
    assert not re.search(r"(?:src|href)=.?https?:", page)


def test_the_first_thousand_files_are_listed() -> None:
    rows = tuple(FileRow(path=f"{i}.txt", kind="f", size=1, content="0" * 64) for i in range(1200))
    page = render_page(facts(files=rows, entries=5000))
    assert "999.txt" in page
    assert "1000.txt" not in page
    assert "The first 1,000 of 5,000." in page


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)


def test_names_never_become_part_of_the_page() -> None:
    change = PathChange(path=HOSTILE, before=HOSTILE, size_after=1)
    page = render_page(
        facts(project=HOSTILE, name=HOSTILE, number=HOSTILE, status=HOSTILE, tags=[HOSTILE], message=HOSTILE,
              made_by={HOSTILE: HOSTILE, "command": [HOSTILE]}, metadata={HOSTILE: {HOSTILE: [HOSTILE]}},
              parents=[HOSTILE], files=[FileRow(path=HOSTILE, kind=HOSTILE, size=1, content=HOSTILE)]),
        None,
        [VersionChanges(parent=HOSTILE, added=ChangeList(count=1, shown=[change]))],
        LineageGraph(current=HOSTILE,
                     versions=[GraphVersion(id=HOSTILE, label=HOSTILE, status=HOSTILE, created_at=1.0, note=HOSTILE)],
                     readers=[GraphReader(kind=HOSTILE, label=HOSTILE, version=HOSTILE)]),
    )  # fmt: skip
    tags = Tags()
    tags.feed(page)
    assert not tags.found & {"script", "img", "iframe"}
    assert "\x1b" not in page


def test_the_line_of_the_current_version_is_straight_and_branches_stand_beside() -> None:
    versions = [version("1", at=1), version("2", "1", at=2), version("2b", "1", at=3), version("3", "2", "2b", at=4),
                version("draft", "3", at=5)]  # fmt: skip
    placed = {one.version.id: (one.row, one.lane) for one in place(versions, "3")}
    assert placed == {"draft": (0, 1), "3": (1, 0), "2b": (2, 1), "2": (3, 0), "1": (4, 0)}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=3), max_size=30), st.randoms(use_true_random=False))
def test_any_lineage_is_drawn_with_children_above_parents_and_no_dot_on_a_line(
    parents: list[list[int]], draw: object
) -> None:
    made = [
        version(str(i), *(str(p) for p in dict.fromkeys(own) if p < i), at=draw.random())  # type: ignore[attr-defined]
        for i, own in enumerate(parents)
    ]
    placed = {one.version.id: one for one in place(made, str(len(made) // 2))}
    assert placed.keys() == {one.id for one in made}
    for one in placed.values():
        assert all(placed[parent].row > one.row for parent in one.version.parents)
    lineage_svg(LineageGraph(current="0", versions=made))


def test_of_many_versions_the_nearest_are_drawn() -> None:
    chain = [version(str(i), *([str(i - 1)] if i else []), at=float(i)) for i in range(200)]
    graph = LineageGraph(current="150", versions=chain)
    assert {one.id for one in nearest(graph, 5)} == {"148", "149", "150", "151", "152"}
    assert "160 more versions are further away" in lineage_svg(graph)
    assert lineage_svg(LineageGraph(current="x")) == ""
