"""The data that is measured: always the same bytes for the same seed, and the changes that make its next version.

small     10,000 files of 10 KB in 100 folders
big       5 files of 200 MB
million   1,000,000 files of 100 bytes in 10,000 folders
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

SEED = 7
_BLOCK = 4 << 20  # written at once; it divides 200 MiB
_LETTERS = 1 << 20  # what small contents are cut from


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`files` files of `size` bytes, `in_folder` of them in each folder (0: all in one)."""

    files: int
    size: int
    in_folder: int = 0

    @property
    def bytes_in_all(self) -> int:
        return self.files * self.size


KINDS: Mapping[str, Kind] = {
    "small": Kind(files=10_000, size=10 << 10, in_folder=100),
    "big": Kind(files=5, size=200 << 20),
    "million": Kind(files=1_000_000, size=100, in_folder=100),
}


def path_of(kind: Kind, number: int) -> str:
    """Where file `number` lies, below the folder of its kind."""
    if not kind.in_folder:
        return f"f{number}.bin"
    return f"d{number // kind.in_folder:03d}/f{number:05d}.bin"


def generate(folder: Path, kind: Kind) -> None:
    """Writes the first version of `kind` into `folder`, which must not exist."""
    folder.mkdir(parents=True)
    pick = random.Random(SEED)
    if kind.size < 1 << 10:
        return _generate_tiny(folder, kind, pick)
    for number in range(kind.files):
        path = folder / path_of(kind, number)
        if kind.in_folder and number % kind.in_folder == 0:
            path.parent.mkdir()
        with path.open("wb") as file:
            for start in range(0, kind.size, _BLOCK):
                file.write(pick.randbytes(min(_BLOCK, kind.size - start)))
    return None


def _generate_tiny(folder: Path, kind: Kind, pick: random.Random) -> None:
    # Contents are cut at random places: making random bytes anew for each of a million files takes longer.
    letters = pick.randbytes(_LETTERS)
    for number in range(kind.files):
        if number % kind.in_folder == 0:
            (folder / path_of(kind, number)).parent.mkdir()
        start = pick.randrange(_LETTERS - kind.size)
        with open(f"{folder}/{path_of(kind, number)}", "wb", buffering=0) as file:
            file.write(b"%012d" % number + letters[start : start + kind.size - 12])


def rewrite_one_in_hundred(folder: Path, kind: Kind) -> None:
    """Whole files are rewritten: 1 % of them, chosen at random."""
    pick = random.Random(SEED + 1)
    for number in sorted(pick.sample(range(kind.files), kind.files // 100)):
        (folder / path_of(kind, number)).write_bytes(pick.randbytes(kind.size))


def overwrite_middles(folder: Path, kind: Kind) -> None:
    """1 % of each file is overwritten, in its middle."""
    pick = random.Random(SEED + 1)
    for number in range(kind.files):
        with (folder / path_of(kind, number)).open("r+b") as file:
            file.seek(kind.size // 2)
            file.write(pick.randbytes(kind.size // 100))


def insert_at_head(folder: Path, kind: Kind) -> None:
    """One byte is inserted before the first of file 0."""
    path = folder / path_of(kind, 0)
    shifted = path.with_suffix(".new")
    with path.open("rb") as old, shifted.open("wb") as new:
        new.write(b"\0")
        shutil.copyfileobj(old, new, _BLOCK)
    shifted.replace(path)


def rewrite_one(folder: Path, kind: Kind) -> None:
    """One file in the middle of all gets other bytes, of the same length, each time others."""
    path = folder / path_of(kind, kind.files // 2)
    path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))


CHANGES: Mapping[str, Callable[[Path, Kind], None]] = {
    "rewrite_one_in_hundred": rewrite_one_in_hundred,
    "overwrite_middles": overwrite_middles,
    "insert_at_head": insert_at_head,
    "rewrite_one": rewrite_one,
}
