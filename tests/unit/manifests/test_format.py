"""The format of nodes: pinned, and what a node made by hand must not say."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_nodes import Kept, file, name_of, root_by_definition

from meristem.errors import ManifestRefused
from meristem.manifests import EMPTY, EMPTY_OBJECT, Entry, Kind, Tree, build, check_path
from meristem.manifests.entry import are_object_names, check_paths

NAME = name_of("")
ROW: list[Any] = ["a", "f", 1, NAME]


def test_the_format_stays_as_it_is() -> None:
    assert EMPTY == "0fb0f18323bb0c41bfe8f955b950a68733bc9c1799a591f97eeaa0eeb727163d"
    kept = Kept()
    root = kept.tree(
        [
            Entry("a/ä\udcff", Kind.FILE, 3, NAME, True),
            Entry("b", Kind.LINK, 0, "a"),
            Entry("c", Kind.EXTERNAL, 9, "s3://x/y", False, {"hash": None, "etag": "1"}),
        ]
    ).root
    assert kept.objects[root] == (
        b'{"level":0,"rows":[["a/\\u00e4\\udcff","fx",3,"%s"],["b","l",0,"a"],'
        b'["c","u",9,"s3://x/y",{"etag":"1","hash":null}]]}' % NAME.encode()
    )
    many = [file(f"images/{number:05}.png") for number in range(20_000)]
    assert (
        kept.tree(many).root
        == root_by_definition(many)
        == "94b43bb9f967475147c44a1512cacd972840b2e2436d904ece336ab206e1272c"
    )


def test_changes_of_a_large_tree_give_the_tree_of_the_changed_entries() -> None:
    kept = Kept()
    entries = {f"images/{number:05}.png": file(f"images/{number:05}.png") for number in range(10_000)}
    tree = kept.tree(entries.values())
    assert tree.top.level == 2
    for start, step, remove in ((0, 37, True), (5, 997, False), (9_500, 1, True), (1, 128, True)):
        changes: list[tuple[str, Entry | None]] = []
        for path in sorted(entries)[start::step]:
            changes.append((path, None if remove else file(path, 2)))
            changes.append((path + ".txt", file(path + ".txt")))
        for path, entry in changes:
            entries.pop(path, None)
            if entry is not None:
                entries[path] = entry
        tree = Tree(tree.updated(changes, kept.save), kept)
        assert tree.root == root_by_definition(entries.values())


@pytest.mark.parametrize(
    "row",
    [
        ["../a", "f", 1, NAME],
        ["a/../../b", "f", 1, NAME],
        ["/etc/passwd", "f", 1, NAME],
        ["a//b", "f", 1, NAME],
        ["./a", "f", 1, NAME],
        ["a/", "f", 1, NAME],
        ["", "f", 1, NAME],
        ["a\0", "f", 1, NAME],
        ["\ud800", "f", 1, NAME],
        ["\udcc3\udca4", "f", 1, NAME],
        [7, "f", 1, NAME],
        ["a", "q", 1, NAME],
        ["a", ["f"], 1, NAME],
        ["a", "f", "1", NAME],
        ["a", "f", -1, NAME],
        ["a", "f", 1.0, NAME],
        ["a", "f", True, NAME],
        ["a", "f", 10**30, NAME],
        ["a", "f", 1, NAME[:-1]],
        ["a", "f", 1, NAME.upper()],
        ["a", "f", 1, NAME[:-2] + " a"],
        ["a", "f", 1, NAME[:-2] + "  "],
        ["a", "f", 1, NAME + "00"],
        ["a", "f", 1, None],
        ["a", "l", 0, ""],
        ["a", "l", 0, 3],
        ["a", "d", 0, "x"],
        ["a", "u", 1, "s3://x"],
        ["a", "u", 1, "s3://x", 3],
        ["a", "f", 1, NAME, None],
        ["a", "f", 1],
        ["a", "f", 1, NAME, None, 1],
        "afff",
        {"a": 1, "b": 2, "c": 3, "d": 4},
        None,
        [],
    ],
)
def test_a_leaf_made_by_hand_is_refused_and_the_path_is_named(row: Any) -> None:
    kept = Kept()
    for rows in ([row], [["!", "f", 1, NAME], row], [row, ["zz", "f", 1, NAME], ["zzz", "l", 0, "x"]]):
        tree = Tree(kept.node(0, rows), kept)
        with pytest.raises(ManifestRefused) as refused:
            list(tree.entries())
        if isinstance(row, list) and row and isinstance(row[0], str):
            assert refused.value.path == row[0]
            assert repr(row[0]) in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b'{"rows":[]}',
        b'{"level":"0","rows":[]}',
        b'{"level":false,"rows":[["a","l",0,"b"]]}',
        b'{"level":9,"rows":[]}',
        b'{"level":1,"rows":[]}',
        b'{"level":0,"rows":{}}',
        b'{"level":0,"rows":[],"more":1}',
        b'{"level":0,"rows":[["\xc3\xa4","f",1,""]]}',
        b"[" * 100_000,
        b'{"level":0,"rows":[["a","f",' + b"9" * 5000 + b',""]]}',
    ],
)
def test_bytes_that_are_no_node_are_refused(content: bytes) -> None:
    kept = Kept()
    with pytest.raises(ManifestRefused):
        Tree(kept.save(content), kept).entries_count  # noqa: B018


@pytest.mark.parametrize("rows", [["b", "a"], ["a", "a"], ["ä", "a"], ["a", "\udcff", "\U00010000"]])
def test_a_leaf_out_of_order_is_refused(rows: list[str]) -> None:
    kept = Kept()
    with pytest.raises(ManifestRefused, match="sorted") as refused:
        list(Tree(kept.node(0, [[path, "f", 1, NAME] for path in rows]), kept).entries())
    assert refused.value.path == rows[-1]


def test_bytes_that_are_no_text_stand_in_the_order_of_bytes() -> None:
    kept = Kept()
    rows = [[path, "f", 1, NAME] for path in ("a", "\udc80", "ä", "\uffff", "\U00010000", "\udcff")]
    assert len(list(Tree(kept.node(0, rows), kept).entries())) == 6


@pytest.mark.parametrize(
    ("told", "match"),
    [
        (["c", None, 2, 2], None),
        (["c", None, 3, 2], "not what its parent says"),
        (["c", None, 2, 3], "not what its parent says"),
        (["d", None, 2, 2], "not what its parent says"),
        (["c", None, 0, 2], "whole number"),
        (["c", None, 2, -1], "bytes"),
        (["c", "x", 2, 2], "name of an object"),
        (["../c", None, 2, 2], "refused"),
        (["c", None, 2], "none of a manifest"),
    ],
)
def test_an_inner_node_that_lies_is_refused(told: list[Any], match: str | None) -> None:
    kept = Kept()
    child = kept.node(0, [["b", "f", 1, NAME], ["c", "f", 1, NAME]])
    first = kept.node(0, [["a", "f", 1, NAME]])
    rows = [["a", first, 1, 1], [part if part is not None else child for part in told]]
    tree = Tree(kept.node(1, rows), kept)
    if match is None:
        assert len(list(tree.entries())) == 3
        return
    with pytest.raises(ManifestRefused, match=match):
        list(tree.entries())


def test_paths_outside_of_what_the_parent_gives_a_node_are_refused() -> None:
    kept = Kept()
    low = kept.node(0, [["b", "f", 1, NAME], ["c", "f", 1, NAME]])
    rows = [["b", kept.node(0, [["b", "f", 1, NAME]]), 1, 1], ["c", low, 2, 2]]
    tree = Tree(kept.node(1, rows), kept)
    with pytest.raises(ManifestRefused, match="above 'b'") as refused:
        list(tree.entries())
    assert refused.value.path == "b"


def test_the_same_holds_for_the_first_leaf_of_a_node_further_up() -> None:
    kept = Kept()
    left = kept.node(1, [["a", kept.node(0, [ROW]), 1, 1]])
    right = kept.node(1, [["c", kept.node(0, [["Z", "f", 1, NAME], ["c", "f", 1, NAME]]), 2, 2]])
    tree = Tree(kept.node(2, [["a", left, 1, 1], ["c", right, 2, 2]]), kept)
    with pytest.raises(ManifestRefused, match="above 'a'"):
        list(tree.entries())


def test_a_child_of_the_wrong_level_is_refused() -> None:
    kept = Kept()
    tree = Tree(kept.node(2, [["a", kept.node(0, [ROW]), 1, 1]]), kept)
    with pytest.raises(ManifestRefused, match="not what its parent says"):
        list(tree.entries())


def test_names_of_objects_have_64_digits_each() -> None:
    assert are_object_names([NAME, NAME])
    assert not are_object_names([NAME[:-1], NAME + "0"])


def test_a_node_that_is_its_own_child_ends() -> None:
    kept = Kept()
    loop = name_of("loop")
    kept.objects[loop] = kept.objects[kept.node(1, [["a", loop, 1, 1], ["b", loop, 1, 1]])]
    with pytest.raises(ManifestRefused):
        list(Tree(loop, kept).entries())


LONGEST = ["a" * 255, "é" * 127, "\udcff" * 255, "𝄞" * 63, ("a" * 255 + "/") * 15 + "a" * 255]
TOO_LONG = ["a" * 256, "é" * 128, "\udcff" * 256, "𝄞" * 64, "b/" + "a" * 256 + "/c", ("a" * 255 + "/") * 16 + "a"]


@pytest.mark.parametrize("path", TOO_LONG)
def test_a_path_of_which_no_copy_could_be_made_is_refused(path: str) -> None:
    kept = Kept()
    with pytest.raises(ManifestRefused, match="file systems take at most") as caught:
        check_path(path)
    assert len(str(caught.value)) < 1000
    assert caught.value.path == path
    with pytest.raises(ManifestRefused, match="file systems take at most"):
        list(Tree(kept.node(0, [[path, "f", 1, NAME]]), kept).entries())
    with pytest.raises(ManifestRefused, match="file systems take at most"):
        build([Entry(path, Kind.FILE, 1, NAME)], kept.save)


@given(
    st.lists(
        st.text(st.sampled_from("a./\0ä\udcff\ud800\udcc3\udca4"), max_size=5) | st.sampled_from(LONGEST + TOO_LONG),
        min_size=1,
        max_size=4,
    )
)
def test_many_paths_are_refused_exactly_where_one_of_them_is(paths: list[str]) -> None:
    def refused(check: Any, *arguments: Any) -> bool:
        try:
            check(*arguments)
        except ManifestRefused:
            return True
        return False

    alone = [refused(check_path, path) for path in paths]
    assert refused(check_paths, paths) == any(alone)
    assert alone == [not _is_sound(path) for path in paths]


def _is_sound(path: str) -> bool:
    try:
        canonical = path.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == path
    except UnicodeEncodeError:
        return False
    is_short = len(os.fsencode(path)) <= 4095 and all(len(os.fsencode(part)) <= 255 for part in path.split("/"))
    return canonical and is_short and "\0" not in path and not {"", ".", ".."} & set(path.split("/"))


def test_the_empty_object_has_the_name_of_no_bytes() -> None:
    assert EMPTY_OBJECT == name_of("") == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
