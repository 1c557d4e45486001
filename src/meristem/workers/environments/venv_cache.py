"""Virtual environments by what is in them: built once, used by every task that needs just that.

Meristem itself is not installed into them: a `.pth` file points to a folder that holds a link to the package that the
worker runs, and nothing else of the worker's. So a task reports with the worker's own version, from a wheel or from
sources, whether an index has it or not; inside a training it needs the standard library, and psutil.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import meristem
from meristem.workers.environments.pip_settings import read_settings, texts_of_files, uv_options
from meristem.workers.environments.tools import NotPrepared, asks, run, say

_FORMAT = 1  # another one makes all environments anew
_COMPLETE, _PTH = "meristem-complete", "meristem-of-the-worker.pth"
_COMPILING = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": ""}
_REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w.,\s-]+\])?\s*((==|>=|<=|~=|!=|<|>|@)\s*\S.*)?")


def clean_packages(packages: Sequence[str]) -> list[str]:
    """The requirements of a task, sorted, without Meristem itself.

    Raises:
        NotPrepared: One of them is no requirement (an option of the installer, say).
    """
    found = sorted({str(package).strip() for package in packages} - {""}, key=str.lower)
    if odd := [package for package in found if not _REQUIREMENT.fullmatch(package) or "\n" in package]:
        raise NotPrepared(f"{odd[0]!r:.80} is no package requirement; write numpy==2.2.0.")
    return [package for package in found if name_of(package) != "meristem"]


def name_of(requirement: str) -> str:
    """The package's name as indexes write it: `Scikit_Learn==1.6` is `scikit-learn`."""
    found = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def environment_key(python: str, packages: Sequence[str], own: str) -> str:
    """Names an environment by its content.

    Args:
        python: The interpreter's version and place.
        packages: As `clean_packages` gives them.
        own: Where the worker's own Meristem is.
    """
    text = json.dumps([_FORMAT, python, list(packages), own])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class VenvCache:
    """The environments in one folder.

    Args:
        uv: The program; None where there is none: pip is used then.
        limit: How many are kept; those go first that were not used for longest.
    """

    def __init__(self, folder: Path, *, uv: str | None, psutil: str, limit: int = 20) -> None:
        self._folder, self._uv, self._psutil, self._limit = folder, uv, psutil, limit

    def ensure(self, python: str, packages: Sequence[str]) -> tuple[Path, Path]:
        """The environment with these packages, and the lock that keeps it from being removed while it is used.

        Raises:
            NotPrepared: It cannot be built.
        """
        wanted = clean_packages(packages)
        if "psutil" not in {name_of(package) for package in wanted}:
            wanted.append(self._psutil)
        own = own_package(self._folder)
        key = environment_key(f"{_version(python)} {python}", wanted, str(own))
        place, lock = self._folder / "envs" / key, self._folder / "envs" / f"{key}.lock"
        place.parent.mkdir(parents=True, exist_ok=True)
        if not self._is_there(place):
            with _locked(lock):
                if not self._is_there(place):
                    self._build(place, python, wanted, own)
            self._evict(keep=place)
        return place, lock

    def _is_there(self, place: Path) -> bool:
        try:
            os.utime(place / _COMPLETE)
        except OSError:
            return False
        return True

    def _build(self, place: Path, python: str, packages: Sequence[str], own: Path) -> None:
        shutil.rmtree(place, ignore_errors=True)  # of one that died while it built
        begun = time.monotonic()
        say(f"building an environment of {len(packages)} packages")
        if self._uv is not None:
            run([self._uv, "venv", "-q", "--python", python, place], what="the environment cannot be made")
            install, variables = self._uv_install(place)
        else:
            run([python, "-m", "venv", place], what="the environment cannot be made")
            install, variables = [place / "bin" / "python", "-m", "pip", "install", "-q"], {}
        # Compiled once, here: tasks may not write into the environment, or may be told not to write such files.
        run([*install, *packages], what="the packages cannot be installed", env={**variables, **_COMPILING})
        (_site_packages(place) / _PTH).write_text(f"{own}\n", encoding="utf-8")
        (place / _COMPLETE).write_text(json.dumps(list(packages)), encoding="utf-8")
        say(f"built it in {time.monotonic() - begun:.1f} s")

    def _uv_install(self, place: Path) -> tuple[list[str | Path], dict[str, str]]:
        settings = read_settings(texts_of_files(os.environ), os.environ)
        options, variables = uv_options(settings, os.environ)
        assert self._uv is not None
        python = place / "bin" / "python"
        install: list[str | Path] = [
            self._uv,
            "pip",
            "install",
            "-q",
            "--no-config",
            "--compile-bytecode",
            "--python",
            python,
            *options,
        ]
        return install, variables

    def _evict(self, *, keep: Path) -> None:
        used: list[tuple[float, Path]] = []
        for place in (self._folder / "envs").iterdir():
            with suppress(OSError):
                used.append(((place / _COMPLETE).stat().st_mtime, place))
        for _, place in sorted(used, reverse=True)[self._limit :]:
            if place != keep:
                _remove(place)


def own_package(cache: Path) -> Path:
    """A folder with a link to the package that this process runs, and nothing else. May be repeated."""
    package = Path(meristem.__file__).resolve().parent
    folder = cache / "own" / hashlib.sha256(str(package).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.symlink(package, folder / "meristem")
    return folder


def _version(python: str) -> str:
    if python in (sys.executable, getattr(sys, "_base_executable", None)):
        return ".".join(map(str, sys.version_info[:3]))
    found = asks([python, "-c", "import sys; print('.'.join(map(str, sys.version_info[:3])))"])
    if found is None:
        raise NotPrepared(f"The interpreter {python} does not work.")
    return found


def _site_packages(place: Path) -> Path:
    found = sorted(place.glob("lib/python3*/site-packages"))
    if not found:
        raise NotPrepared(f"The environment {place} has no folder for packages.")
    return found[0]


def _remove(place: Path) -> None:
    lock = Path(f"{place}.lock")
    with suppress(OSError), open(lock, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a task that runs in it holds it shared
        (place / _COMPLETE).unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        lock.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def variables_of(place: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """What an activated environment sets."""
    return {"VIRTUAL_ENV": str(place), "PATH": f"{place / 'bin'}{os.pathsep}{environ.get('PATH', os.defpath)}"}
