"""`meristem study`: looks at studies and their slots, stops, resumes, reports on, exports and deletes them."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.export import Format, export_to
from meristem.cli.output import print_json, print_pairs, print_table, say, shown, shown_counts, to_json
from meristem.cli.report import report
from meristem.cli.resume import resume
from meristem.cli.slots import slots
from meristem.cli.stopping import BY_HAND, ask_to_stop
from meristem.cli.store_option import JsonOption, StoreOption, open_store
from meristem.cli.views import (
    best_view,
    event_view,
    folder_of,
    goals_of,
    leaders_of,
    list_view,
    show_pairs,
    show_view,
    status_view,
    trial_pairs,
    trial_row,
    trial_view,
)
from meristem.errors import InputError, NoBestTrial, did_you_mean
from meristem.statuses import TrialStatus

if TYPE_CHECKING:
    from meristem.store.rows import StudyRow, TrialRow
    from meristem.store.store import Store

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Studies: look at them, stop, resume, report, export, delete."
)
app.command("resume")(resume)
app.command("report")(report)
app.command("slots")(slots)

TRIAL_STATUSES = tuple(status.value for status in TrialStatus)
_FOLLOW_SECONDS = 0.5
_PAGE = 1000

Name = Annotated[str, typer.Argument(help="The study's name.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most this many.")]
Offset = Annotated[int, typer.Option("--offset", min=0, help="After this many.")]


@app.command("list")
def list_studies(
    store: StoreOption = None, limit: Limit = 100, offset: Offset = 0, as_json: JsonOption = False
) -> None:
    """List studies, the latest changed first.

    \b
    meristem study list
    meristem study list --store runs.db --json
    """
    opened = open_store(store)
    rows = opened.studies.list(limit=limit, offset=offset)
    counts = opened.studies.counts([row.id for row in rows])
    views = [list_view(row, counts.get(row.id, {})) for row in rows]
    if as_json:
        print_json({"offset": offset, "limit": limit, "studies": views})
    elif views:
        cells = [[v["name"], v["status"], v["objective"], shown_counts(v["counts"])] for v in views]
        print_table(("name", "status", "objective", "trials"), cells)
    else:
        say("No studies yet. Start one with: meristem run study.yaml")


@app.command()
def show(name: Name, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """How far a study is: status, trials by status, the best so far.

    \b
    meristem study show digits
    meristem study show digits --json
    """
    opened = open_store(store)
    view = show_view(opened, opened.studies.get(name))
    print_json(view) if as_json else print_pairs(show_pairs(view))


@app.command()
def best(name: Name, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """The best trial: its value, parameters and metrics. Of several objectives, the Pareto front.

    \b
    meristem study best digits
    meristem study best digits --json
    """
    opened = open_store(store)
    row = opened.studies.get(name)
    found, goals = leaders_of(opened, row), goals_of(row)
    if not found:
        raise NoBestTrial(name, shown_counts(opened.trials.counts(row.id)))
    if as_json:
        view = best_view(opened, row)
        head = {"name": row.name, "objective": row.definition["objective"]}
        print_json({**head, **(view["best"] if goals.single else {"pareto": view["pareto"]})})
    elif goals.single:
        print_pairs(trial_pairs(found[0], goals))
    else:
        _print_trials(row, found, total=len(found), offset=0, limit=len(found))


@app.command()
def trials(
    name: Name,
    store: StoreOption = None,
    status: Annotated[list[str] | None, typer.Option("--status", help="Only these; may be repeated.")] = None,
    limit: Limit = 20,
    offset: Offset = 0,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    sort: Annotated[str, typer.Option("--sort", help="By number, or by value: best first.")] = "number",
    as_json: JsonOption = False,
) -> None:
    """List trials of a study, page by page. Tracebacks of failed ones are in the JSON.

    \b
    meristem study trials digits --newest
    meristem study trials digits --sort value --limit 5
    meristem study trials digits --status failed --json
    """
    _check_listing(status or [], sort, newest)
    opened = open_store(store)
    row = opened.studies.get(name)
    counts = opened.trials.counts(row.id)
    if sort == "value":
        status = ["completed"]
        found = opened.trials.best(row.id, limit=offset + limit)[offset:]
    else:
        found = opened.trials.list_page(row.id, statuses=status or (), limit=limit, offset=offset, newest_first=newest)
    total = sum(count for kind, count in counts.items() if not status or kind in status)
    page = {"total": total, "offset": offset, "limit": limit}
    if as_json:
        head = {"name": row.name, **status_view(row), "counts": counts, **best_view(opened, row)}
        print_json({**head, **page, "trials": [trial_view(trial, goals_of(row)) for trial in found]})
    else:
        _print_trials(row, found, **page)


@app.command()
def events(
    name: Name,
    store: StoreOption = None,
    after: Annotated[int, typer.Option("--after", min=0, help="Only events after this number.")] = 0,
    limit: Limit = 100,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the study has ended.")] = False,
    as_json: JsonOption = False,
) -> None:
    """A study's log: everything that happened, in order. With --follow, JSON comes as lines.

    \b
    meristem study events digits
    meristem study events digits --after 120 --limit 50
    meristem study events digits --follow --json
    """
    opened = open_store(store)
    row = opened.studies.get(name)
    if follow:
        _follow(opened, row, after, as_json=as_json)
        return
    found = [event_view(event) for event in opened.events.list_after(row.id, after, limit=limit)]
    if as_json:
        last = found[-1]["number"] if found else after
        print_json({"name": row.name, "after": after, "last": last, "total": row.last_event, "events": found})
        return
    for view in found:
        typer.echo(_event_line(view))
    if found and found[-1]["number"] < row.last_event:
        say(f"{row.last_event} events in all; more with: --after {found[-1]['number']}")


@app.command()
def stop(
    name: Name,
    store: StoreOption = None,
    message: Annotated[str, typer.Option("--message", help="Why; kept with the study.")] = BY_HAND,
) -> None:
    """Ask the process that runs a study to stop, wherever it is.

    \b
    meristem study stop digits --message "good enough"
    """
    ask_to_stop(open_store(store), name, message)


@app.command()
def delete(
    name: Name,
    store: StoreOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a study, its trials and their folders, for good.

    \b
    meristem study delete digits
    meristem study delete digits --yes
    """
    opened = open_store(store)
    row = opened.studies.get(name)
    folder = Path(folder_of(opened, row))
    count = sum(opened.trials.counts(row.id).values())
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(f"Deleting study {name!r} needs a yes.", fix="Add --yes.")
        typer.confirm(f"Delete study {shown(name)} with {count} trials and {folder}?", abort=True)
    opened.studies.delete(name)
    if folder.parent.name == "meristem-trials":  # never anything that we did not make
        shutil.rmtree(folder, ignore_errors=True)
    typer.echo(f"Deleted study {shown(name)} with {count} trials.")


