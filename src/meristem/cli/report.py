"""`meristem study report`: writes what a study found, explained."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.output import say
from meristem.cli.store_option import StoreOption, open_store
from meristem.errors import InputError, SpaceError

if TYPE_CHECKING:
    from meristem.store.store import Store
    from meristem.study.study import Study


class ReportFormat(StrEnum):
    """What a report is written as."""

    HTML = "html"
    MARKDOWN = "md"
    JSON = "json"
    PNG = "png"


_TEXTS = (ReportFormat.MARKDOWN, ReportFormat.JSON)


def report(
    name: Annotated[str, typer.Argument(help="The study's name.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="The file to write; for png a folder. Default: report.html, report-png, standard output."
        ),
    ] = None,
    form: Annotated[
        ReportFormat | None,
        typer.Option("--format", help="html, md, json or png. Default: as --out ends, else html.", show_default=False),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Write what a study found, explained: results, insights, how far to trust them, what may be wrong.

    html is one file with figures that needs nothing else, not even a network: send it to anyone. md has the tables,
    json all numbers and figures, png every figure as a picture (needs Chrome or Chromium). A study may be running.

    \b
    meristem study report digits
    meristem study report digits --out digits.html
    meristem study report digits --format md | less
    meristem study report digits --format json --out digits.json
    meristem study report digits --format png --out figures
    """
    form = form or _format_of(out)
    made = _open(name, open_store(store)).report()
    if form is ReportFormat.HTML:
        say(f"Wrote {made.html(out or Path('report.html'))}")
    elif form is ReportFormat.PNG:
        folder = out or Path("report-png")
        say(f"Wrote {len(made.png(folder))} figures to {folder}")
    else:
        _write(made.markdown() if form is ReportFormat.MARKDOWN else made.json() + "\n", out)


def _open(name: str, store: Store) -> Study:
    from meristem.study.study import Study  # slow to import: not for --help

    try:
        return Study.open(name, store=store)
    except SpaceError as error:
        given = store.studies.get(name).definition["space"].get("constraints") or ()
        places = [item["python"] for item in given if isinstance(item, Mapping) and "python" in item]
        if not places:
            raise
        opened = Study.open(name, store=store, constraints=[_stand_in(place) for place in places])
        say(f"Constraints that are functions count as kept here: {error.what}")
        return opened


def _stand_in(place: str) -> Callable[[Mapping[str, Any]], bool]:
    """Takes the place of a constraint that only the study's script has."""

    def kept(parameters: Mapping[str, Any]) -> bool:
        return True

    kept.__module__, _, kept.__qualname__ = place.partition(":")
    return kept


def _format_of(out: Path | None) -> ReportFormat:
    ending = "" if out is None else out.suffix.lower().removeprefix(".")
    return next((form for form in ReportFormat if form in _TEXTS and form.value == ending), ReportFormat.HTML)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        # A terminal or pipe of another encoding gets escapes.
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, errors="backslashreplace").decode(encoding))
        return
    try:
        out.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error}.") from error
    say(f"Wrote {out}")
