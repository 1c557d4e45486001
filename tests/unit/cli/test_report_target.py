"""What a report is written as and to where, decided before any work is done."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meristem.cli.report_target import ReportFormat, Target, file_stem, target_of
from meristem.errors import InputError


@pytest.mark.parametrize(
    ("form", "out", "path", "found"),
    [
        (None, None, "digits-report.html", "html"),
        ("png", None, "digits-report-png", "png"),
        ("md", None, None, "md"),
        (None, "a.md", "a.md", "md"),
        (None, "a.JSON", "a.JSON", "json"),
        (None, "a.htm", "a.htm", "html"),
        (None, "report", "report", "html"),
        (None, "report-v1.2", "report-v1.2", "html"),
        ("md", "-", None, "md"),
        ("json", "data.tmp", "data.tmp", "json"),
        ("md", "a.txt", "a.txt", "md"),
        ("png", "figures", "figures", "png"),
    ],
)
def test_form_and_place_follow_from_what_is_asked(
    form: str | None, out: str | None, path: str | None, found: str
) -> None:
    target = target_of("digits", None if form is None else ReportFormat(form), out)
    assert target == Target(form=ReportFormat(found), path=None if path is None else Path(path))


@pytest.mark.parametrize(
    ("form", "out", "said"),
    [
        (None, "a.pdf", r"\.pdf.*print it into a PDF"),
        ("html", "a.pdf", r"contradicts --format html.*There are: html"),
        ("html", "a.png", "contradicts --format html.*--format png --out FOLDER"),
        ("png", "a.png", "--format png --out FOLDER"),
        (None, "a.png", "--format png --out FOLDER"),
        ("json", "a.html", "contradicts --format json"),
        (None, "-", "standard output.*--format md or"),
        ("png", "-", "standard output.*--format md or"),
    ],
)
def test_contradictions_are_told_with_the_forms_that_there_are(form: str | None, out: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        target_of("digits", None if form is None else ReportFormat(form), out)
    assert re.search(said, str(error.value).replace("\n", " "))


@given(st.text(min_size=1, max_size=200).filter(lambda name: name.isprintable() and bool(name.strip())))
@example(":-")
@example("-x")
def test_names_of_studies_become_safe_names_of_files(name: str) -> None:
    stem = file_stem(name)
    assert Path(stem).name == stem
    assert len(stem) <= 90
    assert not set(stem) & set(' /\\:*?"<>|')
    assert not stem.startswith((".", "-"))


def test_names_that_become_alike_stay_apart() -> None:
    assert file_stem("digits") == "digits"
    assert len({file_stem(name) for name in ("a/b", "a b", "a_b", "a:b", "a" * 100, "a" * 101)}) == 6


def test_a_place_that_cannot_be_is_told_and_a_missing_folder_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        Target(form=ReportFormat.HTML, path=tmp_path / "file" / "r.html").prepare()
    with pytest.raises(InputError, match="is a folder"):
        Target(form=ReportFormat.HTML, path=tmp_path).prepare()
    Target(form=ReportFormat.HTML, path=tmp_path / "new" / "r.html").prepare()
    Target(form=ReportFormat.PNG, path=tmp_path / "pictures").prepare()
    assert (tmp_path / "new").is_dir()
    assert (tmp_path / "pictures").is_dir()


def test_a_folder_without_permission_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meristem.cli.report_target.os.access", lambda place, mode: False)
    with pytest.raises(InputError, match="no permission"):
        Target(form=ReportFormat.HTML, path=tmp_path / "r.html").prepare()
