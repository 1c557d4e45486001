"""A task's code in a folder: the commit, the uncommitted changes, untracked files; or a single script."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meristem.workers.environments.repository_cache import GIT, check_out
from meristem.workers.environments.tools import NotPrepared, run, safe_path, say


def is_checked_out(source: Mapping[str, Any]) -> bool:
    """Whether the code comes from a repository. Before its first commit all there is was kept with the task."""
    kept = source.get("script") or source.get("untracked")
    return bool(source.get("commit") or ((source.get("repository") or source.get("branch")) and not kept))


def has_code(source: Mapping[str, Any]) -> bool:
    """Whether there is any code to lay out; without, only what the environment has can be imported."""
    return is_checked_out(source) or bool(source.get("script") or source.get("untracked"))


def lay_out(source: Mapping[str, Any], blobs: Path, cache: Path, place: Path) -> tuple[Path, str | None]:
    """Makes the folder `place` with the task's code and returns the folder to run in, and the commit if there is one.

    Args:
        source: As in `task.json`; files stand as `{"blob": name}`.
        blobs: Where those lie, by name.

    Raises:
        NotPrepared: Something of it cannot be had.
    """
    commit = None
    if is_checked_out(source):
        commit = check_out(source, cache, place)
        say(f"code: {source.get('repository') or source.get('root')} at {commit[:12]}")
        _apply_diff(source.get("diff"), blobs, place, f"commit {commit[:12]}")
        for name, part in (source.get("submodules") or {}).items():
            _apply_diff(part.get("diff"), blobs, safe_path(place, name, "The submodule"), f"the submodule {name}")
    else:
        place.mkdir(parents=True, exist_ok=True)
    if script := source.get("script"):
        name = str(source.get("script_name") or source.get("entry_point") or "script.py")
        _write(blobs, script, safe_path(place, name, "The script"))
    for name, file in (source.get("untracked") or {}).items():
        _write(blobs, file, safe_path(place, str(name), "The untracked file"))
    folder = safe_path(place, str(source.get("working_dir") or "."), "The working directory")
    if not folder.is_dir() and commit:
        raise NotPrepared(f"The working directory {source['working_dir']!r} is not in the code at this commit.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder, commit


def import_paths(source: Mapping[str, Any], root: Path) -> list[str]:
    """Folders of the code that were searched for modules when the task was recorded."""
    given = source.get("python_path") or ()
    return [str(safe_path(root, str(name), "The import folder")) for name in given]


def entry_command(source: Mapping[str, Any], python: str, folder: Path, root: Path) -> list[str]:
    """The command line of a script or module.

    Raises:
        NotPrepared: There is no such script.
    """
    entry, arguments = str(source.get("entry_point") or ""), [str(a) for a in source.get("arguments") or ()]
    if not entry:
        raise NotPrepared("The task has no entry point. Set one: set_source(entry_point='train.py').")
    if source.get("entry") == "module":
        return [python, "-m", entry, *arguments]
    names = [entry, str(source.get("script_name") or entry)]
    if Path(entry).is_absolute() and Path(entry).is_file():
        return [python, entry, *arguments]
    for base in (folder, root):
        for name in names:
            if (base / name).is_file():
                return [python, os.path.relpath(base / name, folder), *arguments]
    raise NotPrepared(f"The entry point {entry!r} is not in the code. Was it committed, or added to the task?")


def _apply_diff(diff: Any, blobs: Path, place: Path, where: str) -> None:
    if not diff:
        return
    path = _blob(blobs, diff, "The uncommitted changes")
    if not path.stat().st_size:
        return
    run(
        [*GIT, "apply", "--whitespace=nowarn", path],
        cwd=place,
        what=f"the uncommitted changes do not apply to {where}",
    )
    say(f"applied the uncommitted changes ({path.stat().st_size:,} bytes)")


def _write(blobs: Path, file: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_blob(blobs, file, path.name), path)


def _blob(blobs: Path, file: Any, what: str) -> Path:
    name = file.get("blob") if isinstance(file, Mapping) else None
    if not isinstance(name, str) or not (blobs / Path(name).name).is_file():
        raise NotPrepared(f"{what}: its bytes were never stored with the task ({file!r:.80}).")
    return blobs / Path(name).name


def own_python() -> str:
    """The interpreter of the worker, with all that is installed there."""
    return sys.executable
