"""Plots, tables, images and texts of a task, read back and written to files."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from meristem.errors import InputError, did_you_mean
from meristem.store.blob_place import BlobStore
from meristem.store.output_rows import Report
from meristem.tasks.spool_folder import scalar_name

_SUFFIXES = {"plotly": ".json", "text": ".txt", "markdown": ".md", "jpeg": ".jpg"}
_LONGEST_NAME = 150


class StoredReport:
    """One plot, table, image or text.

    Attributes:
        kind, title, series, step, format, size_bytes, at, attempt: See `store.output_rows.Report`.
        name: Title and series as one name: "roc/val"; the title alone where the series is called like it.
        has_vector: There is also an SVG of it.
    """

    def __init__(self, report: Report, blobs: BlobStore) -> None:
        self.kind, self.title, self.series, self.step = report.kind, report.title, report.series, report.step
        self.format, self.size_bytes = report.format, report.size_bytes
        self.at, self.attempt = report.at, report.attempt
        self.name = scalar_name(report.title, report.series)
        self.has_vector = report.vector is not None
        self._report, self._blobs = report, blobs

    def read(self) -> bytes:
        """Its bytes, in its `format`; a text as UTF-8."""
        if self._report.blob is None:
            return (self._report.text or "").encode("utf-8", "backslashreplace")
        return self._blobs.get(self._report.blob)

    def read_vector(self) -> bytes | None:
        """The same picture as SVG; None where there is none."""
        return None if self._report.vector is None else self._blobs.get(self._report.vector)

    def save(self, path: Path | str) -> Path:
        """Writes it to a file, and returns its path. Into a folder, it is called by `file_name`.

        Args:
            path: A file, or a folder that exists; with the ending `.svg`, the SVG is written where there is one.

        Raises:
            InputError: It cannot be written there.
        """
        target = Path(path)
        target = target / self.file_name if target.is_dir() else target
        vector = self.read_vector() if target.suffix.lower() == ".svg" else None
        draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}")
        try:
            draft.write_bytes(self.read() if vector is None else vector)
            os.replace(draft, target)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise InputError(f"{target} cannot be written: {error.strerror}.", fix="Give another place.") from error
        return target

    @property
    def file_name(self) -> str:
        """A name for its file, of title, series and step, without anything that leads elsewhere: `roc-val-3.png`."""
        parts = [self.title, *([self.series] if self.series != self.title else []), str(self.step or 0)]
        words = parts if self.step is not None else parts[:-1]
        name = re.sub(r"[^\w.+ -]", "_", "-".join(words)).strip(" .")[-_LONGEST_NAME:] or self.kind
        return name + _SUFFIXES.get(self.format, f".{self.format}")

    def __repr__(self) -> str:
        at = "" if self.step is None else f", step {self.step}"
        return f"StoredReport({self.kind} {self.name!r}{at}, {self.format}, {self.size_bytes} bytes)"


def chosen_reports(found: Sequence[StoredReport], name: str | None, step: int | None) -> list[StoredReport]:
    """Those of a title, or of a title/series, and of a step; all where nothing is given.

    Raises:
        InputError: There are none; it says what there is.
    """
    names = list(dict.fromkeys([*(one.name for one in found), *(one.title for one in found)]))
    if name is not None and name not in names:
        raise InputError(f"It has no report {name!r:.80}.", fix=_fix(name, found))
    named = [one for one in found if name in (None, one.name, one.title)]
    if not named or step is None:
        return named
    there = [one for one in named if one.step == step]
    if not there:
        steps = ", ".join(str(one) for one in sorted({one.step for one in named if one.step is not None})[:20])
        raise InputError(f"There is no report at step {step}.", fix=f"Steps: {steps or 'none'}.")
    return there


def save_all(reports: Sequence[StoredReport], folder: Path) -> list[Path]:
    """Writes reports into `folder`, which is made; SVGs beside pictures. No file of one call replaces another of it.

    Raises:
        InputError: A file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}.", fix="Give another folder.") from error
    written: list[Path] = []
    taken: set[str] = set()
    for report in reports:
        target = folder / _free(report.file_name, taken)
        written.append(report.save(target))
        if report.has_vector:
            written.append(report.save(target.with_suffix(".svg")))
    return written


def _free(name: str, taken: set[str]) -> str:
    """`name`, or with a number where another one is called so, also where letters have one case."""
    stem, suffix = os.path.splitext(name)
    tries = 1
    while stem.lower() in taken:
        tries += 1
        stem = f"{os.path.splitext(name)[0]} ({tries})"
    taken.add(stem.lower())
    return stem + suffix


def _fix(name: str, found: Sequence[StoredReport]) -> str:
    names = list(dict.fromkeys(one.name for one in found))
    return f"{did_you_mean(name, names)}It has: {', '.join(names[:20]) or 'none'}."
