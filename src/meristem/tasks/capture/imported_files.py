"""Which files of one's own this process has imported: those below a root, without installed packages."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

_INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))


def imported_files(root: Path) -> dict[str, Path]:
    """Files of loaded modules below `root`, by path relative to it with "/" between the parts."""
    found = ((relative_to(file, root), file) for _, file in own_files())
    return {relative: file for relative, file in found if relative is not None}


def own_files() -> Iterator[tuple[str, Path]]:
    """Name and source file of each loaded module that is neither Python's own nor of an installed package."""
    for name, module in list(sys.modules.items()):  # a copy: other threads import meanwhile
        try:
            file = getattr(module, "__file__", None)
        except Exception:  # modules that load lazily run code here
            continue
        # Most are installed: text is compared, for a path of each of thousands would take a tenth of a second.
        if isinstance(file, str) and file and not _below_python(file):
            path = Path(os.path.abspath(file))
            yield name, _source_of(path) if path.suffix == ".pyc" else path


def import_roots(root: Path) -> list[str]:
    """Folders below `root` on `sys.path`, relative to it, in order: what PYTHONPATH must hold elsewhere."""
    found: list[str] = []
    for entry in sys.path:
        path = Path(os.path.abspath(entry or "."))
        relative = relative_to(path, root)
        if relative is not None and path.is_dir() and not is_installed(path) and relative not in found:
            found.append(relative)
    return found


def strangers(root: Path, known: Iterable[Path]) -> list[str]:
    """Top names of loaded modules that are not below `root` nor below a folder of `known`, nor installed."""
    found: set[str] = set()
    for name, file in own_files():
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in ("__main__", "__mp_main__", "meristem") or not file.exists():
            continue
        if relative_to(file, root) is None and not any(file.is_relative_to(one) for one in known):
            found.add(top)
    return sorted(found)


def relative_to(path: Path, root: Path) -> str | None:
    """`path` seen from `root` ("." for itself), None outside of it; links are followed where that helps."""
    for one in (path, Path(os.path.realpath(path))):
        if one.is_relative_to(root):
            return one.relative_to(root).as_posix()
    return None


def is_installed(path: Path) -> bool:
    """It belongs to Python or to an installed package, also where the environment lies in the repository."""
    return _below_python(f"{path}{os.sep}")


def _below_python(file: str) -> bool:
    return any(part in file for part in _INSTALLED) or file.startswith(_python_folders())


@cache
def _python_folders() -> tuple[str, ...]:
    told = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")]
    told += [*site.getsitepackages(), site.getusersitepackages()]
    folders = [one for one in told if one]
    return tuple(sorted({place + os.sep for one in folders for place in (one, os.path.realpath(one))}))


def _source_of(compiled: Path) -> Path:
    source = compiled.with_suffix(".py")
    return source if source.exists() else compiled
