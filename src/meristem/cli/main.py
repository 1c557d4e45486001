"""The console script `meristem`: puts the commands together, and turns errors into messages and exit codes.

Nothing heavy is imported before a command runs, so that --help answers at once.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from meristem.cli import data, init, mmar, queue, run, schema, store, study, task, worker
from meristem.errors import INTERRUPTED, WORK_FAILED, MeristemError

# Newer Typers hold a click of their own, older ones use the package: this is the class in either.
_UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    name="meristem",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Searches for the best configuration of a training.\n\n"
    "\b\n"
    "meristem init                 write an example study.yaml\n"
    "meristem run study.yaml       search\n"
    "meristem study show example   see how far it is\n"
    "meristem study best example   the best parameters\n"
    "meristem task list            trainings, and how they stand\n"
    "meristem queue list           where tasks wait for workers\n"
    "meristem data list            datasets and their versions\n\n"
    "Exit codes: 0 done, 1 the work failed, 2 bad input, 130 interrupted.",
)
app.command("init")(init.init)
app.command("run")(run.run)
app.add_typer(study.app, name="study")
app.add_typer(task.app, name="task")
app.add_typer(queue.app, name="queue")
app.add_typer(worker.app, name="worker")
app.add_typer(data.app, name="data")
app.add_typer(mmar.app, name="mmar")
app.add_typer(store.app, name="store")
app.add_typer(schema.app, name="schema")


@app.callback(invoke_without_command=True)
def options(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if show_version:
        typer.echo(f"meristem {_version()}")
        raise typer.Exit


def main() -> None:
    """Runs the command line; the console script."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # no name is worth a crash of the terminal
    sys.exit(_run())


def _run() -> int:
    try:
        code = app(prog_name="meristem", standalone_mode=False)
        sys.stdout.flush()
    except MeristemError as error:
        sys.stdout.flush()
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    except _UsageError as error:
        error.message = error.message.replace("Value error, ", "")  # how pydantic begins, which says nothing
        error.show()
        return int(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough (head, less); the last flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return WORK_FAILED
    return code if isinstance(code, int) else 0


def _version() -> str:
    try:
        return version("meristem")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    main()
