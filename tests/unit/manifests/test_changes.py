"""Differences of two trees, moves, and merges."""

from __future__ import annotations

from collections import Counter as Tally

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_nodes import Kept, entries_at, file, folders_of_entries, name_of, paths

from meristem.errors import ManifestRefused
from meristem.manifests import (
    Change,
    Conflict,
    Entry,
    Kind,
    Merge,
    Tree,
    check_tree,
    differences,
    merge,
    sort_key,
    with_moves,
)
from meristem.manifests.changes import counted

pytestmark = pytest.mark.usefixtures("often_ending")
Entries = dict[str, Entry]


@st.composite
def changed(draw: st.DrawFn, entries: Entries) -> Entries:
    """The entries after some changes."""
    known = st.sampled_from(sorted(entries)) if entries else paths
    after = dict(entries)
    for path in draw(st.lists(st.one_of(known, paths), max_size=8)):
        after.pop(path, None)
        entry = draw(st.none() | entries_at(path))
        if entry is not None:
            after[path] = entry
    return after


@given(folders_of_entries(), st.data())
def test_differences_are_those_of_the_entries(entries: Entries, data: st.DataObject) -> None:
    kept = Kept()
    for after in (data.draw(changed(entries)), data.draw(folders_of_entries()), {}):
        touched = {path for path in {*entries, *after} if entries.get(path) != after.get(path)}
        expected = [Change(path, entries.get(path), after.get(path)) for path in sorted(touched, key=sort_key)]
        assert list(differences(kept.tree(entries.values()), kept.tree(after.values()))) == expected


@given(folders_of_entries(), st.data())
def test_changes_are_counted_as_they_are_listed(entries: Entries, data: st.DataObject) -> None:
    kept = Kept()
    for after in (
        data.draw(changed(entries)),
        data.draw(folders_of_entries()),
        {f"m/{p}": e for p, e in entries.items()},
    ):
        found = {path: entry._replace(path=path) for path, entry in after.items()}
        between = list(differences(kept.tree(entries.values()), kept.tree(found.values())))
        listed = Tally(change.what for change in with_moves(between))
        assert counted(between)._asdict() == {what: listed[what] for what in ("added", "modified", "removed", "moved")}


def test_differences_read_only_what_differs() -> None:
    kept = Kept()
    tree = kept.tree(file(f"{number:05}") for number in range(4000))
    changed = tree.updated([("02000", file("02000", 2))], kept.save)
    kept.loaded.clear()
    assert [change.path for change in differences(Tree(tree.root, kept), Tree(changed, kept))] == ["02000"]
    assert len(kept.loaded) <= 2 * 5
    kept.loaded.clear()
    assert list(differences(Tree(tree.root, kept), Tree(tree.root, kept))) == []
    assert kept.loaded == []


def test_a_change_says_what_it_is() -> None:
    a, b = file("a"), file("b")
    changes = [Change("a", None, a), Change("a", a, None), Change("a", a, file("a", 2)), Change("b", a, b)]
    assert [change.what for change in changes] == ["added", "removed", "modified", "moved"]


def test_a_file_removed_here_and_added_there_was_moved() -> None:
    kept = Kept()
    same, other = name_of("same"), name_of("other")
    before = [Entry("a/x", Kind.FILE, 1, same), Entry("b/y", Kind.FILE, 1, same), Entry("c", Kind.FILE, 1, other)]
    after = [Entry("d/y", Kind.FILE, 1, same), Entry("e", Kind.FILE, 1, same), Entry("f", Kind.FILE, 1, same)]
    changes = with_moves(differences(kept.tree(before), kept.tree(after)))
    moves = {(change.before.path, change.path) for change in changes if change.what == "moved" and change.before}
    assert moves == {("b/y", "d/y"), ("a/x", "e")}  # the one of the same name first
    assert [(c.what, c.path) for c in changes if c.what != "moved"] == [("removed", "c"), ("added", "f")]


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.LINK, Kind.FOLDER])
def test_what_has_no_content_of_its_own_is_never_moved(kind: Kind) -> None:
    content = {Kind.FILE: name_of(""), Kind.LINK: "x", Kind.FOLDER: ""}[kind]
    a, b = Entry("a", kind, 0, content), Entry("b", kind, 0, content)
    assert [change.what for change in with_moves([Change("a", a, None), Change("b", None, b)])] == ["removed", "added"]


def sound(entries: Entries) -> Entries:
    """The entries without those that lie below a file."""
    files = {path for path, entry in entries.items() if entry.kind is not Kind.FOLDER}
    cuts = {path: [path[:i] for i, letter in enumerate(path) if letter == "/"] for path in entries}
    return {path: entry for path, entry in entries.items() if not files & set(cuts[path])}


