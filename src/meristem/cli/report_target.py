"""Decides what a report is written as, and to where; says what is wrong with that before any work is done."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from meristem.errors import InputError


class ReportFormat(StrEnum):
    """What a report is written as."""

    HTML = "html"
    MARKDOWN = "md"
    JSON = "json"
    PNG = "png"


STANDARD_OUTPUT = "-"
_ENDINGS = {
    ".html": ReportFormat.HTML, ".htm": ReportFormat.HTML, ".md": ReportFormat.MARKDOWN,
    ".markdown": ReportFormat.MARKDOWN, ".json": ReportFormat.JSON, ".png": ReportFormat.PNG,
}  # fmt: skip
_TEXTS = (ReportFormat.MARKDOWN, ReportFormat.JSON)
_OTHERS = frozenset((
    ".pdf", ".svg", ".jpg", ".jpeg", ".gif", ".webp", ".csv", ".tsv", ".xlsx", ".docx", ".pptx", ".odt", ".zip",
))  # fmt: skip
_KNOWN = "html (.html), md (.md), json (.json), png (a folder of pictures)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a report goes.

    Attributes:
        path: A file, of pictures their folder; None: standard output.
    """

    form: ReportFormat
    path: Path | None

    def prepare(self) -> None:
        """Makes sure that it can be written; makes the folder.

        Raises:
            InputError: It cannot.
        """
        if self.path is None:
            return
        folder = self.path if self.form is ReportFormat.PNG else self.path.parent
        if self.form is not ReportFormat.PNG and self.path.is_dir():
            raise InputError(f"{self.path} is a folder.", fix=f"Name a file in it: --out {self.path / 'report.html'}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder} cannot be made: {error}.") from error
        wanted = self.path if self.path.exists() else folder
        if not os.access(wanted, os.W_OK):
            raise InputError(f"{self.path} cannot be written: no permission for {wanted}.")


def target_of(study: str, form: ReportFormat | None, out: str | None) -> Target:
    """The form and place for what was asked.

    Args:
        out: As given; "-" is standard output.

    Raises:
        InputError: `out` contradicts `form`, or tells of a form that there is not.
    """
    if out is None:
        return Target(form=form or ReportFormat.HTML, path=_usual_path(study, form or ReportFormat.HTML))
    if out == STANDARD_OUTPUT:
        if form not in _TEXTS:
            what = "A page" if form is None or form is ReportFormat.HTML else "A folder of pictures"
            raise InputError(f"{what} does not go to standard output.", fix="Add --format md or --format json.")
        return Target(form=form, path=None)
    ending = Path(out).suffix.lower()
    if form is None:
        form = _ENDINGS.get(ending, None if ending in _OTHERS else ReportFormat.HTML)
        if form is None or form is ReportFormat.PNG:
            raise InputError(f"{out}: a report is not written as one {ending} file.", fix=_fix(ending))
    elif ending in _OTHERS or _ENDINGS.get(ending, form) is not form or ending == ".png":
        raise InputError(f"--out {out} contradicts --format {form}.", fix=_fix(ending))
    return Target(form=form, path=Path(out))


def file_stem(study: str) -> str:
    """A study's name as part of a file's name: what had to be replaced is made up for, so that no two are equal."""
    safe = re.sub(r"[^\w.-]+", "_", study).strip("._-")[:80]
    return safe if safe == study else f"{safe or 'study'}-{hashlib.sha256(study.encode()).hexdigest()[:6]}"


def _usual_path(study: str, form: ReportFormat) -> Path | None:
    if form in _TEXTS:
        return None
    return Path(f"{file_stem(study)}-report" + (".html" if form is ReportFormat.HTML else "-png"))


def _fix(ending: str) -> str:
    if ending == ".png":
        return "Every figure is a picture of its own: --format png --out FOLDER."
    more = " Open the page in a browser and print it into a PDF." if ending == ".pdf" else ""
    return f"There are: {_KNOWN}.{more}"
