"""The process that makes one attempt ready, below its attendant: `prepared.json` or `not_prepared.json` comes of it.

What it is given stands in a file (see `Preparation`). It knows no store: the bytes that it needs were fetched before.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meristem.spool import REPORT_FILE
from meristem.workers.attendant import NOT_PREPARED_FILE, PREPARED_FILE, write_whole
from meristem.workers.environments.code import entry_command, import_paths, is_checked_out, lay_out, own_python
from meristem.workers.environments.container import (
    Contained,
    container_command,
    find_engine,
    gpus_of,
    image_name,
    removal_command,
)
from meristem.workers.environments.interpreters import find_python
from meristem.workers.environments.tools import NotPrepared, say
from meristem.workers.environments.venv_cache import VenvCache, clean_packages, own_package, variables_of

PREPARE_FILE = "prepare.json"
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__")  # of the worker's Python: they would break another's
_MINIMUM_FREE_BYTES = 16 << 20


def prepare(given: Mapping[str, Any]) -> dict[str, Any]:
    """What `prepared.json` holds: command, folder, variables, and what else the attendant must know.

    Args:
        given: `source`, `environment`, `kind` (`venv`, `current` or `container`), and the places: `code`, `blobs`,
            `cache`, `spool`; `uv`, `psutil`, `limit`, `strict`; `name`, `needs` for containers.

    Raises:
        NotPrepared: It cannot be made ready.
    """
    source, environment, cache = given["source"], given["environment"], Path(given["cache"])
    if shutil.disk_usage(given["code_parent"]).free < _MINIMUM_FREE_BYTES:
        raise NotPrepared(f"The disk of the worker is full ({given['code_parent']}). Make room there.")
    root = Path(given["code"])
    folder, commit = lay_out(source, Path(given["blobs"]), cache, root)
    if commit and not source.get("commit"):
        _record_commit(Path(given["spool"]), commit)
    kind = "container" if environment.get("container") and given["kind"] != "current" else given["kind"]
    found: dict[str, Any] = {"cwd": str(folder), "root": str(root), "environment": {}, "without": [], "cleanup": []}
    if kind == "container":
        return _contained(given, found, folder, root)
    if kind == "venv":
        cached = VenvCache(cache, uv=given["uv"], psutil=given["psutil"], limit=given["limit"])
        python = find_python(environment.get("python"), uv=given["uv"], strict=given["strict"])
        place, lock = cached.ensure(python, environment.get("packages") or ())
        found |= {"python": str(place / "bin" / "python"), "lock": str(lock), "without": list(FOREIGN)}
        found["environment"] = variables_of(place, os.environ)
    else:
        found["python"] = own_python()
    paths = import_paths(source, root)
    if kind == "current":
        paths += [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    if paths:
        found["environment"] = {**found["environment"], "PYTHONPATH": os.pathsep.join(paths)}
        found["without"] = [name for name in found["without"] if name != "PYTHONPATH"]
    if source.get("entry") != "function":
        found["command"] = entry_command(source, found["python"], folder, root)
    return found


def _contained(given: Mapping[str, Any], found: dict[str, Any], folder: Path, root: Path) -> dict[str, Any]:
    source, environment = given["source"], given["environment"]
    image = image_name(environment.get("container") or given.get("image") or "")
    if source.get("entry") == "function":
        raise NotPrepared("Functions cannot run in containers yet; make it a script or a module.")
    engine = find_engine()
    contained = Contained(
        image=image,
        name=given["name"],
        command=entry_command(source, "python3", folder, root),
        folder=str(folder),
        mounts=[
            str(root),
            given["spool"],
            *([str(Path(given["cache"]) / "repositories")] if is_checked_out(source) else []),
        ],
        own=str(own_package(Path(given["cache"])) / "meristem"),
        variables=given["variables"],
        gpus=gpus_of(os.environ),
        cpus=given["needs"].get("cpus", 0.0),
        memory_bytes=given["needs"].get("memory", 0),
        packages=clean_packages(environment.get("packages") or ()),
        user=f"{os.getuid()}:{os.getgid()}" if os.getuid() else None,
    )
    say(f"container: {image}")
    return {
        **found,
        "command": container_command(engine, contained),
        "cwd": "/",
        "cleanup": [removal_command(engine, contained.name)],
    }


def _record_commit(spool: Path, commit: str) -> None:
    """The task says from now on what it ran: nobody could ask its repository for that when it was made."""
    line = json.dumps({"at": time.time(), "meristem": "checked_out", "commit": commit})
    with open(spool / REPORT_FILE, "a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def main(run_folder: str) -> None:
    place = Path(run_folder)
    given = json.loads((place / PREPARE_FILE).read_bytes())
    try:
        write_whole(place / PREPARED_FILE, json.dumps(prepare(given)).encode())
    except (NotPrepared, OSError) as error:
        message = str(error) if isinstance(error, NotPrepared) else f"{type(error).__name__}: {error}"
        say(f"cannot be prepared: {message}")
        write_whole(place / NOT_PREPARED_FILE, json.dumps({"message": message}).encode())
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
