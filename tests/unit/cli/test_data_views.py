"""Sizes, changes and lineages as people read them."""

from __future__ import annotations

import re

import pytest

from meristem.cli.data_lineage import lineage_lines
from meristem.cli.data_named import dataset_named
from meristem.cli.data_progress import transferring
from meristem.cli.data_views import change_cells, change_counts, shown_change_counts, shown_changes, shown_size
from meristem.errors import InputError
from meristem.manifests.changes import Change
from meristem.manifests.entry import Entry, Kind
from meristem.reports.versions.facts import GraphReader, GraphVersion, LineageGraph


def entry(path: str, size: int) -> Entry:
    return Entry(path, Kind.FILE, size, "0" * 64)


def drawn(current: str, **parents: str) -> list[str]:
    """Versions of one letter, each with its parents', the oldest first."""
    versions = [
        GraphVersion(id=id, label=f"@{id}", status="final", created_at=at, parents=[*above])
        for at, (id, above) in enumerate(parents.items())
    ]
    readers = [GraphReader(kind="task", label="fit", version="a", at=1.0)]
    lines = lineage_lines(LineageGraph(current=current, versions=versions, readers=readers))
    return [re.sub(r"  final.*", "", line) for line in lines]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 KB"), (1_234_567, "1.23 MB"), (999_600, "1 MB"), (5 * 10**12, "5 TB")],
)
def test_sizes_are_told_in_three_digits(size: int, text: str) -> None:
    assert shown_size(size) == text


def test_changes_are_told_by_signs_paths_and_sizes() -> None:
    changes = [
        Change("a", None, entry("a", 10)),
        Change("b", entry("b", 10), entry("b", 2500)),
        Change("c", entry("c", 5), None),
        Change("e", entry("d", 7), entry("e", 7)),
    ]
    assert [change_cells(change) for change in changes] == [
        ["+", "a", "10 B"], ["~", "b", "10 B → 2.5 KB"], ["-", "c", "5 B"], ["→", "d → e", "7 B"],
    ]  # fmt: skip
    told = shown_change_counts(change_counts(changes))
    assert told == "1 added, 1 modified, 1 removed, 1 moved; 2.5 KB more"
    assert shown_change_counts(change_counts([])) == "Nothing differs."


def test_a_summary_tells_only_what_there_is() -> None:
    assert shown_changes({"added": 1200, "modified": 0, "removed": 3}) == "+1,200 -3"
    assert shown_changes({}) is None


def test_a_line_of_versions_is_one_lane_with_its_readers() -> None:
    assert drawn("b", a="", b="a") == ["● @b", "○ @a", "    read by task fit"]


def test_a_branch_leaves_its_lane_above_its_parent() -> None:
    assert drawn("c", a="", b="a", c="a")[:4] == ["●   @c", "│ ○ @b", "├─╯", "○   @a"]


def test_a_merge_enters_both_lanes_of_its_parents() -> None:
    assert drawn("d", a="", b="a", c="a", d="cb")[:6] == ["●   @d", "├─╮", "○ │ @c", "│ ○ @b", "├─╯", "○   @a"]


def test_lines_that_cross_stay_told_apart() -> None:
    lines = drawn("e", a="", b="a", c="a", d="a", e="db", f="c")
    assert lines[:3] == ["  ○   @f", "● │   @e", "├─┼─╮"]


def test_long_lines_are_cut_to_the_terminal() -> None:
    version = GraphVersion(id="a", label="@a", status="final", created_at=0.0, note="x" * 500)
    graph = LineageGraph(current="a", versions=[version])
    assert [len(line) for line in lineage_lines(graph, 80)] == [80]


def test_a_version_is_refused_where_a_dataset_is_meant() -> None:
    assert dataset_named("team/sensors/occupancy")[:2] == ("team/sensors", "occupancy")
    with pytest.raises(InputError, match="begin with team/x --parent team/x@2"):
        dataset_named("team/x@2", instead="begin with {name} --parent {version}")


def test_no_bar_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with transferring("Adding") as progress:
        assert progress is None
    assert capsys.readouterr().err == ""


def test_a_bar_is_drawn_only_for_what_takes_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with transferring("Adding") as progress:
        assert progress is not None
        progress(1, 10)
        assert progress.__self__._bar is None  # type: ignore[attr-defined]
        progress.__self__._begun -= 1  # type: ignore[attr-defined]
        progress(10, 10)
        assert progress.__self__._bar.tasks[0].completed == 10  # type: ignore[attr-defined]
