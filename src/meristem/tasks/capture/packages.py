"""The packages of a task: exact versions of the installed distributions that its code imports."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from meristem.tasks.capture.distributions import Distribution, Installed, normal
from meristem.tasks.capture.entry import EntryPoint, current_entry
from meristem.tasks.capture.git import GitFailed, Repository, without_credentials
from meristem.tasks.capture.imported_files import import_roots, is_installed, relative_to
from meristem.tasks.capture.static_imports import reachable

# They start with the interpreter or belong to the page where a notebook is typed, not to its code.
_AT_START = ("_distutils_hack", "_virtualenv", "sitecustomize", "usercustomize", "distutils-precedence")
_FRONT_ENDS = frozenset({
    "asttokens", "comm", "debugpy", "decorator", "executing", "ipykernel", "ipython", "ipython-pygments-lexers",
    "ipywidgets", "jedi", "jupyter-client", "jupyter-core", "jupyterlab-widgets", "matplotlib-inline", "nest-asyncio",
    "parso", "pexpect", "prompt-toolkit", "ptyprocess", "pure-eval", "pyzmq", "stack-data", "tornado", "traitlets",
    "wcwidth", "widgetsnbextension",
})  # fmt: skip


def capture_packages(
    extra: Iterable[str] = (), *, entry: EntryPoint | None = None, root: Path | None = None
) -> list[str]:
    """Requirements of this process, sorted, such as "numpy==2.2.0".

    Distributions of all modules that are loaded now, and of those that the entry's file will import (read from its
    text, and from the files of the repository that it imports). Versions are exact, with their local label
    (torch==2.13.0+cpu). What was installed from a repository is named by it and its commit; what lies inside `root`
    is the task's own code and is left out.

    Args:
        extra: Names of more distributions, where installed.
        entry: What the process runs; None: found out.
        root: `root` of the captured source.
    """
    entry = entry or current_entry()
    installed = Installed(sys.path)
    wanted = set(_will_import(entry, root))
    named = {one.info: one for file in wanted for one in installed.owners(file)}
    hidden = _FRONT_ENDS - {normal(one.name) for one in named.values()} if entry.notebook else frozenset[str]()
    for file in set(_loaded_tops()) - wanted:
        named |= {one.info: one for one in installed.owners(file) if normal(one.name) not in hidden}
    for name in extra:
        if one := installed.all.get(normal(name)):
            named[one.info] = one
    lines = {normal(one.name): line for one in named.values() if (line := _requirement(one, root))}
    lines["meristem"] = _meristem(installed)
    return sorted(lines.values(), key=str.lower)


def _loaded_tops() -> Iterator[Path]:
    """One file of each top package that is loaded; below a namespace, of each package in it."""
    modules = dict(sys.modules)
    for name, module in modules.items():
        top, _, rest = name.partition(".")
        if top in sys.stdlib_module_names or top in _AT_START or top.startswith("__editable__"):
            continue
        if rest and _file(modules.get(name.rpartition(".")[0])) is not None:
            continue  # its package stands for it
        file = _file(module)
        if file is not None:
            yield file


def _file(module: ModuleType | None) -> Path | None:
    try:
        file = getattr(module, "__file__", None)
    except Exception:  # modules that load lazily run code here
        return None
    return Path(file) if isinstance(file, str) and file else None


def _will_import(entry: EntryPoint, root: Path | None) -> Iterator[Path]:
    if entry.path is None or entry.path.suffix != ".py":
        return
    folders = [entry.path.parent, *((root / one for one in import_roots(root)) if root else ())]
    for name in reachable(entry.path, folders)[1]:
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and (file := _find(name)) is not None:
            yield file


def _find(name: str) -> Path | None:
    """The file of the outermost package of `name` that is not a mere namespace. Imports nothing."""
    path: Iterable[str] | None = None
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        try:
            spec = PathFinder.find_spec(".".join(parts[:end]), None if path is None else list(path))
        except Exception:  # finders of others may raise anything
            return None
        if spec is None:
            return None
        if spec.origin and spec.has_location:
            return Path(spec.origin)
        path = spec.submodule_search_locations
        if path is None:
            return None
    return None


def _requirement(one: Distribution, root: Path | None) -> str | None:
    """One line for pip, None where the task's own repository holds it."""
    plain = f"{one.name}=={one.version}"
    folder = one.editable
    if folder is None and one.info.suffix == ".egg-info" and not is_installed(one.info):
        folder = one.info.parent
    if folder is not None:
        inside = root is not None and relative_to(folder, root) is not None
        return None if inside else _from_folder(one, folder) or plain
    url, vcs = str(one.origin.get("url", "")), one.origin.get("vcs_info")
    if isinstance(vcs, dict) and url:
        address = without_credentials(url, Path("/"))
        within = one.origin.get("subdirectory")
        suffix = f"#subdirectory={within}" if within else ""
        return f"{one.name} @ {vcs.get('vcs', 'git')}+{address}@{vcs.get('commit_id', 'HEAD')}{suffix}"
    # A file or folder of this machine is no address for others; its version may be on the index.
    return f"{one.name} @ {without_credentials(url, Path('/'))}" if url.startswith(("http://", "https://")) else plain


def _from_folder(one: Distribution, folder: Path) -> str | None:
    """An editable install of another repository, as a requirement that others can reach."""
    try:
        repository = Repository.find(folder)
    except GitFailed:
        return None
    if repository is None or not (commit := repository.commit) or not (url := repository.url):
        return None
    if "://" not in url:
        host, colon, path = url.partition(":")
        url = f"ssh://{host}/{path}" if colon else f"file://{url}"
    within = relative_to(folder, repository.root)
    suffix = f"#subdirectory={within}" if within not in (None, ".") else ""
    return f"{one.name} @ git+{url}@{commit}{suffix}"


def _meristem(installed: Installed) -> str:
    import meristem  # its version only; the rooms below do not know the package's face

    one = installed.all.get("meristem")
    # Worked on in a folder of its own, it is what the worker has: no other could reach that folder.
    developed = one is None or one.editable is not None or one.info.suffix == ".egg-info"
    line = None if one is None or developed else _requirement(one, None)
    return line or f"meristem=={meristem.__version__}"
