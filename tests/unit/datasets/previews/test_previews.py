"""A preview as a whole: totals, which files are chosen, size of its JSON, differences, and how it is shown."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.unit.datasets.previews.samples import hostile, labels, npz, png, preview_of

from meristem.datasets.previews import Limits, Preview, differences, make_preview, render_terminal
from meristem.datasets.previews.survey import suffix_of, survey
from meristem.datasets.previews.terminal import bar, merged, sparkline
from meristem.datasets.previews.wording import number
from meristem.errors import InputError

ALL = {
    "labels.csv": labels(200), "day/1.csv": b"x,y\n1,2015-01-01\n2,2015-01-02\n" * 3, "a.png": png(300, 200),
    "notes.txt": b"some\ntext\n", "data.json": b'{"a": [1, 2]}', "empty": b"", "m.bin": bytes(range(256)),
}  # fmt: skip


def test_totals_suffixes_sizes_and_the_largest_are_told() -> None:
    found = preview_of({"a/1.csv": b"x\n", "a/2.CSV": b"xyz\n", "b.txt": b"", "c": b"q" * 2000})
    assert (found.files, found.bytes) == (4, 2006)
    assert [(one.suffix, one.files, one.bytes) for one in found.suffixes] == [
        ("", 1, 2000),
        ("csv", 2, 6),
        ("txt", 1, 0),
    ]
    assert found.largest[0] == ("c", 2000)
    assert found.sizes[:3] == (1, 2, 1)


@pytest.mark.parametrize(
    ("path", "suffix"),
    [("a.csv", "csv"), ("A.CSV.gz", "csv.gz"), ("x.y/z", ""), (".hidden", ""), ("a.tar.gz", "tar.gz"), ("a.", ""),
     ("a.b c", ""), ("a.gz", "gz"), ("a.averyverylongsuffix", "")],
)  # fmt: skip
def test_suffixes(path: str, suffix: str) -> None:
    assert suffix_of(path) == suffix


def test_files_are_chosen_so_that_each_suffix_is_seen() -> None:
    entries = [(f"img/{i:05d}.jpg", 100) for i in range(1000)] + [("labels.csv", 10), ("notes.md", 10), (".x.md", 10)]
    chosen = [path for path, _ in survey(entries, Limits(files=6)).chosen]
    assert {"labels.csv", "notes.md"} <= set(chosen)
    assert len(chosen) == 6
    assert survey(reversed(entries), Limits(files=6)).chosen == survey(entries, Limits(files=6)).chosen
    more = [*entries, *((f"img/new{i}.jpg", 100) for i in range(10))]
    again = [path for path, _ in survey(more, Limits(files=6)).chosen]
    assert len(set(again) & set(chosen)) >= 5


def test_the_largest_table_or_else_the_largest_file_is_always_shown() -> None:
    days = [(f"day{i}.csv", 100) for i in range(100)] + [(f"{i}.s{i}", 5000) for i in range(20)]
    for i in range(100):
        entries = [(path, size + (path == f"day{i}.csv")) for path, size in days] + [(".git/x.csv", 999)]
        assert (f"day{i}.csv", 101) in survey(entries, Limits()).chosen
        found = survey(entries, Limits()).chosen
        assert len({suffix_of(path) for path, _ in found}) == 12
    others = [(f"{j}.s{i}", 5000) for i in range(20) for j in range(2)]
    for path in ("x.csv", "x.tab"):
        assert (path, 1) in survey([*others, (path, 1)], Limits()).chosen
    assert ("x.bin", 5001) in survey([*others, ("x.bin", 5001)], Limits()).chosen


def test_a_preview_tells_how_many_files_it_shows() -> None:
    some = preview_of({f"{i}.csv": labels(3) for i in range(31)})
    assert "12 of 31 files are shown" in shown(some)
    assert "files are shown" not in shown(preview_of(ALL))
    assert "1 of 31 files is shown" in shown(replace(some, previews=some.previews[:1]))


def test_a_million_suffixes_do_not_fill_memory() -> None:
    found = survey(((f"{i}.s{i}", 1) for i in range(20_000)), Limits())
    assert (found.files, found.bytes) == (20_000, 20_000)
    assert len(found.suffixes) == 20
    assert found.other_suffixes == 1981


def test_the_same_files_give_the_same_bytes_which_come_back() -> None:
    found = preview_of({**ALL, "x.npz": npz()})
    text = found.to_json()
    assert preview_of({**ALL, "x.npz": npz()}).to_json() == text
    assert Preview.from_json(text) == found
    assert text.isascii()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format":2}', '{"format":1}', '{"format":1,"files":"1","bytes":2}',
                                  '{"format":1,"files":1,"bytes":2,"sizes":[[]]}', "[" * 100_000])  # fmt: skip
def test_what_is_no_preview_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="no preview"):
        Preview.from_json(text)


def test_a_preview_stays_small_whatever_it_shows() -> None:
    draw = random.Random(1)
    wide = [",".join(f"{draw.random()}{'é' * 60}" for _ in range(105)) for _ in range(12)]
    files = {f"{'long name ' * 20}{i}.csv": "\n".join(wide).encode() for i in range(12)}
    found = preview_of(files)
    assert len(found.to_json()) <= 300_000
    assert len(found.previews) == 12
    assert any("Shortened" in note for note in found.previews[0].notes)
    assert len(preview_of(files, Limits(json_bytes=20_000)).to_json()) <= 20_000


@settings(max_examples=12, deadline=None)
@given(st.dictionaries(st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=30), st.binary(max_size=60),
                       max_size=8), st.integers(20_000, 40_000))  # fmt: skip
def test_any_files_make_a_small_preview_that_can_be_shown(files: dict[str, bytes], most: int) -> None:
    found = preview_of(files, Limits(json_bytes=most))
    assert len(found.to_json()) <= most
    assert Preview.from_json(found.to_json()) == found
    render_terminal(found, Console(file=io.StringIO(), width=70))


def test_all_tables_together_have_a_limit() -> None:
    files = {f"{i}.csv": labels(10_000) for i in range(4)}
    found = preview_of(files, Limits(all_cells=50_000)).previews
    assert [one.table.rows for one in found if one.table] == [10_000, None, None, None]
    assert [one.table.seen // 1000 for one in found if one.table] == [10, 5, 5, 5]


def test_differences_tell_rows_columns_means_and_categories() -> None:
    before = preview_of({"labels.csv": labels(1000), "a.txt": b"x"})
    after = preview_of({"labels.csv": labels(1100, "cat dog wolf", start=2.0).replace(b",note", b",remark")})
    found = differences(before, after, added=(), modified={"labels.csv"})
    assert found.suffixes == (("txt", 1, 0),)
    (table,) = found.tables
    assert (table.rows, table.columns_added, table.columns_removed) == ((1000, 1100), ("remark",), ("note",))
    assert table.said[0] == "New in label: wolf."
    assert any(text.startswith("The mean of confidence moved: 0.4995 → 2.5") for text in table.said)
    assert any(text == "label = dog: 67 % → 33 %." for text in table.said)
    assert differences(before, before, added=(), modified={"labels.csv"}).tables == ()
    assert differences(before, after, added=(), modified=()).tables == ()


def test_a_new_day_is_compared_with_the_day_before() -> None:
    before = preview_of({"day-1.csv": labels(100), "day-2.csv": labels(100)})
    after = preview_of({"day-1.csv": labels(100), "day-2.csv": labels(100), "day-3.csv": labels(100, "cat fox")})
    (table,) = differences(before, after, added={"day-3.csv"}, modified=()).tables
    assert (table.path, table.before) == ("day-3.csv", "day-2.csv")
    assert table.said[0] == "New in label: fox."


def test_a_file_that_an_earlier_preview_did_not_show_is_not_taken_for_new() -> None:
    before, after = preview_of({"day-1.csv": labels(100)}), preview_of({"day-2.csv": labels(120)})
    assert differences(before, after, added=(), modified=()).tables == ()
    assert differences(before, after, added=(), modified={"day-2.csv"}).tables == ()


def test_a_column_that_loses_its_values_or_type_is_told() -> None:
    old = preview_of({"t.csv": b"a,b,c\n" + b"1,x,5\n2,y,6\n" * 20})
    new = preview_of({"t.csv": b"a,b,c\n" + b"1.5,,u\n2,,v\n" * 20})
    said = differences(old, new, added=(), modified={"t.csv"}).tables[0].said
    assert {"b is empty now.", "a was int, and is float now.", "c was int, and is category now."} <= set(said)


def shown(preview: Preview, width: int = 120) -> str:
    with io.StringIO() as out:
        render_terminal(preview, Console(file=out, width=width, force_terminal=True, color_system=None))
        return out.getvalue()


def test_a_terminal_shows_tables_and_histograms() -> None:
    text = shown(preview_of(ALL))
    assert "200 rows, 4 columns" in text
    assert "dog 66 %" in text
    assert "▁" in text or "█" in text
    assert "a.png" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, shown(preview_of(ALL), width).splitlines())) <= width


WIDE = "\n".join(
    [",".join(f"a_rather_long_name_of_column_{i}" for i in range(12)), *(
        ",".join([f"2015-02-{row:02d} 10:00:00", "", *(str((row - 9) * 99_999_999_999 // 8 + i) for i in range(6)),
                  *(f"{row * 1e-7:.9f}" for _ in range(3)), "broken" if row == 20 else str(row / 7)])
        for row in range(1, 28)
    )]
)  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_the_lowest_and_highest_numbers_of_a_wide_table_are_never_cut(width: int) -> None:
    preview = preview_of({"wide.csv": WIDE.encode()})
    (found,) = preview.previews
    assert found.table is not None
    assert found.table.columns[11].odd
    text = shown(preview, width)
    lines = text.splitlines()
    statistics = lines[next(i for i, line in enumerate(lines) if line.startswith("column ")) + 1 :][:12]
    assert max(map(len, lines)) <= width
    assert len({line.split()[0] for line in statistics}) == 12  # names are cut where they are alike
    for column, line in zip(found.table.columns, statistics, strict=True):
        for end in (column.low, column.high):
            assert not isinstance(end, float | int) or number(end) in line.split()
    assert all(column in text for column in ("low", "high", "values"))


def test_a_histogram_that_has_little_room_is_put_together_and_not_cut() -> None:
    assert merged([1, 2, 3, 4, 5], 5) == [1, 2, 3, 4, 5]
    assert merged([1, 2, 3, 4, 5], 4) == merged([1, 2, 3, 4, 5], 3) == [3, 7, 5]
    assert merged([1, 2, 3], 1) == [6]


def test_columns_that_a_terminal_has_no_room_for_are_counted() -> None:
    text = shown(
        preview_of({"t.csv": b",".join(b"column_%d" % i for i in range(30)) + b"\n" + b"1," * 29 + b"1\n"}), 80
    )
    assert "… 22 more columns" in text


def test_nothing_in_files_reaches_a_terminal_as_a_command() -> None:
    text = shown(hostile())
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[/red]" in text
    assert "[bold]x" in text


def test_bars() -> None:
    assert sparkline([0, 1, 4, 8]) == " ▁▄█"
    assert sparkline([0, 0]) == ""
    assert (bar(0.0, 4), bar(0.001, 4), bar(0.5, 4), bar(1.0, 4)) == ("", "▏", "██", "████")


def test_a_preview_without_files_can_be_shown() -> None:
    empty = make_preview([], lambda path, start, length: b"")
    assert "0 files" in shown(empty)
