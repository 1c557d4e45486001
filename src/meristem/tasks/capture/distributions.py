"""Which installed distribution an imported file belongs to, found without reading all of them.

`importlib.metadata.packages_distributions` reads the list of files of every distribution there is, line by line
(a second and more in a large environment). Here most are found by their name, and only for the rest are lists
searched, as bytes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_FOLDER = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)(?:-py\d.*)?\.(?:dist|egg)-info$")


@dataclass(frozen=True)  # no slots: what is read of it is kept on it
class Distribution:
    """One installed distribution: `info` is its .dist-info or .egg-info."""

    info: Path
    version: str

    @cached_property
    def name(self) -> str:
        """As its authors spell it."""
        for file in ("METADATA", "PKG-INFO"):
            try:
                with (self.info / file).open(encoding="utf-8", errors="replace") as lines:
                    found = next((line[5:].strip() for line in lines if line.startswith("Name:")), "")
            except OSError:
                continue
            if found:
                return found
        match = _FOLDER.fullmatch(self.info.name)
        return match["name"] if match else self.info.stem

    @cached_property
    def origin(self) -> dict[str, Any]:
        """Where it was installed from, if not from an index (PEP 610: direct_url.json)."""
        try:
            told = json.loads((self.info / "direct_url.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    @property
    def editable(self) -> Path | None:
        """The folder whose files it stands for, where it is installed as a link to them."""
        if not self.origin.get("dir_info", {}).get("editable"):
            return None
        return Path(unquote(urlsplit(str(self.origin.get("url", ""))).path))

    @cached_property
    def files(self) -> bytes:
        """Its list of files, a newline before each path; empty where none is kept."""
        for name in ("RECORD", "installed-files.txt", "SOURCES.txt"):
            try:
                return b"\n" + (self.info / name).read_bytes()
            except OSError:
                continue
        return b""


class Installed:
    """The distributions of the given folders (of `sys.path`); of several of one name, the first that is found."""

    def __init__(self, folders: Iterable[str]) -> None:
        self._by_folder: dict[Path, dict[str, Distribution]] = {}
        for folder in dict.fromkeys(os.path.abspath(one or ".") for one in folders):
            found = _scan(Path(folder))
            if found:
                self._by_folder[Path(folder)] = found

    @cached_property
    def all(self) -> dict[str, Distribution]:
        """By normalized name. One that says where it comes from goes before a bare .egg-info of the same name."""
        every = [item for found in self._by_folder.values() for item in found.items()]
        chosen: dict[str, Distribution] = {}
        for name, one in sorted(every, key=lambda item: item[1].info.suffix == ".egg-info"):
            chosen.setdefault(name, one)
        return chosen

    @cached_property
    def editables(self) -> dict[Path, Distribution]:
        """By the folder that is linked; also those of `setup.py develop`, whose .egg-info lies beside the code."""
        linked = {one.editable: one for one in self.all.values() if one.editable}
        for one in self.all.values():
            if one.info.suffix == ".egg-info" and not {"site-packages", "dist-packages"} & {*one.info.parts}:
                linked.setdefault(one.info.parent, one)
        return linked

    def owners(self, file: Path) -> list[Distribution]:
        """Those that `file` belongs to: one, or several that bring the same file, or none."""
        home = next((folder for folder in self._by_folder if file.is_relative_to(folder)), None)
        if home is not None and home.name in ("site-packages", "dist-packages"):
            return self._owners_inside(home, file.relative_to(home))
        linked = [folder for folder in self.editables if file.is_relative_to(folder)]
        return [self.editables[max(linked, key=lambda folder: len(folder.parts))]] if linked else []

    def _owners_inside(self, home: Path, relative: Path) -> list[Distribution]:
        found = self._by_folder[home]
        text = relative.as_posix().encode("utf-8", "replace")
        wanted = (b"\n" + text + b",", b"\n../" + text + b"\n", b"\n" + text + b"\n")
        by_name = found.get(normal(relative.parts[0].partition(".")[0]))
        if by_name is not None and (not by_name.files or any(one in by_name.files for one in wanted)):
            return [by_name]
        return [one for one in found.values() if any(line in one.files for line in wanted)]


def normal(name: str) -> str:
    """A name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _scan(folder: Path) -> dict[str, Distribution]:
    try:
        names = sorted(os.listdir(folder), key=lambda name: name.endswith(".egg-info"))
    except OSError:  # a zip archive, or gone
        return {}
    found: dict[str, Distribution] = {}
    for name in names:
        if name.endswith((".dist-info", ".egg-info")) and (one := _read(folder / name)):
            found.setdefault(normal(one[0]), one[1])
    return found


def _read(info: Path) -> tuple[str, Distribution] | None:
    match = _FOLDER.fullmatch(info.name)
    if match:
        return match["name"], Distribution(info, match["version"])
    # Without a version in its name, beside the code that it belongs to: `setup.py develop`.
    try:
        text = (info / "PKG-INFO").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    version = re.search(r"^Version: *(\S+)", text, re.MULTILINE)
    return (info.stem, Distribution(info, version[1])) if version else None
