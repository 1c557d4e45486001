"""`meristem worker`: runs tasks; list, show, drain."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.output import iso, print_json, print_pairs, print_table
from meristem.cli.store_option import JsonOption, StoreOption, open_store, open_swept
from meristem.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meristem.store.task_rows import WorkerRow
    from meristem.workers.settings import Settings

app = typer.Typer(
    rich_markup_mode=None,
    help="Run tasks of queues, until told to end: by Ctrl-C or SIGTERM, what runs finishes; by a second one, it goes "
    "back to its queue at once.\n\n"
    "\b\n"
    "meristem queue create default\n"
    "meristem worker --queue default\n"
    "meristem worker --queue gpu --queue default --slots 0:1 --labels a100\n"
    "meristem worker --queue services --services\n",
)
_PATIENCE = timedelta(seconds=2)  # a worker never waits for the store for long: it has tasks to look after


@app.callback(invoke_without_command=True)
def work(
    context: typer.Context,
    queue: Annotated[list[str] | None, typer.Option(help="A queue to take tasks from; the first comes first.")] = None,
    slots: Annotated[
        str | None, typer.Option(help="How many tasks at once, or the GPUs of each: 0,1:2,3. Default: one, all GPUs.")
    ] = None,
    labels: Annotated[str, typer.Option(help="Labels that tasks may ask for: a100,site=berlin.")] = "",
    cpus: Annotated[float | None, typer.Option(help="CPUs to offer. Default: all.", min=0.01)] = None,
    memory: Annotated[str | None, typer.Option(help="Memory to offer, such as 64GB. Default: all.")] = None,
    env: Annotated[str, typer.Option(help="venv, current or container: what tasks run in.")] = "venv",
    image: Annotated[str | None, typer.Option(help="Container image where a task names none.")] = None,
    strict_python: Annotated[bool, typer.Option("--strict-python", help="No other Python than the recorded.")] = False,
    services: Annotated[bool, typer.Option("--services", help="Many light tasks at once, without GPUs.")] = False,
    fair: Annotated[bool, typer.Option("--fair", help="Queues take turns.")] = False,
    env_file: Annotated[Path | None, typer.Option(help="Variables for tasks: lines NAME=value.")] = None,
    pass_: Annotated[list[str] | None, typer.Option("--pass", help="A secret variable that tasks may have.")] = None,
    secret: Annotated[list[str] | None, typer.Option(help="A variable whose value is masked.")] = None,
    grace: Annotated[float, typer.Option(help="Seconds from the wish to end to the end by force.", min=0)] = 10.0,
    drain_timeout: Annotated[
        float | None, typer.Option(help="Seconds that tasks may go on once the worker shall end.", min=0)
    ] = None,
    lease: Annotated[
        float,
        typer.Option(help="Seconds without a word until it counts as lost; under 5 a slow store loses it.", min=1),
    ] = 30.0,
    folder: Annotated[
        Path | None, typer.Option(help="Where it keeps repositories, environments, running tasks.")
    ] = None,
    environments: Annotated[int, typer.Option(help="How many environments are kept.", min=1)] = 20,
    name: Annotated[str, typer.Option(help="What others call it. Default: host and process.")] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
    store: StoreOption = None,
) -> None:
    """Runs a worker, unless a command about workers was given."""
    if context.invoked_subcommand is not None:
        return
    if not queue:
        raise InputError(
            "A worker needs queues to take tasks from.",
            fix="meristem worker --queue default (see: meristem queue list, meristem queue create).",
        )
    from meristem.workers.offer import find_offer, read_slots  # slow to import: not for --help
    from meristem.workers.settings import Settings, default_folder, find_uv, own_psutil
    from meristem.workers.worker import Manner, Worker

    if env not in ("venv", "current", "container"):
        raise InputError(f"--env {env!r} is not known.", fix="Write venv, current or container.")
    given = read_slots(slots, services=services)
    gpus = len({gpu for group in given for gpu in group})
    variables, secrets = _variables(env_file, pass_ or [], secret or [], verbose=verbose)
    settings = Settings(
        offer=find_offer(cpus=cpus, memory_bytes=_memory(memory), gpus=gpus, labels=_labels(labels)),
        slots=given,
        folder=(folder or default_folder()).expanduser().absolute(),
        environment=env,
        image=image,
        strict_python=strict_python,
        variables=variables,
        secrets=secrets,
        grace_seconds=grace,
        kept_environments=environments,
        uv=find_uv(),
        psutil=own_psutil(),
    )
    _log_to_stderr(settings, verbose=verbose)
    opened = open_store(store)
    opened.patience = _PATIENCE
    manner = Manner(
        name=name,
        fair=fair,
        lease=timedelta(seconds=lease),
        drain_timeout=None if drain_timeout is None else timedelta(seconds=drain_timeout),
    )
    Worker(opened, queue, settings, manner).run()


@app.command("list")
def list_workers(
    all_: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Workers, what they offer, and what they run.

    \b
    meristem worker list
    """
    found = open_swept(store).workers.list(living=not all_)
    if as_json:
        print_json([_as_json(worker) for worker in found])
        return
    columns = ["name", "status", "queues", "cpus", "gpus", "labels", "running", "lease"]
    print_table(columns, [_row(worker) for worker in found], numbers=["cpus", "gpus"])


