"""A trial as a task: a copy of a template task with the trial's parameters in the place of its own. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meristem.errors import InputError, did_you_mean
from meristem.needs import Needs
from meristem.store.task_rows import NewTask, TaskRow
from meristem.study.protocols import Attempt
from meristem.tasks.parameter_names import DEFAULT_SECTION, parameter_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What every trial of a study has in common.

    Attributes:
        of: The task that is copied.
        names: The task's parameter (`General/lr`) by the study's (`lr`); for others see `parameter_name`.
        project, needs, max_attempts: None: those of the template.
        tags: Beside those of the template.
    """

    of: TaskRow
    names: Mapping[str, str]
    project: str | None = None
    needs: Needs | None = None
    max_attempts: int | None = None
    tags: Sequence[str] = ()

    def task_of(self, attempt: Attempt) -> NewTask:
        """The task of one attempt of a trial; the same attempt has the same id each time."""
        of = self.of
        values = {
            self.names.get(name) or parameter_name(name, of.parameters): value
            for name, value in attempt.parameters.items()
        }
        again = f", attempt {attempt.attempt}" if attempt.attempt > 1 else ""
        return NewTask(
            id=task_id(attempt.key),
            project=of.project if self.project is None else self.project,
            name=f"{attempt.study} #{attempt.number}{again}",
            kind=of.kind,
            comment=f"Trial {attempt.number} of study {attempt.study}{again}.",
            tags=tuple(dict.fromkeys((*of.tags, *self.tags))),
            source=of.source,
            environment=of.environment,
            parameters={**of.parameters, **values},
            needs=of.needs if self.needs is None else self.needs,
            max_attempts=of.max_attempts if self.max_attempts is None else self.max_attempts,
            parent=of.number,
        )


def task_id(key: str) -> str:
    """The id of an attempt's task: whoever starts the attempt again after a crash finds the task that is there."""
    digest = hashlib.blake2s(key.encode(errors="surrogatepass"), digest_size=8).hexdigest()
    return "abcdef"[int(digest[0], 16) % 6] + digest[1:]


def name_problems(given: Mapping[str, str], space: Collection[str]) -> list[str]:
    """What is wrong with the given names of parameters, for a study with these parameters, as sentences."""
    unknown = [name for name in given if name not in space]
    problems = [
        f"'parameters' has {name!r}, which the space does not have. "
        f"{did_you_mean(name, sorted(space))}Known: {', '.join(sorted(space))}"
        for name in unknown
    ]
    taken: dict[str, str] = {}
    for name, of_task in given.items():
        if of_task in taken:
            problems.append(f"'parameters' gives {of_task!r} to both {taken[of_task]!r} and {name!r}")
        taken[of_task] = name
    return problems


def read_names(given: Any) -> dict[str, str]:
    """The names of parameters as they were given.

    Raises:
        InputError: They do not map names to names such as `General/lr`.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(f"'parameters' must map the study's names to the task's, not {type(given).__name__}")
    problems = [
        f"'parameters' gives {name!r} the name {of_task!r:.60}; write a name such as {DEFAULT_SECTION}/{name}"
        for name, of_task in given.items()
        if not isinstance(of_task, str) or not all(of_task.split("/")) or "/" not in of_task
    ]
    if problems:
        raise InputError("The names of the task's parameters cannot be used", problems)
    return {str(name): of_task for name, of_task in given.items()}
