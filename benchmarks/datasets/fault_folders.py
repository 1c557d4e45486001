"""How the folders of the fault run change: files are added, rewritten, moved and removed at random."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

_NAMES = ("a", "b", "ü", "with space", "new\nline", "Case", "case")
_MOST_FILES = 60


def edit(folder: Path, pick: random.Random, *, big_bytes: int = 0) -> None:
    """Does a few random things to a folder; a process that is killed meanwhile leaves a folder like any other.

    Args:
        big_bytes: Size of a large file that gets new bytes, too; 0: none does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(pick.randint(1, 8)):
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "large")
        act = pick.choice(("add", "add", "rewrite", "move", "remove", "link", "empty"))
        if act in ("add", "rewrite") or not files:
            _write(pick.choice(files) if files and act == "rewrite" else _new_path(folder, pick), pick)
        elif act == "move":
            source, target = pick.choice(files), _new_path(folder, pick)
            if source != target:
                _make_room(target)
                source.rename(target)
        elif act == "remove" or len(files) > _MOST_FILES:
            pick.choice(files).unlink()
        elif act == "link":
            _make_room(target := _new_path(folder, pick).with_name("link"))
            target.symlink_to(os.path.relpath(pick.choice(files), target.parent))
        else:
            (folder / f"empty{pick.randrange(3)}").mkdir(exist_ok=True)
    if big_bytes:
        _rewrite_large(folder / "large", pick, big_bytes)


def _new_path(folder: Path, pick: random.Random) -> Path:
    return folder / f"folder{pick.randrange(4)}" / f"{pick.choice(_NAMES)}{pick.randrange(20)}"


def _make_room(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _write(path: Path, pick: random.Random) -> None:
    size = pick.choice((0, 10, 1000, 20_000, 300_000, 900_000))  # none, one chunk, several
    _make_room(path)
    path.write_bytes(pick.randbytes(size))
    if pick.random() < 0.1:
        path.chmod(0o755)


def _rewrite_large(path: Path, pick: random.Random, size: int) -> None:
    """Half of it stays, so that some of its chunks are known and others are new."""
    kept = path.read_bytes()[: size // 2] if path.exists() else b""
    path.write_bytes(kept + pick.randbytes(size - len(kept)))
