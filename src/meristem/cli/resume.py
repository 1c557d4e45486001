"""`meristem study resume`: goes on with a study as it was run last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from meristem.cli.output import print_json, say, shown
from meristem.cli.run import ParallelOption, TrialsOption, WaitOption, changed, told
from meristem.cli.store_option import JsonOption, StoreOption, open_store
from meristem.cli.views import show_view
from meristem.statuses import ENDED, StudyStatus

if TYPE_CHECKING:
    from meristem.store.rows import StudyRow


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
    from meristem.study.setup import Setup  # slow to import: not for --help
    from meristem.study.study import resume as go_on

    opened = open_store(store)
    row = opened.studies.get(name)
    setup = Setup.from_json(row.setup)
    setup.resumable(name)
    settings = changed(setup.plan, trials=trials, parallel=parallel)
    done = _why_done(row, opened.trials.counts(row.id), settings.get("trials"), more=trials is not None)
    if done is not None:
        say(f"Study {shown(name)} is complete: {done}. To go on, give more: --trials N")
        if as_json:
            print_json(show_view(opened, row))
        return
    for left_out in setup.left_out:
        say(f"Left out: the handler {left_out}, a Python object that is not kept in the store.")
    with told(opened, name, as_json=as_json):
        go_on(name, store=opened, wait=wait, **settings)


def _why_done(row: StudyRow, counts: Mapping[str, int], wanted: int | None, *, more: bool) -> str | None:
    if row.status == StudyStatus.COMPLETED and not more:
        return row.message or "it has ended"
    ended = sum(number for status, number in counts.items() if status in ENDED)
    return f"{ended} of {wanted} trials are done" if wanted is not None and ended >= wanted else None
