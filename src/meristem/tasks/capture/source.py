"""The source of a task: where its code lies, at which commit, and what is not committed.

`capture_source` is called when a task starts, inside the training, and writes bytes into its spool folder. What it
cannot find out it says in `notes`; it never fails a training.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from meristem.tasks.capture.distributions import Installed
from meristem.tasks.capture.entry import EntryKind, EntryPoint, current_entry
from meristem.tasks.capture.git import GitFailed, Repository
from meristem.tasks.capture.imported_files import import_roots, imported_files, is_installed, relative_to, strangers
from meristem.tasks.capture.notebook import script_of_cells, script_of_notebook
from meristem.tasks.capture.static_imports import reachable

_FILE_BYTES = 64 << 20  # of one untracked file; larger ones are data, not code


def capture_source(entry: EntryPoint | None, folder: Path, *, also: Iterable[Path] = ()) -> dict[str, Any]:
    """The `source` of a task.

    Args:
        entry: What is started; None: how this process was.
        folder: The spool folder; files/diff.patch, files/untracked/…, files/script.py are written there.
        also: More files to keep where git does not, such as configuration that the code reads.

    Returns:
        As task.json holds it. `root` is the repository, or without one the folder of the script; `commit` is None
        where nothing can be checked out: then `script` and `untracked` (both relative to `root`) are all there is.
        Beside the fields of the design: `python_path` (folders below the root that were on sys.path),
        `submodules` ({path: {"commit", "diff"?}}), `notes` (what could not be captured, as sentences).
    """
    entry = entry or current_entry()
    notes: list[str] = []
    cwd = _working_folder()
    repository = _repository(entry, cwd, notes)
    commit = repository.commit if repository else None
    root = repository.root if repository else _home_of(entry, cwd)
    source: dict[str, Any] = {
        "repository": repository.url if repository else None,
        "root": str(root),
        "branch": repository.branch if repository else None,
        "commit": commit,
        "working_dir": relative_to(cwd, root) or ".",
        "entry": entry.kind.value,
        "entry_point": entry.name,
        "arguments": list(entry.arguments),
        "python_path": import_roots(root),
    }
    if entry.notebook:
        source["notebook"] = True
    if repository is None:
        source["working_dir"] = "."
    if repository and commit:
        _add_changes(source, repository, commit, folder, notes)
    wanted = _files_wanted(entry, root, also)
    if entry.kind is EntryKind.SCRIPT:
        _add_script(source, entry, folder, wanted, notes)
    elif relative_to(cwd, root) is None:
        source["working_dir"] = _import_folder(entry, root)
    kept = set() if not (repository and commit) else _tracked(repository, wanted, notes)
    untracked = _copy({name: path for name, path in wanted.items() if name not in kept}, folder, notes)
    if untracked or "untracked" in source:
        source["untracked"] = untracked | source.get("untracked", {})
    if outside := strangers(root, Installed(sys.path).editables):
        notes.append(f"Imported from outside of {root}, and not kept: {', '.join(outside[:20])}.")
    if notes:
        source["notes"] = notes
    return source


def late_untracked(folder: Path, root: Path, known: Collection[str]) -> dict[str, dict[str, str]]:
    """Untracked files that were imported since the capture, kept in `folder` like the others.

    Args:
        root: `root` of the captured source.
        known: Paths of the untracked files kept so far.

    Returns:
        What to add to `untracked`.
    """
    wanted = {name: path for name, path in imported_files(root).items() if name not in known}
    if not wanted:
        return {}
    notes: list[str] = []
    try:
        repository = Repository.find(root)
    except GitFailed:
        return {}
    if repository and repository.root == root and repository.commit:
        kept = _tracked(repository, wanted, notes)
        wanted = {name: path for name, path in wanted.items() if name not in kept}
    return _copy(wanted, folder, notes)


def late_source(folder: Path, source: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `source` that are other at the end of a task than at its start; empty where none is.

    Files imported meanwhile, and the cells of a notebook that were written after the task began.
    """
    script = source.get("script")
    known = {*source.get("untracked", {}), *([source["entry_point"]] if script else [])}
    changed: dict[str, Any] = {}
    if new := late_untracked(folder, Path(source["root"]), known):
        changed["untracked"] = {**source.get("untracked", {}), **new}
    if not source.get("notebook"):
        return changed
    text = _notebook_text(current_entry(), [])
    if text is None:
        return changed
    name = os.path.normpath(os.path.join(source["working_dir"], source["entry_point"]))
    old = script or source.get("untracked", {}).get(name)
    if old and (folder / old["file"]).read_text(encoding="utf-8") != text:
        file = _write(folder, "files/script-at-end.py", text)  # a named file never changes: another one
        if script:
            changed["script"] = file
        else:
            changed["untracked"] = {**source.get("untracked", {}), **changed.get("untracked", {}), name: file}
    return changed


def _repository(entry: EntryPoint, cwd: Path, notes: list[str]) -> Repository | None:
    # Of an installed program (a console script, `python -m pytest`) the folder says nothing: where it is started does.
    outside = entry.path is None or is_installed(entry.path)
    try:
        return Repository.find(cwd if outside or entry.path is None else entry.path.parent)
    except GitFailed as error:
        notes.append(f"The repository was not captured: {error}.")
        return None


def _home_of(entry: EntryPoint, cwd: Path) -> Path:
    if entry.path is None or is_installed(entry.path):
        return cwd
    return _above_package(entry, entry.path)


def _import_folder(entry: EntryPoint, root: Path) -> str:
    """Where to start a module that was started from outside of its repository, relative to `root`."""
    return (relative_to(_above_package(entry, entry.path), root) or ".") if entry.path else "."


