"""What people see of a version: its preview, made when it is first asked for and then kept with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from meristem.datasets.keeping import keep
from meristem.datasets.previews import Preview, make_preview
from meristem.datasets.reading import blocks, select
from meristem.errors import DatasetError, EntryNotFound, InputError
from meristem.manifests.entry import Entry
from meristem.manifests.tree import Tree
from meristem.statuses import VersionStatus

if TYPE_CHECKING:
    from meristem.datasets.version import Version


def preview_of(dataset: Version, files: Sequence[str] | None = None) -> Preview:
    """The preview of a version, or of some of its files; that of a draft or of some files is made anew each time."""
    row, objects = dataset.row, dataset.objects
    if row.preview is not None and files is None:
        try:
            return Preview.from_json(objects.load(row.preview).decode())
        except (DatasetError, InputError, UnicodeDecodeError):
            pass  # damaged, or of another version of Meristem: it can be made again
    tree = dataset.tree

    def read(path: str, start: int, length: int) -> bytes:
        entry = tree.get(path)
        return b"".join(blocks(dataset, entry, start, min(entry.size, start + length)))

    chosen = select(tree) if files is None else _chosen(tree, files)
    preview = make_preview(((entry.path, entry.size) for entry in chosen), read)
    if row.status is not VersionStatus.DRAFT and files is None:
        content = preview.to_json().encode()

        def note(name: str, epoch: int, packs: Sequence[str]) -> None:
            objects.store.datasets.set_preview(row.id, name, epoch=epoch, packs=packs)

        keep(objects, row.id, content, note)
    return preview


def _chosen(tree: Tree, files: Sequence[str]) -> Iterable[Entry]:
    found: dict[str, Entry] = {}
    for what in files:
        entries = {entry.path: entry for entry in select(tree, what)}
        if not entries:
            raise EntryNotFound(what)
        found |= entries
    return found.values()
