"""CSV and its relatives: types, statistics, headers, delimiters, and what is wrong with them."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.datasets.previews.samples import labels, one

from meristem.datasets.previews import Limits
from meristem.datasets.previews.columns import Gathering
from meristem.datasets.previews.preview import Column, ColumnType, FileKind, FilePreview


def columns(preview: FilePreview) -> dict[str, Column]:
    assert preview.table is not None
    return {column.name: column for column in preview.table.columns}


def rows(preview: FilePreview) -> int | None:
    assert preview.table is not None
    return preview.table.rows


def test_a_table_has_types_statistics_and_first_rows() -> None:
    found = one("labels.csv", labels(1000))
    assert (found.kind, found.format, rows(found)) == (FileKind.TABLE, "CSV", 1000)
    by_name = columns(found)
    types = {name: column.type.value for name, column in by_name.items()}
    assert types == {"file": "text", "label": "category", "confidence": "float", "note": "category"}
    assert by_name["label"].top == (("dog", 666), ("cat", 334))
    assert (by_name["note"].missing, by_name["note"].count) == (800, 200)
    expected = np.arange(1000) / 1000
    confidence = by_name["confidence"]
    assert confidence.mean == pytest.approx(expected.mean())
    assert confidence.std == pytest.approx(expected.std(ddof=1))
    assert confidence.quantiles == pytest.approx(np.quantile(expected, [0.05, 0.25, 0.5, 0.75, 0.95]))
    assert confidence.histogram is not None
    assert confidence.histogram.counts == (50,) * 20
    assert found.table is not None
    assert found.table.head[1] == ("img/00001.jpg", "dog", "0.0010", None)
    assert len(found.table.head) == 20


@pytest.mark.parametrize(
    ("cells", "kind"),
    [(["1", "2", "30"], ColumnType.INT), (["1", "2.5", "1e3"], ColumnType.FLOAT), (["", "NA", "nan"], ColumnType.EMPTY),
     (["true", "False", "true"], ColumnType.BOOL), (["yes", "no", ""], ColumnType.BOOL),
     (["2015-02-02 14:19:00", "2015-02-03", ""], ColumnType.DATETIME), (["2015/02/02"] * 2, ColumnType.DATETIME),
     (["2026-01-01T10:00:00+02:00", "2026-01-01T10:00:00Z"], ColumnType.DATETIME),
     (["a", "b", "a"], ColumnType.CATEGORY),
     (["a", "b", "c"], ColumnType.TEXT), (["1_000", "2_000"], ColumnType.TEXT), (["1" * 400, "2"], ColumnType.INT)],
)  # fmt: skip
def test_columns_have_types(cells: list[str], kind: ColumnType) -> None:
    gathering = Gathering("x")
    gathering.add(cells)
    assert gathering.column().type is kind


def test_a_few_values_of_another_kind_are_odd_and_many_make_text() -> None:
    found = columns(one("n.csv", b"x,y\n" + b"".join(b"%d,%d\n" % (i, i) for i in range(95)) + b"?,a\n" * 5))["x"]
    assert (found.type, found.odd, found.odd_value, found.high) == (ColumnType.INT, 5, "?", 94.0)
    mixed = columns(one("n.csv", b"x,y\n" + b"1,1\n" * 80 + b"?,1\n" * 20))["x"]
    assert mixed.type is ColumnType.CATEGORY


def test_infinite_numbers_are_counted_and_change_no_statistic() -> None:
    found = columns(one("n.csv", b"x,y\n1,1\ninf,1\n3,1\n1e308,1\n-1e308,1\n"))["x"]
    assert (found.infinite, found.high, found.histogram) == (1, 1e308, None)
    assert columns(one("n.csv", b"x,y\ninf,1\n-inf,2\n"))["x"].mean is None


def test_bins_of_whole_numbers_hold_equally_many_of_them() -> None:
    gathering = Gathering("x")
    gathering.add([str(n) for n in range(50)])
    found = gathering.column().histogram
    assert found is not None
    assert set(found.counts[:-1]) == {3}
    assert sum(found.counts) == 50


def test_classes_in_numbers_are_counted_one_by_one() -> None:
    found = columns(one("y.csv", b"x,y\n" + b"0.5,0\n0.25,1\n0.125,0\n" * 10))["y"]
    assert (found.type, found.top) == (ColumnType.INT, (("0", 20), ("1", 10)))


def test_a_header_of_row_names_is_completed_as_r_writes_them() -> None:
    found = one("data.txt", b'"date","Light"\n"1","2015-02-02 14:19:00",585.2\n"2","2015-02-02 14:20:00",578.4\n')
    assert list(columns(found)) == ["(row)", "date", "Light"]
    assert columns(found)["date"].type is ColumnType.DATETIME


@pytest.mark.parametrize(
    ("content", "names"),
    [(b"1,2\n3,4\n5,6\n", ["column 1", "column 2"]), (b"a,b\n1,2\n3,4\n", ["a", "b"]),
     (b",name\n0,x\n1,y\n", ["(column 1)", "name"]), (b"u,v\nx,y\nu,z\n", ["column 1", "column 2"]),
     (b"u,v\nx,y\nw,z\n", ["u", "v"]), (b"a,a\n1,2\n", ["column 1", "column 2"])],
)  # fmt: skip
def test_headers_are_found(content: bytes, names: list[str]) -> None:
    assert list(columns(one("t.csv", content))) == names


@pytest.mark.parametrize(
    ("path", "delimiter", "content"),
    [("t.csv", "semicolon", b"a;b\n1,5;2\n2,5;3\n"), ("t.tsv", "tab", b"a\tb\n1,5\t2\n"),
     ("t.csv", "bar", b"a|b\n1|2\n"),
     ("t.csv", "comma", b'a,b\n"x;y;z",2\n"p\nq",3\n'), ("t.txt", "semicolon", b"a;b;c\n1;2;3\n1;2;3\n1;2;3\n")],
)  # fmt: skip
def test_delimiters_are_found(path: str, delimiter: str, content: bytes) -> None:
    found = one(path, content)
    assert dict(found.facts)["delimiter"] == delimiter
    assert found.table is not None
    assert found.table.width == (3 if path == "t.txt" else 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_encodings_are_found(encoding: str) -> None:
    content = ("name,count\n" + "Köln,1\nZürich,2\nOslo town and more of plain text,3\n" * 5).encode(encoding)
    found = one("t.csv", content)
    assert columns(found)["name"].top[0][0] == "Köln"


def test_a_file_in_gzip_is_shown_as_what_it_holds() -> None:
    found = one("labels.csv.gz", gzip.compress(labels(100)))
    assert (found.format, rows(found), next(iter(columns(found)))) == ("CSV in gzip", 100, "file")


def test_of_a_large_table_the_head_is_read_and_the_rest_estimated() -> None:
    limits = Limits(whole_bytes=10_000, head_bytes=10_000)
    found = one("labels.csv", labels(10_000), limits)
    assert found.table is not None
    assert found.table.rows is None
    assert found.table.about == pytest.approx(10_000, rel=0.1)
    assert found.notes == (f"Statistics are over its first {found.table.seen:,} rows only: the file is large.",)


def test_of_a_table_with_many_cells_the_first_rows_are_read() -> None:
    found = one("t.csv", b"a,b\n" + b"1,2\n" * 100_000, Limits(cells=50_000))
    assert found.table is not None
    assert (found.table.rows, found.table.about) == (None, pytest.approx(100_000, rel=0.5))


def test_decimal_commas_are_numbers() -> None:
    found = one("t.csv", b"a;b\n1,5;x,y\n2,25;1\n")
    assert (columns(found)["a"].type, columns(found)["a"].high) == (ColumnType.FLOAT, 2.25)
    assert dict(found.facts)["decimal mark"] == "comma"
    assert columns(one("t.csv", b"a;b\n1,5;1.5\n2,25;1\n"))["a"].type is ColumnType.TEXT


def test_ragged_rows_are_counted_and_read() -> None:
    found = one("t.csv", b"a,b,c\n1,2,3\n1,2\n1,2,3,4\n\n5,6,7\n")
    assert rows(found) == 4
    assert found.notes == ("2 rows have another number of cells than 3.",)
    assert columns(found)["c"].missing == 1
    assert one("t.csv", b"a,b,c\n1,2,3\n1,2\n").notes == ("1 row has another number of cells than 3.",)


def test_an_open_quote_ends_the_table_and_is_told() -> None:
    found = one("t.csv", b"a,b\n" + b"1,2\n" * 100 + b'"3,4\n' + b"5,6\n" * 60_000)
    assert found.table is not None
    assert found.table.seen == 100
    assert "a quote is not closed" in found.notes[0]


def test_many_columns_cost_no_more_than_those_shown() -> None:
    content = b",".join(b"c%d" % i for i in range(300_000)) + b"\n" + b",".join([b"1"] * 300_000) + b"\n"
    found = one("wide.csv", content)
    assert found.table is not None
    assert len(found.table.columns) == 100
    assert found.table.width > 10_000
    assert any("were cut" in note for note in found.notes)


def test_nul_bytes_and_one_long_line_are_told() -> None:
    assert one("t.csv", b"a,b\n" + b"1,some more text with \0\n" * 50).notes == ("50 NUL bytes stand in it.",)
    assert one("t.csv", b"\0" * 100_000).notes == ("It holds no text.",)
    assert one("t.csv", b"x" * 20_000_000).notes


def test_cells_are_data_whatever_they_say() -> None:
    hostile = b"a,b\n=cmd|' /C calc'!A0,\x1b[31mred\n<script>alert(1)</script>,\"x\ny\"\n"
    found = one("t.csv", hostile)
    assert found.table is not None
    assert found.table.head[0] == ("=cmd|' /C calc'!A0", "\x1b[31mred")


@settings(max_examples=30, deadline=None)
@given(
    st.text(alphabet=st.sampled_from('ab1.,;\t"\n\r\0é -e_\x1b'), max_size=300), st.sampled_from(["utf-8", "utf-16"])
)
def test_any_text_is_shown_as_a_table_or_as_none(text: str, encoding: str) -> None:
    found = one("t.csv", text.encode(encoding))
    assert not any("cannot be shown" in note for note in found.notes)
    if found.table is not None:
        assert all(len(row) == found.table.width for row in found.table.head)
        for column in found.table.columns:
            assert column.count + column.missing == found.table.seen


@settings(max_examples=30, deadline=None)
@given(
    st.binary(max_size=400), st.sampled_from(["t.csv", "t.json", "t.jsonl", "t.txt", "t.npy", "t.npz", "t.png", "t.gz"])
)
def test_any_bytes_are_shown_somehow(content: bytes, path: str) -> None:
    found = one(path, content)
    assert not any("cannot be shown" in note for note in found.notes)


@given(
    st.lists(st.lists(st.integers(-(10**6), 10**6), min_size=3, max_size=3), min_size=2, max_size=60),
    st.sampled_from(",;\t|"),
)
@settings(max_examples=15, deadline=None)
def test_a_table_of_numbers_comes_back(values: list[list[int]], delimiter: str) -> None:
    text = f"a{delimiter}b{delimiter}c\n" + "".join(delimiter.join(map(str, row)) + "\n" for row in values)
    found = one("t.csv", text.encode())
    assert rows(found) == len(values)
    for place, column in enumerate(columns(found).values()):
        expected = [row[place] for row in values]
        assert (column.type, column.low, column.high) == (ColumnType.INT, min(expected), max(expected))
        assert column.histogram is not None
        assert sum(column.histogram.counts) == len(values)
        assert column.mean == pytest.approx(np.mean(expected), abs=1e-3)
