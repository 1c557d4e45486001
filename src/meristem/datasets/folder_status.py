"""What bringing a folder into a version would change. Nothing is stored, and no draft is begun.

Files that the stat cache does not know as they are now are read and named, for a file that was only touched has not
changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from meristem.datasets.folders.ingest import read
from meristem.datasets.folders.looking import Look
from meristem.datasets.folders.syncing import FolderSync
from meristem.datasets.objects import Objects
from meristem.datasets.reading import Progress, counted
from meristem.manifests.changes import Change, with_moves
from meristem.manifests.entry import sort_key
from meristem.manifests.tree import Tree
from meristem.packs.format import name_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderStatus:
    """How a folder differs from a manifest.

    Attributes:
        changes: What a sync would change, in order of paths; files that were only moved are paired.
        files, bytes: Of the folder.
        files_read, bytes_read: What had to be read to know it.
    """

    changes: tuple[Change, ...]
    files: int
    bytes: int
    files_read: int = 0
    bytes_read: int = 0


class _Names:
    """Takes objects for their names alone."""

    def put(self, content: bytes | memoryview, *, suffix: str = "") -> str:
        return name_of(content)

    def flush(self) -> None:
        pass


def is_unchanged(objects: Objects, root: str, seen: Look, dataset_path: str = "") -> bool:
    """Whether a manifest is known to hold just what a folder does, without reading anything."""
    return FolderSync(seen, Tree(root, objects), objects, dataset_path=dataset_path).is_unchanged


def folder_status(
    objects: Objects, root: str, seen: Look, dataset_path: str = "", progress: Progress | None = None
) -> FolderStatus:
    """Compares a folder with a manifest.

    Args:
        seen: What `look` has found in the folder.
    """
    tree = Tree(root, objects)
    sync = FolderSync(seen, tree, objects, dataset_path=dataset_path)
    if sync.is_unchanged:
        return FolderStatus(changes=(), files=seen.files, bytes=seen.size_bytes)
    files, size = seen.files_to_read, seen.bytes_to_read
    read(seen, _Names(), counted(progress, size))
    found = {path: Change(path, tree.find(path), after) for path, after in sync.changes()}
    differing = sorted(
        (change for change in found.values() if change.before != change.after), key=lambda one: sort_key(one.path)
    )
    return FolderStatus(
        changes=tuple(with_moves(differing)),
        files=seen.files,
        bytes=seen.size_bytes,
        files_read=files,
        bytes_read=size,
    )
