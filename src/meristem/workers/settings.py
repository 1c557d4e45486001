"""How a worker runs tasks: what its owner chose, checked, and the variables that tasks get."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from meristem.errors import InputError
from meristem.needs import Offer
from meristem.spool import REPORT_VARIABLE, STORE_VARIABLE
from meristem.tasks.spool_folder import TASK_VARIABLE
from meristem.workers.masking import looks_secret, secret_values

ENVIRONMENTS = ("venv", "current", "container")
FOLDER_VARIABLE = "MERISTEM_WORKER_FOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a worker's owner chose.

    Attributes:
        slots: The GPU ids of each slot, `()` for a slot without.
        environment: `venv`: one of the task's own; `current`: the worker's; `container`: where the task names an image
            or `image` does.
        variables: All environment variables of tasks, before those of their own.
        secrets: Texts that are masked, the longest first.
        grace_seconds: From the wish that a task end to its end by force.
        console_bytes: How much unshipped console output of a task may lie on the disk; None: the usual.
    """

    offer: Offer
    slots: Sequence[tuple[str, ...]]
    folder: Path
    environment: str = "venv"
    image: str | None = None
    strict_python: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[str] = ()
    grace_seconds: float = 10.0
    kept_environments: int = 20
    console_bytes: int | None = None
    uv: str | None = None
    psutil: str = "psutil"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"


def variables_of_tasks(
    environ: Mapping[str, str], given: Mapping[str, str], passed: Collection[str], named: Collection[str]
) -> tuple[dict[str, str], list[str], list[str]]:
    """What tasks find in their environment.

    The worker's own variables, without those that look secret: whoever may enqueue could read them. Those come in
    that its owner passes by name, and what stands in a file.

    Args:
        given: From a file.
        passed: Names of secret variables that tasks may have.
        named: Names whose values are secret, whatever they look like.

    Returns:
        The variables, what is to be masked of them and of the worker's own, and the names that were held back.
    """
    all_ = {**environ, **given}
    held_back = sorted(
        name
        for name, value in environ.items()
        if name not in passed
        and name not in given
        and (looks_secret(name) or name in named or secret_values({"": value}))
    )
    unwanted = {*held_back, TASK_VARIABLE, REPORT_VARIABLE, "MERISTEM_SPOOL"}
    variables = {name: value for name, value in all_.items() if name not in unwanted}
    return variables, secret_values(all_, {*named, *given, *passed}), [n for n in held_back if n != STORE_VARIABLE]


def read_variables(path: Path) -> dict[str, str]:
    """The variables in a file of lines `NAME=value`; empty lines and those that begin with # are passed over.

    Raises:
        InputError: It cannot be read, or has other lines; all are listed.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The file of variables {path} cannot be read: {error}.") from error
    found: dict[str, str] = {}
    problems = []
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            problems.append(f"line {number} is not NAME=value")
            continue
        value = value.strip()
        quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
        found[name.strip()] = value[1:-1] if quoted else value
    if problems:
        raise InputError(f"The file of variables {path} cannot be used", problems)
    return found


def default_folder() -> Path:
    """Where workers keep their caches and attempts: $MERISTEM_WORKER_FOLDER, or the user's cache folder."""
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache) / "meristem" / "worker"


def find_uv() -> str | None:
    """The program uv, from its package or on the PATH."""
    try:
        from uv import find_uv_bin  # an own package, perhaps not there

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        return shutil.which("uv")


def own_psutil() -> str:
    """The requirement for what a task's reports of its resources need: the worker's own version."""
    return f"psutil=={importlib.metadata.version('psutil')}"
