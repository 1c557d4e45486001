"""What versions hold, as plain folders would: paths with bytes, links and empty folders, and what may be done to them.

The model of the tests beside: written from the promises of the page, not from the code, in as few lines as possible.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import NamedTuple


class Item(NamedTuple):
    """What lies at a path: a file ("f": bytes, whether it is executable), a link ("l": target), an empty folder."""

    kind: str
    content: bytes | str = b""
    executable: bool = False


Tree = dict[str, Item]
FOLDER = Item("d")


def tree_of(folder: Path) -> Tree:
    """What a folder holds."""
    found: Tree = {}
    for at, folders, files in os.walk(folder):
        base = os.path.relpath(at, folder)
        prefix = "" if base == "." else f"{base}/"
        for name in [*folders, *files]:
            file = os.path.join(at, name)
            facts = os.lstat(file)
            if stat.S_ISLNK(facts.st_mode):
                found[prefix + name] = Item("l", os.readlink(file))
            elif stat.S_ISREG(facts.st_mode):
                found[prefix + name] = Item("f", Path(file).read_bytes(), bool(facts.st_mode & 0o100))
        if prefix and not folders and not files:
            found[base] = FOLDER
    return found


def overlaid(tree: Tree, other: Tree, at: str = "") -> Tree:
    """`tree` with all of `other` put below `at`; what stands in the way goes."""
    made = dict(tree)
    for path, item in other.items():
        path = f"{at}/{path}" if at else path
        below = [p for p in made if p.startswith(f"{path}/")]
        if item == FOLDER and below:
            continue
        for above in _above(path):
            made.pop(above, None)
        for p in below:
            del made[p]
        made[path] = item
    return made


def without(tree: Tree, path: str) -> Tree:
    """`tree` without what lies at or below `path`."""
    return {p: item for p, item in tree.items() if p != path and not p.startswith(f"{path}/")}


def synced(tree: Tree, other: Tree, at: str = "") -> Tree:
    """`tree` with `other` instead of all that lay below `at`."""
    return overlaid({p: i for p, i in tree.items() if at and not p.startswith(f"{at}/")}, other, at)


def merged(base: Tree, ours: Tree, theirs: Tree) -> Tree | None:
    """Both changes together; None where they do not fit."""
    changed = {p for p in {*base, *ours} if base.get(p) != ours.get(p)}
    made = dict(theirs)
    for path in changed:
        if theirs.get(path) != base.get(path) and theirs.get(path) != ours.get(path):
            return None
        made.pop(path, None)
        if path in ours:
            made[path] = ours[path]
    return made if all(above not in made or made[above] == FOLDER for p in made for above in _above(p)) else None


def joined(bases: list[Tree], first: Tree, later: Tree) -> Tree:
    """`first` with what `later` has changed since they parted; where both have, what `later` has, if it has any."""
    changed = [
        p for p in {*later, *(p for base in bases for p in base)} if all(b.get(p) != later.get(p) for b in bases)
    ]
    gone = {p for p in changed if p not in later and any(b.get(p) == first.get(p) for b in bases)}
    kept = {p: item for p, item in first.items() if p not in gone}
    return overlaid(kept, {p: later[p] for p in changed if p in later})


def shown(tree: Tree) -> Tree:
    """As a folder looks: one that holds something is no empty one."""
    full = {above for path in tree for above in _above(path)}
    return {path: item for path, item in tree.items() if item != FOLDER or path not in full}


def clear(folder: Path, path: str) -> Path:
    """Makes room for `path` in a folder on disk and returns where it lies."""
    file = folder / path
    for above in reversed(_above(path)):
        if os.path.lexists(folder / above) and ((folder / above).is_symlink() or not (folder / above).is_dir()):
            os.unlink(folder / above)
    if file.is_dir() and not file.is_symlink():
        shutil.rmtree(file)
    elif os.path.lexists(file):
        os.unlink(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _above(path: str) -> list[str]:
    """The folders in which a path lies, the deepest first."""
    found = []
    while "/" in path:
        path = path.rpartition("/")[0]
        found.append(path)
    return found