@app.command()
def export(
    name: Name,
    store: StoreOption = None,
    form: Annotated[Format, typer.Option("--format", help="csv or json.")] = Format.CSV,
    out: Annotated[Path | None, typer.Option("--out", help="The file to write.")] = None,
) -> None:
    """Write all trials of a study as CSV or JSON.

    \b
    meristem study export digits > digits.csv
    meristem study export digits --format json --out digits.json
    """
    opened = open_store(store)
    row = opened.studies.get(name)
    if out is None:
        export_to(sys.stdout, opened, row, form)
        return
    try:
        with out.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            count = export_to(file, opened, row, form)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error}.") from error
    say(f"Wrote {count} trials to {out}")


def _check_listing(statuses: list[str], sort: str, newest: bool) -> None:
    problems = [
        f"--status {status!r} is not a status. {did_you_mean(status, TRIAL_STATUSES)}Known: {', '.join(TRIAL_STATUSES)}"
        for status in statuses
        if status not in TRIAL_STATUSES
    ]
    if sort not in ("number", "value"):
        problems.append(f"--sort {sort!r} is neither number nor value")
    if sort == "value" and (newest or any(status != "completed" for status in statuses)):
        problems.append("--sort value lists completed trials, best first: leave out --newest and --status")
    if problems:
        raise InputError("The trials cannot be listed like this", problems)


def _print_trials(row: StudyRow, found: list[TrialRow], *, total: int, offset: int, limit: int) -> None:
    if not found:
        say(f"No such trials ({total} in all)." if total else "No such trials.")
        return
    goals = goals_of(row)
    values = ["value"] if goals.single else [objective.metric for objective in goals.objectives]
    columns = ["trial", "status", *values, "seconds", "parameters", "error"]
    rows = [trial_row(trial, goals) for trial in found]
    if all(trial.error is None for trial in found):
        columns, rows = columns[:-1], [cells[:-1] for cells in rows]
    print_table(columns, rows, numbers=("trial", *values, "seconds"))
    if len(found) < total:
        more = f"; more with: --offset {offset + limit}" if offset + limit < total else ""
        say(f"{offset + 1} to {offset + len(found)} of {total}{more}")


def _follow(store: Store, row: StudyRow, after: int, *, as_json: bool) -> None:
    while True:
        now = store.studies.get(row.name)
        running = now.status == "running" and not now.engine_died
        found = store.events.list_after(row.id, after, limit=_PAGE)
        for event in found:
            view = event_view(event)
            typer.echo(to_json(view) if as_json else _event_line(view))
            after = event.number
        if not found and not running:
            return
        if len(found) < _PAGE and running:
            time.sleep(_FOLLOW_SECONDS)


def _event_line(view: dict[str, Any]) -> str:
    trial = "" if view["trial"] is None else f"trial {view['trial']}"
    payload = shown(view["payload"]) if view["payload"] else ""
    return f"{view['number']:>6}  {view['at']}  {view['kind']:<25} {trial:<10} {payload}".rstrip()
