"""Finds and reads the files of a MONAI bundle: configurations in JSON or YAML, and what stands beside them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from meristem.bundles import read_json
from meristem.errors import InputError, did_you_mean

SUFFIXES = (".json", ".yaml", ".yml")
CONFIGS_FOLDER, SEARCH_FILE = "configs", "search"


@dataclass(slots=True, kw_only=True)
class BundleFiles:
    """A bundle's folder and what was read of it.

    Attributes:
        configs: The configuration files in the order in which MONAI puts them together, by path.
        search: The search file, where there is one.
        problems: What was not found or cannot be read, as sentences.
    """

    root: Path
    configs: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)
    search: tuple[Path, dict[str, Any]] | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def configs_folder(self) -> Path:
        """Where MONAI looks for metadata.json and logging.conf."""
        return self.configs[0][0].parent if self.configs else self.root / CONFIGS_FOLDER

    def beside(self, name: str) -> Path | None:
        """A file beside the first configuration file, where there is one."""
        path = self.configs_folder / name
        return path if path.is_file() else None


def read_bundle_files(root: Path, configs: Sequence[str], search: str | None) -> BundleFiles:
    """Reads the configuration files named `configs` and the search file.

    Args:
        configs: Paths from the bundle or its `configs` folder, also without the ending.
        search: The same, or any path; None: `search.json` in `configs`, if there is one.
    """
    files = BundleFiles(root=root)
    if not root.is_dir():
        files.problems.append(f"there is no folder {root}")
        return files
    for name in configs:
        path = _found(root, name)
        if path is None:
            files.problems.append(_missing(root, name))
        elif (content := _read(path, files.problems)) is not None:
            files.configs.append((path, content))
    path = _found(root, search or SEARCH_FILE, elsewhere=search is not None)
    if path is None and search is not None:
        files.problems.append(_missing(root, search))
    elif path is not None and (content := _read(path, files.problems)) is not None:
        files.search = (path, content)
    return files


def read_config(path: Path) -> dict[str, Any]:
    """The mapping that a JSON or YAML file holds.

    Raises:
        InputError: There is none; says where the mistake is.
    """
    if path.suffix == ".json":
        return read_json(path)
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)  # as MONAI reads it, so that `off` is false
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of 1e-3 without a dot
            data = yaml.load(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise InputError(f"{where}: is not YAML: {error.problem}.") from error
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    if not isinstance(data, dict):
        raise InputError(f"{path} holds no mapping.", fix="It must hold ids and what stands under them.")
    return data


def _read(path: Path, problems: list[str]) -> dict[str, Any] | None:
    try:
        return read_config(path)
    except InputError as error:
        problems.append(str(error))
        return None


def _found(root: Path, name: str, *, elsewhere: bool = True) -> Path | None:
    for folder in (root, root / CONFIGS_FOLDER, Path.cwd()) if elsewhere else (root / CONFIGS_FOLDER,):
        for suffix in ("", *SUFFIXES):
            path = folder / f"{name}{suffix}"
            if path.is_file():
                return path.absolute()
    return None


def _missing(root: Path, name: str) -> str:
    folder = root / CONFIGS_FOLDER
    found = sorted(path.name for path in folder.glob("*") if path.suffix in SUFFIXES) if folder.is_dir() else []
    there = f"There are: {', '.join(found)}" if found else f"{folder} has no configuration files"
    return f"there is no {name!r} in {root} or its {CONFIGS_FOLDER} folder. {did_you_mean(name, found)}{there}"
