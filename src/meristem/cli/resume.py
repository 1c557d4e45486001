"""`meristem study resume`: goes on with a study as it was run last."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from meristem.cli.output import print_json, say, shown
from meristem.cli.run import ParallelOption, TrialsOption, WaitOption, plan_settings, run_and_tell
from meristem.cli.stores import JsonOption, StoreOption, open_store
from meristem.cli.views import show_view
from meristem.components import import_from
from meristem.errors import InputError


def resume(
    name: Annotated[str, typer.Argument(help="The study's name.")],
    store: StoreOption = None,
    trials: TrialsOption = None,
    parallel: ParallelOption = None,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Go on with a study that was stopped, interrupted or killed, as it was run last.

    What was done stays done; trials that were running are run again.

    \b
    meristem study resume digits
    meristem study resume digits --trials 100
    """
    from meristem.study.plan import Plan  # slow to import: not for --help
    from meristem.study.study import Study

    opened = open_store(store)
    row = opened.studies.get(name)
    settings = plan_settings(Plan.from_json(row.setup.get("plan", {})), trials=trials, parallel=parallel)
    executor = executor_of(name, row.setup)
    if trials is None and row.status == "completed":
        done: str | None = row.message or "it has ended"
    else:
        done = _why_done(opened.trials.counts(row.id), settings.get("trials"))
    if done is not None:
        say(f"Study {shown(name)} is complete: {done}. To go on, give more: --trials N")
        if as_json:
            print_json(show_view(opened, row))
        return
    for folder in row.setup.get("import_from", ()):
        import_from(Path(folder), first=True)
    study = Study.open(name, store=opened)
    run_and_tell(study, settings, executor=executor, handlers=_handlers_of(row.setup), wait=wait, as_json=as_json)


def executor_of(name: str, setup: Mapping[str, Any]) -> Mapping[str, Any]:
    """How the study's trials are run, from its stored setup.

    Raises:
        InputError: It was never run, or its trials are a Python function.
    """
    executor = setup.get("executor")
    if not executor:
        raise InputError(
            f"Study {name!r} was never run, so that there is nothing to resume.",
            fix="Run its study file (meristem run study.yaml) or its Python script.",
        )
    if "object" in executor:
        raise InputError(
            f"Study {name!r} runs the Python object {executor['object']}, which cannot be kept in the store.",
            fix="Run its Python script again: it goes on where the study was.",
        )
    return dict(executor)


def _handlers_of(setup: Mapping[str, Any]) -> list[Any]:
    handlers = setup.get("handlers") or [{"name": "progress"}]
    for handler in handlers:
        if "object" in handler:
            say(f"Left out: the handler {handler['object']}, a Python object that is not kept in the store.")
    return [handler for handler in handlers if "object" not in handler]


def _why_done(counts: Mapping[str, int], wanted: int | None) -> str | None:
    ended = sum(number for status, number in counts.items() if status not in ("waiting", "running"))
    return f"{ended} of {wanted} trials are done" if wanted is not None and ended >= wanted else None
