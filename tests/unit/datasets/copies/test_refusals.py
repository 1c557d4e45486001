"""Versions made by hand, which no copy may follow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.datasets.copies.versions import Memory, content, link

from meristem.datasets.copies import checks, link_copy, local_copy, mutable_copy
from meristem.errors import CopyRefused, ManifestRefused, MeristemError
from meristem.manifests.entry import Entry
from meristem.manifests.tree import Tree


def by_hand(memory: Memory, *rows: tuple[str, str, int, str]) -> Tree:
    node = json.dumps({"level": 0, "rows": rows}, separators=(",", ":")).encode()
    return Tree(memory.put(node), memory)


def refused(memory: Memory, tree: Tree, tmp_path: Path) -> None:
    for copy in (
        lambda: local_copy(tree, memory, cache=tmp_path / "cache"),
        lambda: mutable_copy(tree, memory, tmp_path / "own"),
        lambda: link_copy(tree, memory, tmp_path / "linked", tmp_path / "cache"),
    ):
        with pytest.raises(ManifestRefused):
            copy()
    assert not (tmp_path / "own").exists()
    assert not (tmp_path / "linked").exists()
    assert not list((tmp_path / "cache/copies/incoming").iterdir())
    assert not memory.asked


@pytest.mark.parametrize("path", ["../out", "/etc/cron.d/out", "a/../../out", "a//b", "./a", "a\0b", ""])
def test_paths_that_lead_out_are_refused(memory: Memory, tmp_path: Path, path: str) -> None:
    refused(memory, by_hand(memory, (path, "f", 1, memory.put(b"x"))), tmp_path)


@pytest.mark.parametrize("target", ["/etc", "../out", "a/../../out"])
def test_links_that_lead_out_are_refused(memory: Memory, tmp_path: Path, target: str) -> None:
    refused(memory, by_hand(memory, ("link", "l", len(target), target)), tmp_path)


def test_a_file_below_a_link_is_refused(memory: Memory, tmp_path: Path) -> None:
    rows = (("a", "l", 1, "b"), ("a/f", "f", 1, memory.put(b"x")), ("b/f", "f", 1, memory.put(b"x")))
    refused(memory, by_hand(memory, *rows), tmp_path)


def test_twins_are_refused_where_case_is_not_told_apart(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = memory.files({"Readme": b"1", "readme": b"2"})
    assert content(mutable_copy(tree, memory, tmp_path / "both")) == {"Readme": b"1", "readme": b"2"}
    memory.asked.clear()
    monkeypatch.setattr(checks._Probe, "folds_case", lambda probe: True)
    refused(memory, tree, tmp_path)


def test_names_that_the_file_system_does_not_take_are_listed_before_anything_is_written(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = memory.files({"ok": b"1", "a:b": b"2", "c?": b"3", "c:d": b"4"})
    monkeypatch.setattr(checks._Probe, "_takes", lambda probe, odd: odd != ":")
    with pytest.raises(CopyRefused) as caught:
        mutable_copy(tree, memory, tmp_path / "own")
    assert caught.value.problems == ("'a:b': the file system takes no name with ':'",)
    assert not (tmp_path / "own").exists()


def test_names_and_paths_that_are_too_long_here_are_listed(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.pathconf", lambda path, what: 143)  # as on eCryptfs
    tree = memory.files({"ü" * 72: b"1", "/".join(["d" * 100] * 40): b"2", "é" * 71: b"3"})
    with pytest.raises(CopyRefused) as caught:
        mutable_copy(tree, memory, tmp_path / ("above" * 10) / "own")
    assert len(caught.value.problems) == 2
    assert not (tmp_path / "own").exists()


def test_odd_names_are_tried_and_written_where_they_can_be(memory: Memory, tmp_path: Path) -> None:
    files = {'<>:"|?*\\': b"1", "dots..": b"2", "space ": b"3", "\udcff": b"4", "tab\t": b"5"}
    assert content(mutable_copy(memory.files(files), memory, tmp_path / "own")) == files


def test_a_file_in_the_way_of_the_folder_is_an_error_of_ours(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MeristemError):
        mutable_copy(memory.files({"a": b"1"}), memory, tmp_path / "file")
    with pytest.raises(MeristemError):
        local_copy(memory.files({"a": b"1"}), memory, cache=tmp_path / "file")


def test_what_does_not_go_together_is_refused(memory: Memory, cache: Path) -> None:
    tree = memory.files({"a": b"1"})
    wrongs = ({"part": 0}, {"num_parts": 2}, {"part": 2, "num_parts": 2}, {"part": 0, "num_parts": 1, "files": ["a"]})
    for wrong in (*wrongs, {"files": ["a", "b", "c*"]}):
        with pytest.raises(CopyRefused):
            local_copy(tree, memory, cache=cache, **wrong)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"part": 0}, r"num_parts \(--of\) is missing"),
        ({"num_parts": 2}, r"part \(--part\) is missing"),
        ({"files": ["no*"]}, "meristem data files PROJECT/NAME"),
    ],
)
def test_what_is_missing_is_told(memory: Memory, cache: Path, wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(CopyRefused, match=told):
        local_copy(memory.files({"a": b"1"}), memory, cache=cache, **wrong)


def test_links_inside_are_kept(memory: Memory, tmp_path: Path) -> None:
    entries: tuple[Entry, ...] = (memory.file("a/b/f", b"x"), link("a/up", "../a/b"), link("broken", "nowhere"))
    copy = mutable_copy(memory.tree(*entries), memory, tmp_path / "own")
    assert content(copy) == {"a/b/f": b"x", "a/up": "../a/b", "broken": "nowhere"}
