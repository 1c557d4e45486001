"""`meristem task create|clone|edit|import`: tasks are made, and drafts are changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.store_option import JsonOption, StoreOption, make_store, open_store
from meristem.cli.task_views import task_view
from meristem.cli.tasks_given import One, Several, for_each, parameters_given
from meristem.errors import InputError
from meristem.naming import check_priority

if TYPE_CHECKING:
    from meristem.needs import Needs
    from meristem.store.store import Store
    from meristem.store.task_rows import TaskRow

_Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter; may be repeated.")]
_Add = Annotated[
    list[str] | None,
    typer.Option("--add", metavar="NAME=VALUE", help="A parameter that it does not have yet; may be repeated."),
]
_Name = Annotated[str | None, typer.Option("--name", help="Another name.")]
_Project = Annotated[str | None, typer.Option("--project", help="Another project.")]
_Tag = Annotated[list[str] | None, typer.Option("--tag", help="Add a tag; may be repeated.")]
_Untag = Annotated[list[str] | None, typer.Option("--untag", help="Take a tag away; may be repeated.")]
_Comment = Annotated[str | None, typer.Option("--comment", help="A note for people.")]
_Enqueue = Annotated[str | None, typer.Option("--enqueue", metavar="QUEUE", help="Put it into this queue at once.")]
_Priority = Annotated[int, typer.Option("--priority", help="In that queue; higher ones start first.")]
_Repository = Annotated[str | None, typer.Option("--repository", help="URL, or a folder, of the git repository.")]
_Branch = Annotated[str | None, typer.Option("--branch", help="Branch of the repository: its head now.")]
_Commit = Annotated[
    str | None, typer.Option("--commit", help="Commit, or a tag; drops uncommitted changes of another one.")
]
_Cpus = Annotated[float | None, typer.Option("--cpus", help="Cores that it needs.")]
_Gpus = Annotated[int | None, typer.Option("--gpus", help="GPUs that it needs.")]
_Memory = Annotated[str | None, typer.Option("--memory", help="Memory that it needs, such as 16GB.")]
_Label = Annotated[
    list[str] | None, typer.Option("--label", help="A label that its worker must have; may be repeated.")
]
_MaxAttempts = Annotated[
    int | None, typer.Option("--max-attempts", min=1, help="How often it is tried when its machine is lost.")
]


def create(
    project: Annotated[str, typer.Option("--project", help="Its project.")],
    name: Annotated[str, typer.Option("--name", help="Its name.")],
    store: StoreOption = None,
    script: Annotated[
        str | None, typer.Option("--script", help="A script of the repository, such as train.py.")
    ] = None,
    module: Annotated[str | None, typer.Option("--module", help="A module, run as by python -m.")] = None,
    function: Annotated[str | None, typer.Option("--function", help="package.module:function, called.")] = None,
    argument: Annotated[
        list[str] | None, typer.Option("--argument", help="Of the command line of a script or module; may be repeated.")
    ] = None,
    repository: _Repository = None,
    branch: _Branch = None,
    commit: _Commit = None,
    working_dir: Annotated[str, typer.Option("--working-dir", help="Folder of the repository.")] = ".",
    package: Annotated[
        list[str] | None, typer.Option("--package", help="Such as numpy==2.2.0; may be repeated.")
    ] = None,
    python: Annotated[str | None, typer.Option("--python", help="Version of Python, such as 3.11.")] = None,
    set_: _Set = None,
    tag: _Tag = None,
    comment: _Comment = None,
    cpus: _Cpus = None,
    gpus: _Gpus = None,
    memory: _Memory = None,
    label: _Label = None,
    max_attempts: _MaxAttempts = None,
    enqueue: _Enqueue = None,
    priority: _Priority = 0,
    as_json: JsonOption = False,
) -> None:
    """Make a draft of a script, a module or a function, without running anything.

    \b
    meristem task create --project demo --name sum --function operator:add --set a=1 --set b=2 --enqueue default
    meristem task create --project demo --name digits --script train.py --repository https://host/digits.git --gpus 1
    """
    from meristem.store.task_rows import MAX_ATTEMPTS  # slow to import: not for --help
    from meristem.tasks.operations import StoredTask

    if sum(entry is not None for entry in (script, module, function)) != 1:
        fix = "Give one of --script train.py, --module package.module, --function package.module:function."
        raise InputError("A task runs one thing: a script, a module or a function.", fix=fix)
    check_priority(priority)
    opened = make_store(store)
    if enqueue is not None:
        opened.queues.get(enqueue)
    made = StoredTask.create(
        project, name, script=script, module=module, function=function, arguments=argument or (),
        repository=repository, branch=branch, commit=commit, working_dir=working_dir, packages=package, python=python,
        parameters=_new_parameters(set_ or ()), tags=tag or (), needs=_needs(None, cpus, gpus, memory, label),
        max_attempts=max_attempts or MAX_ATTEMPTS, store=opened,
    )  # fmt: skip
    if comment is not None:
        made.set_comment(comment)
    _print_made(opened, [made.number], enqueue, priority, as_json=as_json)


def clone(
    task: One,
    store: StoreOption = None,
    set_: _Set = None,
    add: _Add = None,
    name: _Name = None,
    project: _Project = None,
    tag: _Tag = None,
    untag: _Untag = None,
    comment: _Comment = None,
    enqueue: _Enqueue = None,
    priority: _Priority = 0,
    as_json: JsonOption = False,
) -> None:
    """Make a draft like a task, with other parameters; the task itself stays as it is.

    A short name stands for that of the section General, of Args, or of the only one that has it.

    \b
    meristem task clone 12 --set General/lr=0.2
    meristem task clone 12 --set lr=0.2 --set epochs=10 --name warmer --enqueue gpu
    """
    from meristem.tasks.operations import StoredTask  # slow to import: not for --help

    check_priority(priority)
    opened = open_store(store)
    of = opened.tasks.get(task)
    values, _ = parameters_given(of, set_ or (), add or ())
    if enqueue is not None:
        opened.queues.get(enqueue)
    tags = [one for one in dict.fromkeys((*of.tags, *(tag or ()))) if one not in (untag or ())]
    made = StoredTask(opened, of).clone(name, parameters=values, project=project, tags=tags, comment=comment, new=True)
    _print_made(opened, [made.number], enqueue, priority, as_json=as_json, of=of)


def edit(
    tasks: Several,
    store: StoreOption = None,
    set_: _Set = None,
    add: _Add = None,
    unset: Annotated[list[str] | None, typer.Option("--unset", help="Take a parameter away; may be repeated.")] = None,
    name: _Name = None,
    project: _Project = None,
    tag: _Tag = None,
    untag: _Untag = None,
    comment: _Comment = None,
    repository: _Repository = None,
    branch: _Branch = None,
    commit: _Commit = None,
    cpus: _Cpus = None,
    gpus: _Gpus = None,
    memory: _Memory = None,
    label: _Label = None,
    max_attempts: _MaxAttempts = None,
    as_json: JsonOption = False,
) -> None:
    """Change tasks. What they run and by what only in drafts; names, tags and comments in all that are not published.

    Values take the type that they have: --set lr=0.2 is a number where a number was, a text where a text was.

    \b
    meristem task edit 12 --set General/lr=0.2 --unset General/debug
    meristem task edit 12 13 --gpus 2 --label a100
    meristem task edit 12 --commit 4f2c1d9 --tag baseline --comment "the one of the paper"
    """
    if all(
        value is None
        for value in (set_, add, unset, name, project, tag, untag, comment, repository, branch, commit, cpus, gpus,
                      memory, label, max_attempts)
    ):  # fmt: skip
        raise InputError("There is nothing to change.", fix="Say what, such as --set General/lr=0.2 or --tag baseline.")
    opened = open_store(store)
    texts: dict[str, Any] = {
        key: text for key, text in (("name", name), ("project", project), ("comment", comment)) if text is not None
    }

    def work(ref: str) -> TaskRow:
        from meristem.tasks.drafts import edited_source  # slow to import: not for --help

        row = opened.tasks.get(ref)
        values, gone = parameters_given(row, set_ or (), add or (), unset or ())
        source = edited_source(row.source, repository=repository, branch=branch, commit=commit)
        return opened.tasks.edit(
            row.number, parameters=values or None, remove=gone, source=source or None,
            needs=_needs(row, cpus, gpus, memory, label), max_attempts=max_attempts, add_tags=tag or (),
            remove_tags=untag or (), **texts,
        )  # fmt: skip

    for_each(tasks, work).print(task_view, lambda row: f"Task {row.number} is changed.", as_json=as_json)


def import_(
    places: Annotated[list[Path], typer.Argument(metavar="PLACE...", help="Spool folders, or zips of them.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring tasks into the store whose scripts ran offline. May be repeated.

    \b
    meristem task import meristem-tasks/b3f1c2d4e5a60718
    """
    from meristem.tasks.importing import import_folder  # slow to import: not for --help

    opened = make_store(store)
    done = for_each([str(place) for place in places], lambda place: import_folder(place, opened))
    done.print(task_view, lambda row: f"Task {row.number} ({row.name}): {row.status.value}.", as_json=as_json)


