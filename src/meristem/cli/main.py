"""The console script `meristem`: puts the commands together, and turns errors into messages and exit codes.

Nothing heavy is imported before a command runs, so that --help answers at once; and of a command only its own noun.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from copy import copy
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.models import CommandInfo

from meristem.errors import INTERRUPTED, WORK_FAILED, MeristemError

# Newer Typers hold a click of their own, older ones use the package: this is the class in either.
_UsageError: Any = typer.BadParameter.__base__

_COMMANDS = ("init", "run")
_NOUNS = ("study", "task", "queue", "worker", "data", "mmar", "store", "schema")
_HELP = (
    "Searches for the best configuration of a training.\n\n"
    "\b\n"
    "meristem init                 write an example study.yaml\n"
    "meristem run study.yaml       search\n"
    "meristem study show example   see how far it is\n"
    "meristem study best example   the best parameters\n"
    "meristem task list            trainings, and how they stand\n"
    "meristem queue list           where tasks wait for workers\n"
    "meristem data list            datasets and their versions\n\n"
    "Exit codes: 0 done, 1 the work failed, 2 bad input, 130 interrupted."
)


def __getattr__(name: str) -> Any:
    """`app`: the whole command line."""
    if name != "app":
        raise AttributeError(name)
    globals()["app"] = made = make_app((*_COMMANDS, *_NOUNS))
    return made


def make_app(names: Iterable[str], verb: str = "") -> typer.Typer:
    """The command line with these commands and nouns, which are imported now.

    Args:
        verb: Of the nouns' commands only this one, where there is such a command.
    """
    made = typer.Typer(
        name="meristem",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help=_HELP,
    )
    for name in names:
        module = import_module(f"meristem.cli.{name}")
        if name in _NOUNS:
            noun = copy(module.app)
            wanted = [each for each in noun.registered_commands if _verb(each) == verb]
            noun.registered_commands = wanted or noun.registered_commands
            made.add_typer(noun, name=name)
        else:
            made.command(name)(getattr(module, name))
    made.callback(invoke_without_command=True)(options)
    return made


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
        code = _app_for(sys.argv[1:])(prog_name="meristem", standalone_mode=False)
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


def _app_for(arguments: list[str]) -> typer.Typer:
    """All of the command line costs a third of a second: where noun and verb are known, only these are made."""
    first, second = [*arguments[:2], "", ""][:2]
    return make_app((first,), second) if first in (*_COMMANDS, *_NOUNS) else make_app((*_COMMANDS, *_NOUNS))


def _verb(command: CommandInfo) -> str:
    assert command.callback
    return command.name or command.callback.__name__.replace("_", "-")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # only where it is asked for

    try:
        return version("meristem")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    main()
