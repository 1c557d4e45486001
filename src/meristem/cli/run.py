"""`meristem run`: runs the study that a file describes. Also what running and resuming share."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.output import print_json, print_pairs, say, shown
from meristem.cli.store_option import JsonOption, StoreOption, store_url
from meristem.cli.views import folder_of, goals_of, leaders_of, show_view, trial_pairs
from meristem.errors import INTERRUPTED, InputError

if TYPE_CHECKING:
    from meristem.cli.study_file import StudyFile
    from meristem.store.store import Store
    from meristem.study.plan import Plan

TrialsOption = Annotated[
    int | None, typer.Option("--trials", min=1, help="Ended trials in all, those of earlier runs included.")
]
ParallelOption = Annotated[int | None, typer.Option("--parallel", min=1, help="Trials at a time.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Wait where another process runs this study.")]


def run(
    file: Annotated[Path, typer.Argument(help="The study file, YAML or JSON.")],
    store: StoreOption = None,
    trials: TrialsOption = None,
    parallel: ParallelOption = None,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run the study that a file describes, or go on with it.

    Everything is checked before anything starts. Ctrl-C ends it cleanly; nothing is lost.

    \b
    meristem run study.yaml
    meristem run study.yaml --trials 100 --parallel 4
    meristem run study.yaml --store postgresql://user@host/meristem
    """
    from meristem.cli.study_file import read_study_file  # slow to import: not for --help
    from meristem.study.plan import Plan
    from meristem.study.study import Study

    found = read_study_file(file)
    settings = changed(found.plan, trials=trials, parallel=parallel)
    _require_end(found, Plan(**settings))
    study = Study(
        found.name, space=found.space, objective=str(found.goals),
        outcome_constraints=[str(limit) for limit in found.goals.constraints], thresholds=found.goals.thresholds,
        controller=found.controller, store=store_url(store, found.store), seed=found.seed,
        warm_start=found.warm_start,
    )  # fmt: skip
    with told(study.store, found.name, as_json=as_json):
        study.run(
            executor=found.executor, handlers=found.handlers, early_stopping=found.early_stopping, wait=wait, **settings
        )


def changed(plan: Plan, *, trials: int | None, parallel: int | None) -> dict[str, Any]:
    """The settings of a run: the plan's, and what the command line says instead."""
    given = {"trials": trials, "parallel": parallel}
    return plan.to_json() | {name: value for name, value in given.items() if value is not None}


@contextmanager
def told(store: Store, name: str, *, as_json: bool) -> Iterator[None]:
    """Says before a run where everything is, afterwards what came of it, after Ctrl-C how to go on."""
    row = store.studies.get(name)
    say(f"Study {shown(name)} in {store.shown_url}; trials' folders in {folder_of(store, row)}")
    where = _where(store)
    try:
        yield
    except KeyboardInterrupt as error:
        say(f"Stopped. Resume with: meristem study resume {shlex.quote(name)}{where}")
        raise typer.Exit(INTERRUPTED) from error
    row = store.studies.get(name)
    if as_json:
        print_json(show_view(store, row))
        return
    say(f"{row.status}: {row.message}" if row.message else row.status)
    leaders, goals = leaders_of(store, row), goals_of(row)
    if not leaders:
        typer.echo("No trial has completed with usable objective values within the limits.")
    elif goals.single:
        typer.echo("Best trial")
        print_pairs(trial_pairs(leaders[0], goals))
    else:
        typer.echo(f"{len(leaders)} trials on the Pareto front")
    typer.echo("\nLook further with:")
    for command in ("show", "best", "trials"):
        typer.echo(f"  meristem study {command} {shlex.quote(name)}{where}")


def _require_end(found: StudyFile, plan: Plan) -> None:
    from meristem.study.definition import build_controller  # slow to import: not for --help

    if not found.handlers and not plan.is_bounded(found.space, build_controller(found.controller)[0]):
        raise InputError(
            f"The study of {found.path} would never end: its space is infinite and it has no budget.",
            fix="Add 'budget: {trials: 50}' (or seconds, without_improvement), or give --trials 50.",
        )


def _where(store: Store) -> str:
    """The option that leads back to this store; nothing for the default one."""
    shown_url = store.shown_url
    return "" if shown_url == store_url(None) else f" --store {shlex.quote(shown_url.removeprefix('sqlite:///'))}"
