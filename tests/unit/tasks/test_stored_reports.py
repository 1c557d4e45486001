"""Reports that are read back, chosen, and written to files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meristem.errors import InputError
from meristem.store.output_rows import Report
from meristem.tasks.stored_reports import StoredReport, chosen_reports, save_all


class Blobs:
    def get(self, name: str) -> bytes:
        return name.encode()


def report(title: str = "roc", series: str = "val", **more: Any) -> StoredReport:
    given = {"kind": "plot", "format": "png", "blob": f"bytes of {title}/{series}", **more}
    return StoredReport(Report(title=title, series=series, **given), Blobs())  # type: ignore[arg-type]


def test_a_short_text_and_a_long_one_are_read_alike() -> None:
    assert report(kind="text", format="text", blob=None, text="ü").read() == "ü".encode()
    assert report(kind="text", format="text", blob="long").read() == b"long"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (report(), "roc-val.png"),
        (report(step=3), "roc-val-3.png"),
        (report("roc", "roc", step=0), "roc-0.png"),
        (report("../../etc", "a/b", kind="table", format="json"), "_.._etc-a_b.json"),
        (report("..", "..", kind="text", format="markdown"), "text.md"),
        (report(kind="plot", format="plotly"), "roc-val.json"),
        (report(kind="image", format="jpeg"), "roc-val.jpg"),
    ],
)
def test_files_are_called_by_what_they_show_and_lead_nowhere_else(given: StoredReport, name: str) -> None:
    assert given.file_name == name


def test_it_is_saved_to_a_file_or_into_a_folder_and_as_svg_where_there_is_one(tmp_path: Path) -> None:
    one = report(vector="drawn")
    assert one.save(tmp_path / "x.png").read_bytes() == b"bytes of roc/val"
    assert one.save(tmp_path / "x.svg").read_bytes() == b"drawn"
    assert one.save(tmp_path) == tmp_path / "roc-val.png"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["roc-val.png", "x.png", "x.svg"]
    with pytest.raises(InputError, match="cannot be written"):
        one.save(tmp_path / "nowhere" / "x.png")


def test_no_report_replaces_another_and_svgs_lie_beside_their_pictures(tmp_path: Path) -> None:
    given = [report(vector="drawn"), report("ROC"), report("a/b", blob="1"), report("a:b", blob="2")]
    names = [path.name for path in save_all(given, tmp_path / "new" / "folder")]
    assert names == ["roc-val.png", "roc-val.svg", "ROC-val (2).png", "a_b-val.png", "a_b-val (2).png"]
    assert (tmp_path / "new/folder/a_b-val (2).png").read_bytes() == b"2"


def test_reports_are_chosen_by_title_or_title_and_series_and_step() -> None:
    there = [report(step=1), report(step=2), report(series="train", step=2), report("a/b", "c")]
    assert chosen_reports(there, None, None) == there
    assert chosen_reports(there, "roc", None) == there[:3]
    assert chosen_reports(there, "roc/val", 2) == [there[1]]
    assert chosen_reports(there, "a/b/c", None) == [there[3]]
    with pytest.raises(InputError, match="roc/val"):
        chosen_reports(there, "roc/vall", None)
    with pytest.raises(InputError, match="Steps: 1, 2"):
        chosen_reports(there, "roc/val", 7)