@given(folders_of_entries(), st.data())
def test_a_merge_has_what_both_changed_and_loses_nothing(entries: Entries, data: st.DataObject) -> None:
    kept = Kept()
    base = sound(entries)
    ours, theirs = sound(data.draw(changed(base))), sound(data.draw(changed(base)))
    found = merge(*(kept.tree(side.values()) for side in (base, ours, theirs)))
    merged = {entry.path: entry for entry in _applied(kept, theirs, found).entries()}
    contested = {conflict.path for conflict in found.conflicts}
    for path in {*base, *ours, *theirs}:
        was, own, other = base.get(path), ours.get(path), theirs.get(path)
        if path in contested or own in (was, other):
            assert merged.get(path) == other
        else:
            assert other == was
            assert merged.get(path) == own
    check_tree(merged[path] for path in sorted(merged, key=sort_key))


def _applied(kept: Kept, theirs: Entries, found: Merge) -> Tree:
    return Tree(kept.tree(theirs.values()).updated(found.changes, kept.save), kept)


def merged_from(base: list[Entry], ours: list[Entry], theirs: list[Entry]) -> Merge:
    kept = Kept()
    return merge(kept.tree(base), kept.tree(ours), kept.tree(theirs))


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "changes", "conflicts"),
    [
        (["a1"], ["a1", "b1"], ["a1", "c1"], {"b": "b1"}, []),
        (["a1"], ["a2"], ["a1"], {"a": "a2"}, []),
        (["a1"], ["a2"], ["a2"], {}, []),
        (["a1"], ["a2"], ["a3"], {}, ["a"]),
        (["a1"], [], ["a1", "c1"], {"a": None}, []),
        (["a1"], [], ["a2"], {}, ["a"]),
        (["a1"], ["a2"], [], {}, ["a"]),
        (["a1"], [], [], {}, []),
        ([], ["a1"], ["a2"], {}, ["a"]),
        ([], ["a1"], ["a/b1"], {}, ["a"]),
        ([], ["a/b1", "c1"], ["a1"], {"c": "c1"}, ["a/b"]),
        (["a/b1"], ["a1"], ["a/b2"], {}, ["a", "a/b"]),
        (["a1"], ["a/b1"], ["a2"], {}, ["a", "a/b"]),
        (["a/b1"], ["a1"], ["a/b1"], {"a": "a1", "a/b": None}, []),
    ],
)
def test_a_merge_tells_changes_from_conflicts(
    base: list[str], ours: list[str], theirs: list[str], changes: dict[str, str | None], conflicts: list[str]
) -> None:
    def entry(text: str) -> Entry:
        return file(text[:-1], int(text[-1]))

    found = merged_from(*([entry(text) for text in side] for side in (base, ours, theirs)))
    assert dict(found.changes) == {path: text and entry(text) for path, text in changes.items()}
    assert [conflict.path for conflict in found.conflicts] == conflicts


def test_a_conflict_says_what_each_side_did() -> None:
    conflict = Conflict(path="a", base=file("a"), ours=file("a", 2), theirs=None)
    assert str(conflict) == "'a': changed by ours, removed by theirs"
    conflict = merged_from([], [file("a")], [file("a/b")]).conflicts[0]
    assert conflict.theirs == file("a/b")
    assert "'a' is a file on one side, and the folder of 'a/b' on the other" in str(conflict)


def test_an_empty_folder_is_in_nobodys_way() -> None:
    found = merged_from([], [file("a/b")], [Entry("a", Kind.FOLDER, 0, "")])
    assert (found.changes, found.conflicts) == ((("a/b", file("a/b")),), ())
    found = merged_from([], [Entry("a", Kind.FOLDER, 0, "")], [file("a/b")])
    assert found.conflicts == ()


def test_refusals_of_a_node_below_show_in_differences() -> None:
    kept = Kept()
    bad = Tree(kept.node(0, [["../a", "f", 1, name_of("")]]), kept)
    with pytest.raises(ManifestRefused, match=r"\.\./a"):
        list(differences(kept.tree([file("a")]), bad))


def test_changes_and_entries_are_read_at_a_glance() -> None:
    old, new = Entry("a", Kind.FILE, 1000, name_of("x")), Entry("b/c", Kind.CHUNKED, 5, name_of("y"), True)
    assert repr(old) == f"<Entry 'a': file, 1,000 bytes, {name_of('x')[:12]}>"
    assert repr(new) == f"<Entry 'b/c': program, 5 bytes, {name_of('y')[:12]}>"
    assert repr(Entry("l", Kind.LINK, 0, "../a")) == "<Entry 'l': link, 0 bytes, '../a'>"
    assert repr([Change("a", None, old)]) == "[<added 'a': 1,000 bytes>]"
    assert repr(Change("a", old, None)) == "<removed 'a': 1,000 bytes>"
    assert repr(Change("a", old, old._replace(size=7))) == "<modified 'a': 1,000 → 7 bytes>"
    assert repr(Change("z", old, old._replace(path="z"))) == "<moved 'a' → 'z': 1,000 bytes>"
