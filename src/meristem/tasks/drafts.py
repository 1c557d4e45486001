"""What drafts are made of: what they run, where its code is, with which parameters. Checked before a store is asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from meristem.errors import InputError, did_you_mean
from meristem.needs import Needs, read_needs
from meristem.store.task_rows import MAX_ATTEMPTS, NewTask, TaskRow
from meristem.tasks.parameters.sections import flatten
from meristem.tasks.revisions import settled_commit
from meristem.tasks.spool_folder import new_task_id


def new_draft(
    project: str,
    name: str,
    *,
    function: str | None = None,
    script: str | None = None,
    module: str | None = None,
    arguments: Sequence[str] = (),
    repository: str | Path | None = None,
    branch: str | None = None,
    commit: str | None = None,
    working_dir: str = ".",
    packages: Sequence[str] | None = None,
    python: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    tags: str | Sequence[str] = (),
    needs: Needs | Mapping[str, Any] | None = None,
    kind: str = "training",
    max_attempts: int = MAX_ATTEMPTS,
) -> NewTask:
    """A task that nothing has run yet.

    Args:
        function: `package.module:function`, called with the parameters; its result is the task's.
        script: Path of a script, relative to `working_dir` of the repository.
        module: `package.module`, run as by `python -m`.
        repository: URL, or a folder on this machine; None: the code is installed where the task runs.
        branch: Its head at this moment is what runs; without `branch` and `commit`, that of the default branch.
        commit: Also a tag or another name, as long as the repository can be asked for it now.
        packages: Such as `numpy==2.2.0`; None: what the worker has.
        python: Version, such as `3.11`.
        parameters: By `Section/name`; a name without a section is of the section General.

    Raises:
        InputError: Not exactly one of `function`, `script` and `module`, a value that cannot be used, or a script that
            no worker would find.
    """
    source = entry_of(function=function, script=script, module=module) | place_of_code(repository)
    source |= {"arguments": [str(one) for one in arguments], "working_dir": working_dir}
    source |= {key: value for key, value in {"branch": branch, "commit": commit}.items() if value is not None}
    _check_place(source)
    if found := settled_commit(source):
        source["commit"] = found
    environment: dict[str, Any] = {} if python is None else {"python": python}
    if packages is not None:
        environment["packages"] = [*packages]
    return NewTask(
        id=new_task_id(),
        project=project,
        name=name,
        kind=kind,
        tags=(tags,) if isinstance(tags, str) else tuple(tags),
        source=source,
        environment=environment,
        parameters=named(parameters or {}),
        needs=read_needs(needs),
        max_attempts=max_attempts,
    )


def entry_of(**entries: str | None) -> dict[str, Any]:
    """The part of a source that says what is run.

    Raises:
        InputError: Not exactly one entry is given, or it names no function.
    """
    given = {entry: text for entry, text in entries.items() if text}
    if len(given) != 1:
        raise InputError(
            f"A task runs one thing, and {len(given) or 'none'} was given.",
            fix='Give one of function="package.module:function", script="train.py", module="package.module".',
        )
    [(entry, text)] = given.items()
    if entry == "function" and (text.count(":") != 1 or not all(part.strip() for part in text.split(":"))):
        raise InputError(f"function={text!r:.120} names no function.", fix="Write package.module:function.")
    return {"entry": entry, "entry_point": text}


def place_of_code(repository: str | Path | None) -> dict[str, Any]:
    """The part of a source that says where the code is: a URL, or a folder of this machine.

    Raises:
        InputError: It is neither.
    """
    if repository is None:
        return {}
    folder = Path(repository).expanduser()
    if folder.is_dir():
        return {"repository": None, "root": str(folder.absolute())}
    if ":" not in str(repository):
        raise InputError(f"The repository {str(repository)!r:.200} is neither a URL nor a folder on this machine.")
    return {"repository": str(repository)}


def edited_source(
    old: Mapping[str, Any],
    *,
    repository: str | Path | None = None,
    branch: str | None = None,
    commit: str | None = None,
) -> dict[str, Any]:
    """What changes in a source; uncommitted changes of another commit are dropped (`diff` None).

    Raises:
        InputError: There is no such branch or commit.
    """
    changed = place_of_code(repository)
    changed |= {key: text for key, text in (("branch", branch), ("commit", commit)) if text is not None}
    if not changed:
        return {}
    whole: dict[str, Any] = {**old, **changed}
    if branch is not None and commit is None:
        whole.pop("commit", None)  # another branch: its head
    found = settled_commit(whole)
    if found != old.get("commit"):
        changed |= {"commit": found, "diff": None}
    elif commit is not None:
        changed["commit"] = found
    return changed


def _check_place(source: Mapping[str, Any]) -> None:
    if source.get("repository") or source.get("root"):
        return
    if named := [name for name in ("branch", "commit") if source.get(name)]:
        raise InputError(f"A {named[0]} is given, but no repository.", fix="Give its URL, or a folder, as repository.")
    script = source["entry_point"]
    if source["entry"] == "script" and not Path(script).is_absolute():
        raise InputError(
            f"No worker would find the script {script!r:.120}: the task has no repository.",
            fix="Give repository=URL (or a folder that is one); or run it once by hand with Task.init and clone "
            "that; or write the whole path that it has on the workers.",
        )


def edited_parameters(row: TaskRow, values: Mapping[str, Any], *, new: bool) -> dict[str, Any]:
    """New values of parameters by their whole names.

    Raises:
        InputError: A name that the task has not, unless `new`; all of them are listed.
    """
    known = row.parameters
    given: dict[str, Any] = {}
    problems = []
    for name, value in named(values, known).items():
        if name not in known and known and not new:
            problems.append(f"{name!r} is none of its parameters. {did_you_mean(name, list(known))}")
        given[name] = value
    if problems:
        fix = f"It has: {', '.join(sorted(known)[:20])}. New ones are added with new=True."
        raise InputError(f"Task {row.number} cannot be edited so", problems, fix)
    return given


def named(values: Mapping[str, Any], known: Collection[str] = ()) -> dict[str, Any]:
    """JSON values by whole names; what has no section is of the section General, unless `known` says otherwise."""
    whole = {}
    for name, value in values.items():
        is_section = isinstance(value, Mapping) and any(one.startswith(f"{name}/") for one in known)
        whole[name if "/" in name or is_section else f"General/{name}"] = value
    return dict(flatten(whole))
