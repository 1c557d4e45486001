"""`meristem mmar`: searches the best configuration of a Medical Model Archive (MMAR)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meristem.cli.output import print_json, print_table, say
from meristem.cli.store_option import JsonOption

if TYPE_CHECKING:
    from meristem.bundles.ranges import Choices, Interval

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="MMARs: search their best configuration.")

Mmar = Annotated[Path, typer.Argument(help="The folder of the MMAR.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="NAME=VALUE, also several: run_id, workers, trainconf, workdir, variables."),
]


@app.command()
def tune(
    mmar: Mmar,
    automlconf: Annotated[str, typer.Option("--automlconf", help="The configuration of the search.")] = (
        "config/config_automl.json"
    ),
    settings: Set = None,
    more: Annotated[list[str] | None, typer.Argument(help="Further NAME=VALUE.")] = None,
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="How many trainings in all.")] = None,
    hours: Annotated[float | None, typer.Option("--hours", min=0, help="Ends after so many.")] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0, help="Seconds that one training may take.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Makes the search repeatable.")] = None,
) -> None:
    """Search the best configuration and model of an MMAR, or go on with a run.

    What is searched stands in its config_train.json (docs/reference/search-notation.md), how in config_automl.json.
    Each training gets a copy of the MMAR in automl/RUN_ID; `best` there leads to the best.

    \b
    meristem mmar tune spleen --set run_id=first workers=0:1
    meristem mmar tune spleen --set run_id=second workers=0,1:2,3 --trials 40
    """
    from meristem.bundles.variables import read_set, split_set
    from meristem.mmar.tune import tune as run_it

    texts = [*(settings or []), *(more or [])]
    given = read_set(texts) | {n: v for n, v in split_set(texts).items() if n in ("run_id", "workers")}
    seconds = None if hours is None else 3600 * hours
    try:
        study = run_it(
            mmar, given, automl_config=automlconf, trials=trials, seconds=seconds, timeout=timeout, seed=seed
        )
    except KeyboardInterrupt:
        say("Interrupted. The same command again goes on with this run.")
        raise
    say(f"Look closer: meristem study show {study.name} --store {study.store.shown_url}")
    best = study.best
    say(f"best {study.goals.objectives[0].metric}: {best.value:g} in {best.folder}")


@app.command()
def space(
    mmar: Mmar,
    trainconf: Annotated[str, typer.Option("--trainconf", help="The training configuration.")] = (
        "config/config_train.json"
    ),
    settings: Set = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is searched in an MMAR, or what is wrong with its search notation.

    \b
    meristem mmar space spleen
    """
    from meristem.bundles import read_set
    from meristem.executors.mmar import read_mmar

    found = read_mmar(mmar, trainconf, read_set(settings or [])).searched
    if as_json:
        print_json({"space": found.space.to_json(), "shipped": found.shipped, "key_metric": found.key_metric})
        return
    rows = [(item.name, _may_be(item.range), str(found.shipped.get(item.name, "outside"))) for item in found.items]
    print_table(("parameter", "may be", "as it stands"), rows)
    say(f"score: {found.key_metric or 'no metric has is_key_metric'}")


def _may_be(range_: Interval | Choices) -> str:
    from meristem.bundles.ranges import Choices

    if isinstance(range_, Choices):
        return ", ".join(json.dumps(row[0] if len(row) == 1 else row) for row in range_.rows)
    return f"{range_.low:g} to {range_.high:g}{', log' if range_.log else ''}"
