"""`meristem run`: runs the study that a file describes. Also what running and resuming share."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.output import print_json, print_pairs, say, shown
from meristem.cli.stores import JsonOption, StoreOption, store_url
from meristem.cli.views import show_view, trial_pairs
from meristem.errors import INTERRUPTED, InputError

if TYPE_CHECKING:
    from meristem.cli.study_file import StudyFile
    from meristem.study.plan import Plan
    from meristem.study.study import Study

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
    from meristem.study.study import Study

    found = read_study_file(file)
    settings = plan_settings(found.plan, trials=trials, parallel=parallel)
    _require_end(found, settings)
    study = Study(
        found.name, space=found.space, objective=found.objective, controller=found.controller,
        store=store_url(store, found.store), seed=found.seed,
    )  # fmt: skip
    handlers = [{"name": "progress"}] if found.handlers is None else found.handlers
    run_and_tell(study, settings, executor=found.executor, handlers=handlers, wait=wait, as_json=as_json)


def plan_settings(plan: Plan, *, trials: int | None, parallel: int | None) -> dict[str, Any]:
    """The settings of a run: the plan's, and what the command line says instead."""
    given = {"trials": trials, "parallel": parallel}
    return plan.to_json() | {name: value for name, value in given.items() if value is not None}


def run_and_tell(
    study: Study,
    settings: Mapping[str, Any],
    *,
    executor: Any,
    handlers: Sequence[Any],
    wait: bool,
    as_json: bool,
) -> None:
    """Runs the study; says before where everything is, afterwards what came of it."""
    store = study._store
    say(f"Study {shown(study.name)} in {store.database.shown_url}; trials' folders in {study.folder}")
    with stopped_by_hand(study.name):
        study.run(executor=executor, handlers=handlers, wait=wait, **settings)
    row = store.studies.get(study.name)
    if as_json:
        print_json(show_view(store, row))
        return
    best = store.trials.best(row.id)
    say(f"{row.status}: {row.message}" if row.message else row.status)
    if best:
        typer.echo("Best trial")
        print_pairs(trial_pairs(best[0], row))
    else:
        typer.echo("No trial has completed with a usable objective value.")
    _tell_commands(study.name, store.database.shown_url)


@contextmanager
def stopped_by_hand(name: str) -> Iterator[None]:
    """Says how to go on after Ctrl-C, and exits with 130."""
    try:
        yield
    except KeyboardInterrupt as error:
        say(f"Stopped. Resume with: meristem study resume {shlex.quote(name)}")
        raise typer.Exit(INTERRUPTED) from error


def _require_end(found: StudyFile, settings: Mapping[str, Any]) -> None:
    bounded = any(settings.get(limit) for limit in ("trials", "seconds", "without_improvement"))
    if not bounded and not found.handlers and found.space.size is None:
        raise InputError(
            f"The study of {found.path} would never end: its space is infinite and it has no budget.",
            fix="Add 'budget: {trials: 50}' (or seconds, without_improvement), or give --trials 50.",
        )


def _tell_commands(name: str, store: str) -> None:
    where = "" if store == store_url(None) else f" --store {shlex.quote(store.removeprefix('sqlite:///'))}"
    typer.echo("\nLook further with:")
    for command in ("show", "trials"):
        typer.echo(f"  meristem study {command} {shlex.quote(name)}{where}")
