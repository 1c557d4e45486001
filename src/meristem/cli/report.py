"""`meristem study report`: writes what a study found, explained."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.output import say
from meristem.cli.report_target import ReportFormat, target_of
from meristem.cli.store_option import StoreOption, open_store
from meristem.cli.working import working
from meristem.errors import SpaceError

if TYPE_CHECKING:
    from meristem.store.store import Store
    from meristem.study.study import Study


def report(
    name: Annotated[str, typer.Argument(help="The study's name.")],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            help="The file to write; for png a folder; - for standard output. "
            "Default: NAME-report.html, the folder NAME-report-png, else standard output.",
            show_default=False,
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
    target = target_of(name, form, out)
    study = _open(name, open_store(store))
    target.prepare()
    from meristem.reports.report import report_of  # slow to import: not for --help

    pictures = target.form is ReportFormat.PNG and target.path
    with working("Reading trials") as doing:
        made = report_of(study, doing=doing)
        drawn = made.png(pictures, doing=doing) if pictures else []
    if pictures:
        say(f"Wrote {len(drawn)} figures to {pictures}")
    elif target.form is ReportFormat.HTML and target.path is not None:
        say(f"Wrote {made.html(target.path)}")
    else:
        _write(made.markdown() if target.form is ReportFormat.MARKDOWN else made.json() + "\n", target.path)


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


def _write(text: str, out: Path | None) -> None:
    from meristem.reports.report import written

    if out is None:
        # A terminal or pipe of another encoding gets escapes.
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, errors="backslashreplace").decode(encoding))
        return
    say(f"Wrote {written(out, text)}")
