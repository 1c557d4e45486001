"""What the machine needs at least for such data, one thread of Python.

`python -m benchmarks.datasets.floors NAME FROM TO`: each runs in a process of its own, between the steps of the others,
and prints its seconds. `TO` is a folder for what it writes, which must not exist.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.datasets.spending import Stopwatch, tell

_BUFFER = 1 << 20


def main() -> None:
    name, origin, scratch = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    paths = [f"{folder}/{name}" for folder, _, names in os.walk(origin) for name in names]
    prepare(name, origin, scratch)
    with Stopwatch() as watch:
        FLOORS[name](origin, paths, scratch)
    tell(watch)


def prepare(name: str, origin: Path, scratch: Path) -> None:
    """Makes the folders into which a floor writes; not counted."""
    scratch.mkdir(parents=True)
    for folder, _, _ in os.walk(origin) if name == "links" else ():
        (scratch / Path(folder).relative_to(origin)).mkdir(exist_ok=True)


def stat_all(origin: Path, _: Sequence[str], __: Path) -> None:
    """Every folder is listed, every file's stat is asked for."""
    pending = [os.fspath(origin)]
    while pending:
        with os.scandir(pending.pop()) as found:
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)


def read_and_hash(_: Path, paths: Sequence[str], __: Path) -> None:
    """Every file is read and hashed (blake3, one thread)."""
    from blake3 import blake3  # the other floors need only the standard library

    buffer = memoryview(bytearray(_BUFFER))
    for path in paths:
        digest = blake3()
        with open(path, "rb", buffering=0) as file:
            while count := file.readinto(buffer):
                digest.update(buffer[:count])
        digest.digest()


def one_pack(_: Path, paths: Sequence[str], scratch: Path) -> None:
    """Every file is read and hashed, by 1 MiB, and appended to one file; one table of SQLite says where it is."""
    from blake3 import blake3  # as above

    index = sqlite3.connect(scratch / "index.db")
    index.execute("create table objects (name blob primary key, offset int, length int) without rowid")
    rows, offset = [], 0
    with open(scratch / "pack", "wb", buffering=_BUFFER) as pack:
        for path in paths:
            with open(path, "rb", buffering=0) as file:
                while content := file.read(_BUFFER):
                    pack.write(content)
                    rows.append((blake3(content).digest(), offset, len(content)))
                    offset += len(content)
    index.executemany("insert or ignore into objects values (?, ?, ?)", rows)
    index.commit()
    index.close()


def links(origin: Path, paths: Sequence[str], scratch: Path) -> None:
    """Every file gets a hard link in another folder, which is there already."""
    skip = len(os.fspath(origin))
    for path in paths:
        os.link(path, f"{scratch}{path[skip:]}")


def copy(origin: Path, _: Sequence[str], scratch: Path) -> None:
    """`cp -r`."""
    subprocess.run(["cp", "-r", origin, scratch / "copy"], check=True)


FLOORS: Mapping[str, Callable[[Path, Sequence[str], Path], None]] = {
    "stat": stat_all,
    "hash": read_and_hash,
    "pack": one_pack,
    "links": links,
    "cp": copy,
}
TITLES = {
    "stat": "floor: stat all",
    "hash": "floor: read and blake3",
    "pack": "floor: one pack",
    "links": "floor: hard links",
    "cp": "floor: cp -r",
}

if __name__ == "__main__":
    main()
