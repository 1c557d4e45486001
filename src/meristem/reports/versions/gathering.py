"""What a version's page and its lineage are made of, gathered from the store and its manifest."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from meristem.datasets.dataset import Dataset
from meristem.datasets.labels import label_of, parent_names
from meristem.datasets.previews.comparing import PreviewDifferences
from meristem.datasets.previews.comparing import differences as look_differences
from meristem.datasets.reading import changes as differing
from meristem.manifests.changes import Change
from meristem.manifests.tree import Tree
from meristem.reports.versions.facts import (
    ChangeList,
    FileRow,
    GraphReader,
    GraphVersion,
    LineageGraph,
    Logged,
    PathChange,
    VersionChanges,
    VersionFacts,
)
from meristem.reports.versions.page import MOST_FILES, render_page
from meristem.store.dataset_rows import VersionRow
from meristem.store.store import Store

_MOST_PATHS = 200  # of each kind of change
_MAKERS = ("task", "trial", "study")


def page_of(dataset: Dataset) -> str:
    """A version's page, with its preview, what was logged, what changed since its parents, and its lineage.

    Raises:
        InputError: A figure was logged, and Plotly is not installed.
    """
    objects = dataset.objects
    parents = [Dataset(objects.store.datasets.version(id), objects) for id in dataset.row.parents]
    changes = [changes_since(dataset, parent) for parent in parents if parent.status != "deleted"]
    logged = [
        Logged(title=row.title, series=row.series, kind=row.kind, content=objects.load(row.object))
        for row in dataset.logs()
    ]
    return render_page(facts_of(dataset), dataset.preview(), changes, lineage_of(dataset), logged)


def facts_of(dataset: Dataset) -> VersionFacts:
    """Who and what a version is."""
    row = dataset.row
    names = parent_names(dataset.objects.store, row)
    files = [
        FileRow(path=entry.path, kind=f"{entry.kind.value}{'x' if entry.executable else ''}", size=entry.size,
                content=entry.content)
        for entry in islice(dataset.entries(), MOST_FILES)
    ]  # fmt: skip
    return VersionFacts(
        project=row.project,
        name=row.name,
        number=row.number or "",
        id=str(row.id),
        status=row.status.value,
        root=row.root,
        entries=dataset.files_count,
        bytes=dataset.size_bytes,
        tags=row.tags,
        parents=names,
        message=row.message,
        made_by=row.made_by,
        metadata=row.metadata,
        created_at=row.created_at,
        finalized_at=row.finalized_at,
        published_at=row.published_at,
        stored_bytes=row.summary.get("stored_bytes"),
        files=files,
    )


def changes_since(dataset: Dataset, parent: Dataset) -> VersionChanges:
    """How a version differs from another, and how their looks do."""
    found = differing(Tree(parent.row.root, dataset.objects), dataset.tree)
    return VersionChanges(
        parent=label_of(parent.row, dataset.row),
        added=_listed(found, "added"),
        modified=_listed(found, "modified"),
        removed=_listed(found, "removed"),
        moved=_listed(found, "moved"),
        looks=_looks(dataset, parent, found),
    )


def _looks(dataset: Dataset, parent: Dataset, found: list[Change]) -> PreviewDifferences:
    added, modified = ({change.path for change in found if change.what == what} for what in ("added", "modified"))
    before, after = parent.preview(), dataset.preview()
    known = {one.path for one in before.previews}
    # Each version's preview shows some of many files, and not the same ones.
    if unseen := [one.path for one in after.previews if one.table and one.path in modified - known]:
        before = replace(before, previews=(*before.previews, *parent.preview(unseen).previews))
    return look_differences(before, after, added=added, modified=modified)


def lineage_of(dataset: Dataset) -> LineageGraph:
    """The versions that belong together with one, who made them and who has read them."""
    store, lineage = dataset.objects.store, dataset.lineage()
    parents: dict[int, list[str]] = {}
    for child, parent in lineage.edges:
        parents.setdefault(child, []).append(str(parent))
    versions = [
        GraphVersion(
            id=str(row.id),
            label=label_of(row, dataset.row),
            status=row.status.value,
            created_at=row.created_at,
            parents=parents.get(row.id, []),
            entries=row.summary.get("entries"),
            bytes=row.summary.get("bytes"),
            note=row.message,
        )
        for row in lineage.versions
    ]
    readers = [reader for row in lineage.versions for reader in _readers(store, row)]
    return LineageGraph(current=str(dataset.id), versions=versions, readers=readers)


def _readers(store: Store, row: VersionRow) -> list[GraphReader]:
    made = [
        GraphReader(kind=kind, label=str(row.made_by[kind]), version=str(row.id), at=row.created_at, made=True)
        for kind in _MAKERS
        if row.made_by.get(kind)
    ]
    read = [
        GraphReader(kind=reader.kind.value, label=reader.reader, version=str(row.id), at=reader.at)
        for reader in store.dataset_readers.of_version(row.id)
    ]
    return made + read


def _listed(found: list[Change], what: str) -> ChangeList:
    of_it = [change for change in found if change.what == what]
    shown = [
        PathChange(
            path=change.path,
            size_before=change.before.size if change.before else None,
            size_after=change.after.size if change.after else None,
            before=change.before.path if change.before and what == "moved" else "",
        )
        for change in of_it[:_MOST_PATHS]
    ]
    return ChangeList(count=len(of_it), shown=shown)
