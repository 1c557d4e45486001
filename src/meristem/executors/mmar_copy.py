"""Copies an MMAR for one trial: whole or not at all, and so that nothing that the trial writes reaches the original.

Files are cloned where the file system can (the copy shares its bytes until one side is written), and else copied. Hard
links are never made: who opens one for writing, as a training does with its checkpoint, changes the original.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

RUNS_FOLDER, TRACES_FOLDER, LOG_FILE = "automl", "meristem", "log.txt"
_LEFT_OUT = (RUNS_FOLDER, TRACES_FOLDER, LOG_FILE)  # an MMAR may be a job of an earlier run
PART = ".part"  # of the name of a copy that is not whole yet
_FICLONE = 0x40049409  # linux/fs.h
_KEY_FOLDERS = ("commands", "resources")


def copy_mmar(
    base: Path, target: Path, *, wanted: Callable[[Path], bool] = lambda path: True, own: Collection[str] = (),
    begin: Callable[[Path], object] = lambda path: None, finish: Callable[[Path], object] = lambda path: None,
) -> None:  # fmt: skip
    """Copies the folder `base` to `target`, which appears when it is whole. What is no file (a pipe) is left out.

    Args:
        wanted: Of a path within the MMAR, whether it is copied; a folder that is not is left out with all in it.
        own: Top-level names under which things are written: what links there lead to is copied, too.
        begin, finish: Called with the copy while it is still empty, and before it appears.

    Raises:
        OSError: Something cannot be read or written; nothing is left behind.
    """
    part = target.with_name(target.name + PART)
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        begin(part)
        for path in _walk(base, wanted):
            within = path.relative_to(base)
            _copy(base, path, part / within, own=within.parts[0] in own)
        finish(part)
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def key_content(data_list_file_name: str | None) -> Callable[[Path], bool]:
    """Of a path within the MMAR, whether it is one of the essential configurations and commands.

    Args:
        data_list_file_name: Of a file in `config/` that trainings need as well.
    """

    def wanted(path: Path) -> bool:
        top = path.parts[0]
        if top != "config" or len(path.parts) == 1:
            return top in (*_KEY_FOLDERS, "config")
        name = path.name
        known = name.startswith("config_") or name == "environment.json" or name == data_list_file_name
        return len(path.parts) == 2 and known

    return wanted


def links_leading_out(base: Path, own: Collection[str] = ()) -> list[str]:
    """Links in the MMAR that lead out of it and are kept, with where they lead."""
    found = (path for path in _walk(base, lambda _: True) if path.is_symlink())
    links = [path for path in found if path.relative_to(base).parts[0] not in own]
    return [f"{path.relative_to(base)} -> {target}" for path in links if (target := _leads_out(base, path)) is not None]


def _walk(base: Path, wanted: Callable[[Path], bool]) -> Iterator[Path]:
    """All that is copied, folders before what is in them; the runs themselves are not."""
    stack = [base]
    while stack:
        with os.scandir(stack.pop()) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                path = Path(entry.path)
                within = path.relative_to(base)
                if within.parts[0] in _LEFT_OUT or not wanted(within):
                    continue
                yield path
                if entry.is_dir(follow_symlinks=False):
                    stack.append(path)


def _copy(base: Path, path: Path, to: Path, *, own: bool) -> None:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode) and own and (target := _leads_out(base, path)) is not None:
        _copy_target(base, target, to)
    elif stat.S_ISLNK(mode):
        _copy_link(base, path, to)
    elif stat.S_ISDIR(mode):
        to.mkdir(exist_ok=True)
    elif stat.S_ISREG(mode):
        _copy_file(path, to, mode)


def _copy_link(base: Path, path: Path, to: Path) -> None:
    target = _leads_out(base, path)
    if target is not None:
        to.symlink_to(target)
    else:  # within the copy it leads to the copy
        within = os.path.relpath(os.path.realpath(path), os.path.realpath(path.parent))
        to.symlink_to(within)


def _copy_target(base: Path, target: Path, to: Path) -> None:
    """What a link leads to, in its place, with all links followed."""
    if Path(os.path.realpath(base)).is_relative_to(target):
        raise OSError(f"{to.name} is a link to {target}, in which the MMAR itself lies")
    if target.is_dir():
        shutil.copytree(target, to, copy_function=lambda file, copy: _copy_file(Path(file), Path(copy), 0o600))
    elif target.is_file():
        _copy_file(target, to, target.stat().st_mode)


def _leads_out(base: Path, path: Path) -> Path | None:
    """Where a link leads, when that is not within `base`."""
    target = Path(os.path.realpath(path))
    return None if target.is_relative_to(os.path.realpath(base)) else target


def _copy_file(path: Path, to: Path, mode: int) -> None:
    with open(path, "rb") as source, open(to, "xb") as copy:
        cloned = False
        with suppress(OSError):
            fcntl.ioctl(copy.fileno(), _FICLONE, source.fileno())
            cloned = True
        if not cloned:
            shutil.copyfileobj(source, copy, 1 << 20)
    os.chmod(to, stat.S_IMODE(mode) | stat.S_IWUSR)  # a trial may change its own
