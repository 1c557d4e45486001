"""Tasks as they are named on the command line: one or several, each a number, an id or its beginning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import typer

from meristem.cli.output import print_json, say, shown
from meristem.errors import DONE, InputError, MeristemError, did_you_mean

if TYPE_CHECKING:
    from meristem.store.store import Store
    from meristem.store.task_rows import TaskRow

T = TypeVar("T")

One = Annotated[str, typer.Argument(metavar="TASK", help="Its number, id, or the beginning of the id.")]
Several = Annotated[list[str], typer.Argument(metavar="TASK...", help="Numbers, ids, or beginnings of ids.")]


@dataclass(slots=True)
class Done(Generic[T]):
    """What came of each of several tasks.

    Attributes:
        errors: By what the task was called.
        code: The worst exit code.
    """

    results: list[T] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    code: int = DONE

    def print(self, view: Callable[[T], Any], line: Callable[[T], str], *, as_json: bool) -> None:
        """Prints what was done, then ends the command where something was not."""
        if as_json:
            failed = {"errors": self.errors} if self.errors else {}
            print_json({"tasks": [view(result) for result in self.results], **failed})
        else:
            for result in self.results:
                typer.echo(line(result))
        if self.code:
            raise typer.Exit(self.code)


def for_each(refs: Sequence[str], work: Callable[[str], T]) -> Done[T]:
    """Does `work` for each of the tasks once; an error of one is told at once, and stops none of the others."""
    done: Done[T] = Done()
    for ref in dict.fromkeys(refs):
        try:
            done.results.append(work(ref))
        except MeristemError as error:
            say(f"Error: {error}")
            done.errors[ref] = str(error)
            done.code = max(done.code, error.exit_code)
    return done


def parameters_given(
    task: TaskRow, given: Sequence[str] = (), added: Sequence[str] = (), removed: Sequence[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """The values of NAME=VALUE texts, of the type that they have in `task`, and full names of those to be removed.

    Args:
        given: Of parameters that it has.
        added: Of others.

    Raises:
        InputError: Names that it has not, or values of another type; all are listed.
    """
    from meristem.tasks.parameter_names import parameter_name  # slow to import: not for --help
    from meristem.tasks.parameters.editing import parse_value

    known = task.parameters
    values: dict[str, Any] = {}
    problems: list[str] = []
    for option, texts in (("--set", given), ("--add", added)):
        for text in texts:
            name, sign, value = text.partition("=")
            full = parameter_name(name.strip(), known)
            if not sign or not name.strip():
                problems.append(f"{option} {text!r:.60} is not NAME=VALUE")
            elif full not in known and known and option == "--set":
                problems.append(_unknown(task, name.strip(), known) + " A new one is given with --add")
            else:
                try:
                    values[full] = parse_value(value, known.get(full), full)
                except InputError as error:
                    problems.append(error.what)
    gone = [parameter_name(name, known) for name in removed]
    problems += [_unknown(task, name, known) for name, full in zip(removed, gone, strict=True) if full not in known]
    if problems:
        raise InputError(f"The parameters of task {task.number} cannot be changed like this", problems)
    return values, gone


def _unknown(task: TaskRow, name: str, known: Mapping[str, Any]) -> str:
    names = [*known, *(one.partition("/")[2] for one in known)]
    return f"task {task.number} has no parameter {shown(name, 60)!r}. {did_you_mean(name, names)}".rstrip()


def worker_names(store: Store) -> dict[str, str]:
    """Names of workers by session."""
    return {worker.id: worker.name for worker in store.workers.list(living=False, limit=10_000)}
