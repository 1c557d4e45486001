"""JSON files: what is wrong with them, and where; writing all or nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meristem.bundles import read_json, write_json
from meristem.bundles.json_file import parse_json
from meristem.errors import InputError, MeristemError


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "f.json is empty. It must hold a JSON object: { … }."),
        (" \n", "f.json is empty. It must hold a JSON object: { … }."),
        ("[1]", "f.json holds a list. It must hold a JSON object: { … }."),
        ("3", "f.json holds a single value. It must hold a JSON object: { … }."),
        (
            '{\n  "a": 1\n  "b": 2\n}',
            "f.json:3:3: is not JSON: expecting ',' delimiter. See what stands there, and just before it.",
        ),
        (
            '{"a": {"b": 1}',
            "f.json:1:15: is not JSON: expecting ',' delimiter. "
            "It ends too early: a } or ] is missing, or the file was cut off.",
        ),
        ("{'a': 1}", 'Text and keys stand in double quotes: "…".'),
        ('{"a": True}', "f.json:1:7: is not JSON: expecting value. Write true, false or null."),
        ('{"a": 1, // why\n"b": 2}', 'JSON has no comments; park text under a key such as "_comment".'),
        ('{"a": [1, 2,]}', "Take the last comma away."),
        ('{"a": 1,}', "Take the last comma away."),
        ('{"a": 1} x', "f.json:1:10: is not JSON: extra data. See what stands there, and just before it."),
        ('{"a": "x\ny"}', "f.json:1:9: is not JSON: invalid control character at."),
        ('{"a": ' + "[" * 200 + "]" * 200 + "}", "f.json is nested more than 100 deep."),
        ('{"a": ' + "[" * 200_000, "f.json is nested more than 100 deep."),
        ('{"a": ' + "1" * 5000 + "}", "f.json cannot be read as JSON: Exceeds the limit"),
    ],
)
def test_what_is_no_json_object_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_json(text, "f.json")
    assert told in str(caught.value)


def test_keys_that_stand_twice_are_told_with_both_places() -> None:
    text = '{"a": 1,\n "b": [{"x": "\\",:{", "x\\u0020": 3, "x": 2}, {"x": 1}],\n "a": {"b": 1, "c": 2, "b": 3}}'
    with pytest.raises(InputError) as caught:
        parse_json(text, "f.json")
    assert list(caught.value.problems) == [
        "f.json:2:37: b[0].x stands here again (first at 2:9)",
        "f.json:3:2: a stands here again (first at 1:2)",
        "f.json:3:24: a.b stands here again (first at 3:8)",
    ]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_bytes(b'\xef\xbb\xbf{"a": "\xc3\xa9"}')
    assert read_json(tmp_path / "f.json") == {"a": "é"}


def test_paths_with_spaces_and_unicode(tmp_path: Path) -> None:
    path = tmp_path / "größe 1" / "conf ig.json"
    path.parent.mkdir()
    write_json(path, {"a": 1})
    assert read_json(str(path)) == {"a": 1}


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b'{"a": 1,\n "b": "\xe9"}')
    os.mkfifo(tmp_path / "pipe.json")
    for path, told in (
        (tmp_path / "none.json", "There is no file .*none.json. Check the name."),
        (tmp_path / "no" / "none.json", "There is no folder .*/no, either."),
        (tmp_path, "is a folder. Give the JSON file in it."),
        (tmp_path / "pipe.json", "is no regular file."),
        (tmp_path / "latin.json", "latin.json:2:8: is not UTF-8 text. Save it as UTF-8."),
        (tmp_path / ("x" * 300), "cannot be read: "),
    ):
        with pytest.raises(InputError, match=told):
            read_json(path)


def test_a_file_without_permission_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f.json").write_text("{}")

    def refused(self: Path) -> bytes:  # tests may run as root, who may read anything
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(InputError, match=r"may not be read\. Give yourself the right: chmod u"):
        read_json(tmp_path / "f.json")


def test_equal_data_gives_equal_bytes_with_keys_in_their_order(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": {"é": [1.5, None]}})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == (
        '{\n  "b": 1,\n  "a": {\n    "é": [\n      1.5,\n      null\n    ]\n  }\n}\n'
    )


def test_writing_leaves_what_a_link_leads_to(tmp_path: Path) -> None:
    write_json(tmp_path / "base.json", {"a": 1})
    (tmp_path / "trial.json").symlink_to(tmp_path / "base.json")
    write_json(tmp_path / "trial.json", {"a": 2})
    assert read_json(tmp_path / "base.json") == {"a": 1}
    assert read_json(tmp_path / "trial.json") == {"a": 2}


def test_a_hard_link_to_the_base_is_not_written_through(tmp_path: Path) -> None:
    write_json(tmp_path / "base.json", {"a": 1})
    (tmp_path / "trial.json").hardlink_to(tmp_path / "base.json")
    write_json(tmp_path / "trial.json", {"a": 2})
    assert read_json(tmp_path / "base.json") == {"a": 1}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(tmp_path / "f.json", {"a": 1})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MeristemError, match=r"f.json cannot be written: No space left on device\."):
        write_json(tmp_path / "f.json", {"a": 2})
    assert read_json(tmp_path / "f.json") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["f.json"]


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(MeristemError, match="cannot be written: No such file"):
        write_json(tmp_path / "no" / "f.json", {})


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.dictionaries(st.text(st.characters()), json_values, max_size=3))
def test_what_is_written_is_read_back(data: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("json") / "f.json"
    write_json(path, data)
    assert read_json(path) == data


def test_numbers_that_trainings_may_write_are_read() -> None:
    assert json.dumps(parse_json('{"a": Infinity, "b": -Infinity}', "f")) == '{"a": Infinity, "b": -Infinity}'