def _above_package(entry: EntryPoint, path: Path) -> Path:
    """The folder from which the module or script is imported."""
    if entry.kind is EntryKind.SCRIPT:
        return path.parent
    depth = len(entry.name.partition(":")[0].split(".")) - 1 + (path.stem in ("__init__", "__main__"))
    return path.parents[min(depth, len(path.parents) - 1)]


def _add_changes(source: dict[str, Any], repository: Repository, commit: str, folder: Path, notes: list[str]) -> None:
    if source["repository"] and not repository.is_published(commit):
        notes.append(f"Commit {commit[:10]} is on no branch of a remote yet: push it, so that other machines have it.")
    if diff := _diff(repository, folder, "files/diff.patch", notes):
        source["diff"] = diff
    for number, (path, at) in enumerate(sorted(repository.submodules().items())):
        part: dict[str, Any] = {"commit": at}
        if diff := _diff(repository.inside(path), folder, f"files/submodules/{number}.patch", notes):
            part["diff"] = diff
        source.setdefault("submodules", {})[path] = part


def _diff(repository: Repository, folder: Path, name: str, notes: list[str]) -> dict[str, str] | None:
    try:
        return {"file": name} if repository.write_diff(folder / name) else None
    except (GitFailed, OSError) as error:
        notes.append(f"Uncommitted changes of {repository.root} were not captured: {error}.")
        return None


def _files_wanted(entry: EntryPoint, root: Path, also: Iterable[Path]) -> dict[str, Path]:
    """Code below `root` that runs or will be imported, by path relative to it, whether or not git keeps it."""
    wanted = imported_files(root)
    mine = list(also)
    if entry.path is not None and not is_installed(entry.path) and not entry.notebook:
        folders = [entry.path.parent, *(root / one for one in import_roots(root))]
        mine += [entry.path, *reachable(entry.path, list(dict.fromkeys(folders)))[0]]
    for path in mine:
        relative = relative_to(Path(os.path.abspath(path)), root)
        if relative is not None:
            wanted.setdefault(relative, path)
    return wanted


def _add_script(
    source: dict[str, Any], entry: EntryPoint, folder: Path, wanted: dict[str, Path], notes: list[str]
) -> None:
    """Name the script that is started, and keep its text where no file of the repository holds it."""
    root, working_dir = Path(source["root"]), source["working_dir"]
    relative = None if entry.path is None else relative_to(entry.path, root)
    held_by_file = relative is not None and not entry.notebook
    if held_by_file and (source["commit"] or os.path.dirname(relative or "")):
        source["entry_point"] = os.path.relpath(relative or "", working_dir).replace(os.sep, "/")
        return
    text = _text_of(entry, notes)
    if text is None:
        return
    name = entry.name
    if not source["commit"]:
        wanted.pop(name, None)
        source |= {"script": _write(folder, "files/script.py", text), "script_name": name, "working_dir": "."}
        return
    if (root / working_dir / name).exists():
        name = f"{Path(name).stem}_of_task.py"
    path = os.path.normpath(os.path.join(working_dir, name)).replace(os.sep, "/")
    source |= {"entry_point": name, "untracked": {path: _write(folder, "files/script.py", text)}}


def _text_of(entry: EntryPoint, notes: list[str]) -> str | bytes | None:
    if entry.notebook:
        return _notebook_text(entry, notes)
    if entry.path is None:
        if entry.text is None:
            notes.append("The code was typed in a session or is frozen in a program: a worker cannot run this task.")
        return entry.text
    try:
        return entry.path.read_bytes()
    except OSError as error:
        notes.append(f"The script was not captured: {error}.")
        return None


def _notebook_text(entry: EntryPoint, notes: list[str]) -> str | None:
    if entry.path is not None:
        try:
            return script_of_notebook(entry.path)
        except (OSError, ValueError, AttributeError) as error:
            notes.append(f"{entry.path} cannot be read ({error}): only cells that have run were captured.")
    main = sys.modules.get("__main__")
    cells = getattr(main, "In", None)
    if not isinstance(cells, list):
        notes.append("The cells of the notebook were not found: a worker cannot run this task.")
        return None
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    raw = getattr(getattr(shell, "history_manager", None), "input_hist_raw", cells)  # `In` is translated already
    return script_of_cells(str(cell) for cell in raw)


def _tracked(repository: Repository, wanted: Mapping[str, Path], notes: list[str]) -> set[str]:
    try:
        return repository.tracked(sorted(wanted))
    except GitFailed as error:
        notes.append(f"Which imported files are not committed is not known: {error}.")
        return set(wanted)


def _copy(files: Mapping[str, Path], folder: Path, notes: list[str]) -> dict[str, dict[str, str]]:
    copied: dict[str, dict[str, str]] = {}
    for name, path in sorted(files.items()):
        place = f"files/untracked/{name}"
        try:
            name.encode()  # a name that is no text cannot stand in JSON
            if path.stat().st_size > _FILE_BYTES:
                raise ValueError(f"it has more than {_FILE_BYTES >> 20} MiB")
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / place)
        except (OSError, ValueError) as error:
            notes.append(f"{name!a} is not committed and was not captured: {error}.")
        else:
            copied[name] = {"file": place}
    return copied


def _write(folder: Path, name: str, text: str | bytes) -> dict[str, str]:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "replace"))
    return {"file": name}


def _working_folder() -> Path:
    """Where the process was started: Hydra may have moved it into the folder of its outputs since."""
    hydra = sys.modules.get("hydra.core.hydra_config")
    try:
        moved_from = hydra.HydraConfig.get().runtime.cwd if hydra else None
    except Exception:  # not inside of a function of Hydra
        moved_from = None
    return Path(os.path.realpath(moved_from or os.getcwd()))
