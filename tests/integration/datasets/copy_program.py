"""Makes copies of a version in a process of its own, so that it can be killed.

    copy_program.py make BASE                 makes packs of a version in BASE
    copy_program.py KIND BASE FOLDER [PAUSE]  copies it to FOLDER (KIND own, linked) or into that cache (local)

It prints one line of JSON, {"path", "got", "told"} or {"error", …}, and then stays until its input ends. PAUSE is slept
for each object, in seconds. With COPY_AS_USER it gives up being root, with COPY_LIMIT no file may be larger.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from meristem.datasets.copies import link_copy, local_copy, mutable_copy
from meristem.errors import DiskFull
from meristem.manifests.entry import EMPTY_OBJECT, Entry, Kind, sort_key
from meristem.manifests.recipe import encode_recipe
from meristem.manifests.tree import Tree, build
from meristem.packs.index import LocalIndex
from meristem.packs.place import open_place
from meristem.packs.reader import PackReader
from meristem.packs.writer import PackWriter

SMALL, LARGE, CHUNK = 600, 3, 64 << 10


def expected(path: str) -> bytes:
    """What the file at `path` holds."""
    made = random.Random(path)
    if path.startswith("large"):
        return made.randbytes(20 * CHUNK) + bytes(4 * CHUNK) + made.randbytes(100)
    return made.randbytes(made.choice([0, 10, 3000]))


def paths() -> list[str]:
    return [f"d{number % 9}/e{number % 2}/f{number:04}" for number in range(SMALL)] + [
        f"large{number}" for number in range(LARGE)
    ]


class Kept:
    """The packs of a version."""

    def __init__(self, base: Path, pause: float = 0.0) -> None:
        self.base, self._pause, self.got = base, pause, 0
        self._index = LocalIndex(base / "index")
        self._place = open_place(base / "place")
        self._reader = PackReader(self._place, self._index, lambda: False)

    def tree(self) -> Tree:
        return Tree((self.base / "root").read_text(), self)

    def load(self, name: str) -> bytes:
        return self._reader.get(name)

    def get(self, name: str) -> bytes:
        return self._reader.get(name)

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for found in self._reader.get_many(names):
            time.sleep(self._pause)
            self.got += 1
            yield found

    def make(self) -> None:
        with PackWriter(self._place, self._index.known, lambda made: None) as writer:
            entries = []
            for path in sorted(paths(), key=sort_key):
                data = expected(path)
                pieces = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
                names = [(writer.put(piece), len(piece)) for piece in pieces]
                content = (
                    names[0][0] if len(names) == 1 else writer.put(encode_recipe(names)) if names else EMPTY_OBJECT
                )
                entries.append(Entry(path, Kind.CHUNKED if len(names) > 1 else Kind.FILE, len(data), content))
            root = build(entries, writer.put)
            writer.flush()
            self._index.add_packs((made.name, serial, made.rows) for serial, made in enumerate(writer.packs))
        (self.base / "root").write_text(root)


def copy(kind: str, kept: Kept, folder: Path) -> dict[str, Any]:
    told: list[str] = []
    try:
        if kind == "local":
            path = local_copy(kept.tree(), kept, cache=folder, tell=told.append)
        elif kind == "own":
            path = mutable_copy(kept.tree(), kept, folder, tell=told.append)
        else:
            path = link_copy(kept.tree(), kept, folder, kept.base / "cache", tell=told.append)
    except DiskFull as error:
        return {"error": str(error), "needed": error.needed_bytes, "free": error.free_bytes, "got": kept.got}
    return {"path": str(path), "got": kept.got, "told": told}


def main() -> None:
    kind, base, *rest = sys.argv[1:]
    if kind == "make":
        Kept(Path(base)).make()
        return
    if limit := os.environ.get("COPY_LIMIT"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    if user := os.environ.get("COPY_AS_USER"):
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    print("begun", flush=True)
    print(json.dumps(copy(kind, Kept(Path(base), float(rest[1]) if len(rest) > 1 else 0.0), Path(rest[0]))), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