def _print_made(
    store: Store, numbers: Sequence[int], queue: str | None, priority: int, *, as_json: bool, of: TaskRow | None = None
) -> None:
    if queue is not None:
        store.queues.enqueue(numbers, queue, priority=priority)
    like = "" if of is None else f", a copy of {of.number}"
    done = for_each([str(number) for number in numbers], store.tasks.get)

    def line(row: TaskRow) -> str:
        where = f"waits in queue {queue}" if queue else f"a draft; run it with: meristem task enqueue {row.number}"
        return f"Task {row.number} ({row.name}){like}: {where}{'' if queue else ' --queue NAME'}"

    done.print(task_view, line, as_json=as_json)


def _new_parameters(texts: Sequence[str]) -> dict[str, Any]:
    from meristem.tasks.parameters.editing import parse_value  # slow to import: not for --help

    problems = [f"--set {text!r:.60} is not NAME=VALUE" for text in texts if not text.partition("=")[0].strip()
                or "=" not in text]  # fmt: skip
    if problems:
        raise InputError("The parameters cannot be set like this", problems)
    return {name.strip(): parse_value(value) for name, _, value in (text.partition("=") for text in texts)}


def _needs(
    row: TaskRow | None, cpus: float | None, gpus: int | None, memory: str | None, label: Sequence[str] | None
) -> Needs | None:
    """The needs of `row` with what was given in their place; None where nothing was."""
    from meristem.needs import read_needs

    given = {"cpus": cpus, "gpus": gpus, "memory": memory, "labels": label or None}
    wanted = {key: value for key, value in given.items() if value is not None}
    return read_needs({**(row.needs.to_json() if row else {}), **wanted}) if wanted else None
