"""JSON and JSON lines: arrays of objects as tables, everything else by its shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.datasets.previews.samples import one

from meristem.datasets.previews import Limits
from meristem.datasets.previews.json_files import short_json
from meristem.datasets.previews.preview import FileKind

RECORDS = [{"id": i, "score": i / 4, "kind": "ab"[i % 2], "more": {"x": [i]}} for i in range(40)]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_of_objects_is_a_table(indent: int | None) -> None:
    found = one("r.json", json.dumps(RECORDS, indent=indent).encode())
    assert found.table is not None
    assert (found.kind, found.table.rows) == (FileKind.TABLE, 40)
    types = {column.name: column.type.value for column in found.table.columns}
    assert types == {"id": "int", "score": "float", "kind": "category", "more": "text"}
    assert found.table.head[3] == ("3", "0.75", "b", '{"x":[3]}')


@pytest.mark.parametrize("path", ["r.jsonl", "r.json"])
def test_json_lines_are_a_table_whatever_they_are_called(path: str) -> None:
    found = one(path, "\n".join(map(json.dumps, RECORDS)).encode())
    assert found.table is not None
    assert (found.format, found.table.rows) == ("JSON lines", 40)


def test_broken_lines_are_counted() -> None:
    found = one("r.jsonl", b'{"a":1}\n{"a":\n{"a":3}\n')
    assert found.table is not None
    assert found.table.rows == 2
    assert found.notes == ("1 line is no JSON: line 2, Expecting value.",)


def test_an_object_is_shown_by_its_keys() -> None:
    found = one("c.json", b'{"name": "demo", "classes": ["cat", "dog"], "size": {"w": 3}}')
    assert dict(found.facts) == {
        "keys": 3, "name": '"demo"', "classes": 'array of 2 (text): ["cat","dog"]', "size": 'object of 1 key: {"w":3}',
    }  # fmt: skip


def test_a_document_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    found = one("r.json", json.dumps(RECORDS).encode()[:-20])
    assert found.table is not None
    assert found.table.rows == 39
    assert found.notes[0].startswith("Read only up to character")


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("value", [RECORDS[:3], {"a": {"b": [1, 2]}, "c": "d", "e": [{}, None]}, ["a", 1, []]])
def test_a_document_that_is_cut_off_anywhere_says_so(value: Any, indent: int | None) -> None:
    content = json.dumps(value, indent=indent).encode()
    assert one("r.json", content).notes == ()
    for end in range(1, len(content)):
        notes = " ".join(one("r.json", content[:end]).notes)
        assert "the file ends in the middle" in notes, content[:end]


@pytest.mark.parametrize("content", [b'{"a": 1} {', b"[1, 2] x", b'{"a": 1}\n{"b":', b"1 2", b"{} 1", b"[] 1"])
def test_what_follows_a_document_is_told(content: bytes) -> None:
    assert one("r.json", content).notes[0].endswith("the document ends there, the file does not.")


def test_keys_that_come_late_are_told() -> None:
    rows = [{"a": 1}] * 150 + [{"a": 1, "b": 2}]
    assert "further key, such as 'b'" in " ".join(one("r.json", json.dumps(rows).encode()).notes)


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b'[{"a":' + b"[" * 100_000,
     b"[1," + b"[" * 100_000],
)  # fmt: skip
def test_what_is_nested_too_deeply_is_told(content: bytes) -> None:
    assert "nested too deeply" in " ".join(one("deep.json", content).notes)
    assert "nested too deeply" in " ".join(one("deep.jsonl", content).notes)


def test_documents_that_would_take_much_memory_are_read_in_part() -> None:
    found = one("many.json", b"[[" + b"[]," * 600_000 + b"[]]]")
    assert found.notes == ("Only its head was read: the file is large.",)


def test_large_numbers_and_no_numbers_are_no_mistake() -> None:
    found = one("r.json", b'[{"a":1e400},{"a":NaN},{"a":3},{"a":%s}]' % (b"1" * 400))
    assert found.table is not None
    assert (found.table.columns[0].count, found.table.columns[0].infinite) == (3, 2)
    assert one("r.json", b'[{"a":%s}]' % (b"1" * 10_000)).notes


def test_of_a_large_array_the_head_is_read() -> None:
    content = json.dumps(RECORDS * 100).encode()
    found = one("r.json", content, Limits(whole_bytes=10_000, head_bytes=20_000))
    assert found.table is not None
    assert found.table.rows is None
    assert found.table.about == pytest.approx(4000, rel=0.1)


@settings(max_examples=15, deadline=None)
@given(VALUES, st.integers(0, 50))
def test_any_document_is_shown_also_where_it_is_cut_off(value: Any, cut: int) -> None:
    content = json.dumps(value).encode()
    for text in (content[: max(1, len(content) - cut)], b"[" + content + b"]", content + b"\n" + content):
        for path in ("v.json", "v.jsonl"):
            assert not any("cannot be shown" in note for note in one(path, text).notes)


@given(VALUES, st.integers(5, 60))
def test_short_json_is_short(value: Any, longest: int) -> None:
    text = short_json(value, longest)
    assert len(text) <= max(longest + 2, 2 * longest) or not isinstance(value, (dict, list))
