"""What must not be written to a folder, and recipes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_nodes import file, name_of

from meristem.errors import ManifestRefused
from meristem.manifests import Entry, Kind, check_tree, decode_recipe, encode_recipe, sort_key
from meristem.manifests.checking import leads_out


def link(path: str, target: str) -> Entry:
    return Entry(path, Kind.LINK, 0, target)


def problems(*entries: Entry, **flags: bool) -> tuple[str, ...]:
    try:
        check_tree(sorted(entries, key=lambda entry: sort_key(entry.path)), **flags)
    except ManifestRefused as refused:
        return refused.problems
    return ()


def test_a_sound_tree_passes() -> None:
    assert not problems(
        file("a"), file("a-b"), file("b/c"), file("b/C"), link("b/l", "../a"), Entry("d", Kind.FOLDER, 0, "")
    )


def test_a_path_that_leads_out_is_refused() -> None:
    with pytest.raises(ManifestRefused, match=r"'a/\.\./b' is refused"):
        check_tree([file("a/../b")])


@pytest.mark.parametrize("above", [file("a"), link("a", "b"), Entry("a", Kind.EXTERNAL, 0, "s3://x")])
def test_a_file_that_is_also_a_folder_is_refused(above: Entry) -> None:
    assert problems(above, file("a-b"), file("a/b/c")) == ("'a/b/c' cannot lie below 'a', which is no folder",)
    assert not problems(Entry("a", Kind.FOLDER, 0, ""), file("a/b"))


@pytest.mark.parametrize(
    ("links", "out"),
    [
        ({"l": "a"}, False),
        ({"l": "/etc"}, True),
        ({"l": ".."}, True),
        ({"l": "."}, False),
        ({"a/l": ".."}, False),
        ({"a/l": "../.."}, True),
        ({"a/l": "../b/../.."}, True),
        ({"a/l": "..//./b/"}, False),
        ({"l": "l"}, False),
        ({"l": "m/x", "m": "l"}, False),
        ({"l": "a/b/../..", "a/b": "../c"}, True),  # a/b is c, whose grandparent is outside
        ({"l": "a/b/../..", "a/b": "../c/d/e"}, False),
        ({"l": "m/x", "m": "../y"}, True),
        ({"a/b/c/x": "../../../t", "l": "a/b/c/x/../.."}, True),
    ],
)
def test_a_link_is_followed_as_a_file_system_does(links: dict[str, str], out: bool) -> None:
    path = "l" if "l" in links else next(iter(links))
    assert leads_out(path, links) is out
    found = problems(*(link(at, target) for at, target in links.items()))
    assert any(repr(path) in problem for problem in found) is out
    assert not problems(*(link(at, target) for at, target in links.items()), allow_outward_links=True)


@pytest.mark.parametrize(
    "twins", [("a", "A"), ("d/a", "D/b"), ("a", "A/b"), ("ä", "a\u0308"), ("straße", "STRASSE"), ("x/d/a", "x/D/a")]
)
def test_case_twins_are_refused_where_they_would_be_one(twins: tuple[str, str]) -> None:
    assert not problems(*map(file, twins))
    assert "one path where case is not told apart" in problems(*map(file, twins), folds_case=True)[0]


def test_paths_that_only_share_folders_are_no_twins() -> None:
    assert not problems(file("a/b/c"), file("a/b/d"), file("a/e"), file("f/b/c"), folds_case=True)


def test_many_problems_are_listed_together_but_not_all_of_thousands() -> None:
    assert len(problems(file("a"), *(file(f"a/{number}") for number in range(1000)))) == 20
    assert len(problems(file("a"), file("a/b"), link("c", "/"))) == 2


chunks = st.lists(st.tuples(st.integers(0, 9).map(lambda n: name_of(str(n))), st.integers(1, 2**31)), max_size=5)


@given(chunks)
def test_a_recipe_gives_its_chunks_back(listed: list[tuple[str, int]]) -> None:
    size = sum(length for _, length in listed)
    assert decode_recipe(encode_recipe(listed), size=size) == listed
    with pytest.raises(ManifestRefused, match="its entry says") as refused:
        decode_recipe(encode_recipe(listed), size=size + 1, path="big")
    assert refused.value.path == "big"


def test_the_format_of_a_recipe_stays_as_it_is() -> None:
    assert encode_recipe([(name_of(""), 5), (name_of(""), 7)]) == b'[["%s",5],["%s",7]]' % ((name_of("").encode(),) * 2)


def test_a_recipe_of_a_very_large_file_is_fine() -> None:
    listed = [(name_of("chunk"), 512 * 1024)] * 40_000
    assert decode_recipe(encode_recipe(listed), size=40_000 * 512 * 1024) == listed


@pytest.mark.parametrize(
    "content",
    ["", "{}x", "7", "[7]", '[["a"]]', '[["%s",0]]', '[["%s",-1]]', '[["%s","1"]]', '[["%s",true]]', '[["x",1]]',
     '[[1,1]]', '{"ab":1}', "[" * 100_000, "ä"],
)  # fmt: skip
def test_a_recipe_made_by_hand_is_refused(content: str) -> None:
    with pytest.raises(ManifestRefused):
        decode_recipe(content.replace("%s", name_of("")).encode(), size=1)


def test_a_chunk_without_length_makes_no_recipe() -> None:
    with pytest.raises(ManifestRefused):
        encode_recipe([(name_of(""), 0)])
