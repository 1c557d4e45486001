"""Trees of entries: their shape, looking up, listing, and changes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_nodes import Kept, entries_at, file, folders_of_entries, name_of, paths, root_by_definition

from meristem.errors import EntryNotFound, ManifestRefused
from meristem.manifests import EMPTY, EMPTY_NODE, EMPTY_OBJECT, Entry, Kind, Tree, building, encode_recipe, sort_key
from meristem.manifests.shape import rank

pytestmark = pytest.mark.usefixtures("often_ending")


def in_order(entries: dict[str, Entry]) -> list[Entry]:
    return [entries[path] for path in sorted(entries, key=sort_key)]


@given(folders_of_entries())
def test_a_tree_is_what_its_definition_says_and_gives_its_entries_back(entries: dict[str, Entry]) -> None:
    kept = Kept()
    tree = kept.tree(entries.values())
    assert tree.root == root_by_definition(entries.values())
    assert list(tree.entries()) == in_order(entries)
    assert (tree.entries_count, tree.bytes_count) == (len(entries), sum(e.size for e in entries.values()))


@given(folders_of_entries(), st.data())
def test_a_changed_tree_is_the_tree_of_the_changed_entries(entries: dict[str, Entry], data: st.DataObject) -> None:
    kept = Kept()
    tree = kept.tree(entries.values())
    for _ in range(3):
        known = st.sampled_from(sorted(entries)) if entries else paths
        touched = data.draw(st.lists(st.one_of(known, paths), max_size=12))
        changes = [(path, data.draw(st.none() | entries_at(path))) for path in touched]
        for path, entry in changes:
            entries.pop(path, None)
            if entry is not None:
                entries[path] = entry
        tree = Tree(tree.updated(changes, kept.save), kept)
        assert tree.root == root_by_definition(entries.values())
        assert list(tree.entries()) == in_order(entries)


def test_what_is_saved_on_the_way_is_needed_at_the_end() -> None:
    pool = [f"{number:03}" for number in range(60)]
    shuffled = random.Random(7)
    for _ in range(60):
        before, after = (shuffled.sample(pool, shuffled.randrange(1, 60)) for _ in range(2))
        kept = Kept()
        tree = kept.tree(map(file, before))
        kept.saved.clear()
        changes = [(path, file(path, 2) if path in after else None) for path in pool]
        changed = Tree(tree.updated(changes, kept.save), kept)
        assert set(kept.saved) <= {name for what, name in changed.names() if what == "node"}


def test_all_of_a_tree_can_be_removed_but_one_subtree() -> None:
    kept = Kept()
    everything = {str(number): file(str(number)) for number in range(300)}
    tree = kept.tree(everything.values())
    subtrees = [name for what, name in tree.names() if what == "node"]
    only_children = 0
    for name in subtrees:
        left = {entry.path: entry for entry in Tree(name, kept).entries()}
        removed = [(path, None) for path in everything if path not in left]
        assert tree.updated(removed, kept.save) == root_by_definition(left.values())
        only_children += Tree(name, kept).top.level > 0 and len(Tree(name, kept).top.rows) == 1
    assert only_children > 3  # they are not what remains: their child is
    assert tree.updated([(path, None) for path in everything], kept.save) == EMPTY


@given(folders_of_entries(), paths, st.integers(0, 8), st.none() | st.integers(0, 8))
def test_listing_a_part_is_a_part_of_the_list(
    entries: dict[str, Entry], prefix: str, start: int, stop: int | None
) -> None:
    tree = Kept().tree(entries.values())
    expected = [entry for entry in in_order(entries) if entry.path.startswith(prefix)]
    assert list(tree.entries(prefix)) == expected
    assert list(tree.entries(prefix, start, stop)) == expected[start:stop]
    assert list(tree.entries(start=start, stop=stop)) == in_order(entries)[start:stop]


@given(folders_of_entries(), st.just("") | paths)
def test_the_children_of_a_folder_are_files_and_folders(entries: dict[str, Entry], folder: str) -> None:
    prefix = f"{folder}/" if folder else ""
    below = [path for path in entries if path.startswith(prefix)]
    expected: set[tuple[str, Entry | None]] = set()
    for path in below:
        name, slash, _ = path[len(prefix) :].partition("/")
        expected.add((prefix + name, None if slash else entries[path]._replace(facts=None)))
    found = list(Kept().tree(entries.values()).children(folder))
    assert {(path, entry and entry._replace(facts=None)) for path, entry in found} == expected
    assert len(found) == len(expected)


def test_listing_a_folder_does_not_read_what_lies_below_its_folders() -> None:
    kept = Kept()
    tree = kept.tree(file(f"{number % 3}/{number:04}") for number in range(3000))
    kept.loaded.clear()
    assert list(tree.children()) == [("0", None), ("1", None), ("2", None)]
    assert len(kept.loaded) < 60


@given(folders_of_entries(), paths)
def test_a_path_is_found_where_it_is_and_nowhere_else(entries: dict[str, Entry], path: str) -> None:
    tree = Kept().tree(entries.values())
    assert [tree.find(known) for known in entries] == list(entries.values())
    assert tree.find(path) == entries.get(path)
    assert tree.find("zzz") is None
    assert tree.find("\ud800") is None
    with pytest.raises(EntryNotFound, match="zzz"):
        tree.get("zzz")


def test_one_change_reads_and_writes_one_node_a_level() -> None:
    kept = Kept()
    tree = kept.tree(file(f"{number:05}") for number in range(4000))
    depth = tree.top.level + 1
    assert depth == 5
    kept.loaded.clear()
    kept.saved.clear()
    changed = Tree(Tree(tree.root, kept).updated([("02000", file("02000", 2))], kept.save), kept)
    assert len(kept.loaded) <= depth
    assert len(kept.saved) <= depth
    assert changed.get("02000") == file("02000", 2)


def test_no_change_writes_nothing_and_gives_the_same_root() -> None:
    kept = Kept()
    tree = kept.tree(map(file, "abcdefghi"))
    kept.saved.clear()
    assert tree.updated([], kept.save) == tree.root
    assert kept.saved == []
    assert tree.updated([("zz", None), ("a", file("a"))], kept.save) == tree.root


def test_of_several_changes_to_a_path_the_last_one_counts() -> None:
    kept = Kept()
    tree = kept.tree([])
    assert tree.updated([("a", file("a")), ("a", file("a", 2))], kept.save) == kept.tree([file("a", 2)]).root
    assert tree.updated([("a", file("a")), ("a", None)], kept.save) == EMPTY


def test_the_empty_manifest_needs_no_object() -> None:
    kept = Kept()
    tree = kept.tree([])
    assert (tree.root, tree.entries_count, tree.bytes_count) == (EMPTY, 0, 0)
    assert [*tree.entries(), *tree.names(), *kept.saved, *kept.loaded] == []
    assert name_of(EMPTY_NODE.decode()) == EMPTY


def test_the_names_of_a_tree_are_all_objects_that_it_needs() -> None:
    kept = Kept()
    recipe = kept.save(encode_recipe([(name_of("x"), 3), (name_of("y"), 4)]))
    entries = [Entry(f"big{n}", Kind.CHUNKED, 7, recipe, n == 1) for n in range(2)]
    entries += [
        Entry("none", Kind.FILE, 0, EMPTY_OBJECT),
        Entry("l", Kind.LINK, 0, "big0"),
        Entry("d", Kind.FOLDER, 0, ""),
    ]
    entries += [Entry("u", Kind.EXTERNAL, 5, "https://x/y"), *(file(f"f{number}") for number in range(50))]
    kept.saved.clear()
    tree = kept.tree(entries)
    named = set(tree.names())
    assert {name for what, name in named if what == "node"} == set(kept.saved)
    assert {name for what, name in named if what == "recipe"} == {recipe}
    assert {name for what, name in named if what == "chunk"} == {
        name_of("x"), name_of("y"), *(file(f"f{number}").content for number in range(50))
    }  # fmt: skip


def test_names_that_were_seen_are_not_looked_into_again() -> None:
    kept = Kept()
    tree = kept.tree(file(f"{number:04}") for number in range(1000))
    seen: set[str] = set()
    for _, name in tree.names_new(seen.__contains__):
        seen.add(name)
    changed = Tree(tree.updated([("0500", file("0500", 2))], kept.save), kept)
    kept.loaded.clear()
    new = [(what, name) for what, name in changed.names_new(seen.__contains__) if name not in seen]
    assert len(kept.loaded) == len([name for what, name in new if what == "node"]) <= 5
    assert ("chunk", file("0500", 2).content) in new
    assert list(tree.names_new(seen.__contains__)) == []


def test_nodes_are_announced_before_they_are_read() -> None:
    kept = Kept()
    tree = Tree(kept.tree(file(f"{number:04}") for number in range(300)).root, kept)
    assert len(list(tree.entries())) == 300
    assert set(kept.loaded) == {tree.root, *kept.expected}


@pytest.mark.parametrize("entries", [["b", "a"], ["a", "a"], ["\udcff", "\uffff"]])
def test_entries_out_of_order_are_refused(entries: list[str]) -> None:
    with pytest.raises(ManifestRefused, match="sorted") as refused:
        building.build(map(file, entries), Kept().save)
    assert refused.value.path == entries[1]


@pytest.mark.parametrize(
    "entry",
    [
        file("a/../b"),
        file("/a"),
        file("a//b"),
        file("a/"),
        file("."),
        file("a\0b"),
        Entry("\ud800", Kind.FILE, 1, name_of("")),
        Entry("\udcc3\udca4", Kind.FILE, 1, name_of("")),  # a second spelling of "ä"
        Entry("a", Kind.FILE, -1, name_of("")),
        Entry("a", Kind.FILE, 2**63, name_of("")),
        Entry("a", Kind.FILE, True, name_of("")),
        Entry("a", Kind.FILE, 1, name_of("").upper()),
        Entry("a", Kind.CHUNKED, 1, "abc"),
        Entry("a", Kind.LINK, 0, ""),
        Entry("a", Kind.LINK, 0, "b\0"),
        Entry("a", Kind.LINK, 0, "\ud800"),
        Entry("a", Kind.LINK, 0, "b", executable=True),
        Entry("a", Kind.FOLDER, 0, "b"),
        Entry("a", Kind.FOLDER, 1, ""),
        Entry("a", Kind.EXTERNAL, 1, ""),
        Entry("a", Kind.FILE, 1, name_of(""), facts={}),
        Entry("a", Kind.EXTERNAL, 1, "u", facts={"x": object()}),
        Entry("a", Kind.EXTERNAL, 1, "u", facts={"x": float("nan")}),
        Entry("a", "z", 1, ""),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_an_entry_that_no_version_may_hold_is_refused(entry: Entry) -> None:
    kept = Kept()
    with pytest.raises(ManifestRefused):
        building.build([entry], kept.save)
    with pytest.raises(ManifestRefused):
        kept.tree([file("0"), file("1")]).updated([(entry.path, entry)], kept.save)


def test_a_change_has_the_entry_of_its_path() -> None:
    kept = Kept()
    with pytest.raises(ManifestRefused, match="'a' cannot get"):
        kept.tree([]).updated([("a", file("b"))], kept.save)


def test_one_path_of_128_ends_a_leaf_also_of_numbered_names() -> None:
    ranks = [rank(f"images/{number:06}.png".encode()) for number in range(60_000)]
    assert 350 < sum(r >= 1 for r in ranks) < 600
    assert 0 < sum(r >= 2 for r in ranks) < 16
    assert max(ranks) <= 4