@app.command()
def show(worker: str, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """One worker, by its name or id.

    \b
    meristem worker show gpu-box-1
    """
    found = open_swept(store).workers.get(worker)
    print_json(_as_json(found)) if as_json else print_pairs(_as_json(found).items())


@app.command()
def drain(workers: list[str], store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Have workers finish what runs and claim nothing more; then they end.

    \b
    meristem worker drain gpu-box-1
    """
    opened = open_store(store)
    names = [name for worker in workers for name in opened.workers.drain(worker)]
    print_json({"draining": names}) if as_json else typer.echo(f"Draining: {', '.join(names)}")


def _variables(
    file: Path | None, passed: Sequence[str], named: Sequence[str], *, verbose: bool
) -> tuple[dict[str, str], list[str]]:
    from meristem.workers.settings import read_variables, variables_of_tasks  # not for --help

    if missing := [name for name in passed if name not in os.environ]:
        raise InputError(f"--pass {missing[0]}: there is no such variable.", fix="Set it, or use --env-file.")
    given = read_variables(file) if file is not None else {}
    variables, secrets, held_back = variables_of_tasks(os.environ, given, passed, named)
    if held_back and verbose:
        typer.echo(f"Kept from tasks (--pass NAME gives one to them): {', '.join(held_back)}", err=True)
    return variables, secrets


def _memory(text: str | None) -> int | None:
    from meristem.needs import read_bytes  # not for --help

    try:
        return None if text is None else read_bytes(text)
    except ValueError as error:
        raise InputError(f"--memory: {error}.") from None


def _labels(text: str) -> frozenset[str]:
    from meristem.needs import read_labels  # not for --help

    try:
        return read_labels(text)
    except ValueError as error:
        raise InputError(f"--labels: {error}.") from None


def _log_to_stderr(settings: Settings, *, verbose: bool) -> None:
    import logging  # not for --help

    from meristem.workers.masking import masked

    class Lines(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return masked(super().format(record), settings.secrets)

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("meristem")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)


def _as_json(worker: WorkerRow) -> dict[str, Any]:
    from meristem.store.workers import offer_to_json  # not for --help

    return {
        "name": worker.name,
        "id": worker.id,
        "status": worker.status.value,
        "queues": list(worker.queues),
        "offer": offer_to_json(worker.offer),
        "running": list(worker.running),
        "facts": dict(worker.facts),
        "usage": dict(worker.usage),
        "started_at": iso(worker.started_at),
        "seen_at": iso(worker.seen_at),
        "lease_seconds": round(worker.lease_seconds, 1) if worker.ended_at is None else None,
        "ended_at": iso(worker.ended_at),
        "message": worker.message,
    }


def _row(worker: WorkerRow) -> list[Any]:
    lease = "" if worker.ended_at is not None else f"{worker.lease_seconds:.0f} s"
    return [
        worker.name,
        worker.status.value,
        ", ".join(worker.queues),
        f"{worker.offer.cpus:g}",
        worker.offer.gpus,
        ", ".join(sorted(worker.offer.labels)),
        ", ".join(map(str, worker.running)),
        lease,
    ]
