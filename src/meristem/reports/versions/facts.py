"""What a version's page is made of: plain values, gathered by whoever has a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meristem.datasets.previews.comparing import PreviewDifferences


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One file of a version; `content` is the name (blake3) of what it holds, or a URL or a link's target."""

    path: str
    kind: str
    size: int
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """Who and what a version is.

    Attributes:
        number: Such as "1.2.0"; "" of a draft without one.
        status: draft, final, published or deleted.
        parents: How they are called: PROJECT/NAME@VERSION, or @VERSION in the same dataset.
        made_by: user, host, command, task, study, trial, git: what is known of them.
        created_at, finalized_at, published_at: In seconds since 1970.
        stored_bytes: What its own new content takes in packs.
        files: The first of them, in order; `entries` says how many there are.
    """

    project: str
    name: str
    number: str
    id: str
    status: str
    root: str
    entries: int
    bytes: int
    tags: Sequence[str] = ()
    parents: Sequence[str] = ()
    message: str = ""
    made_by: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: float | None = None
    finalized_at: float | None = None
    published_at: float | None = None
    stored_bytes: int | None = None
    files: Sequence[FileRow] = ()

    @property
    def title(self) -> str:
        return f"{self.project}/{self.name}@{self.number or 'draft'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A table (JSON), a picture, or a plotly figure (JSON) that was logged with a version; `kind` says which."""

    title: str
    series: str
    kind: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PathChange:
    """One changed file; sizes are None where it was, or is, not there. `before` is where a moved one was."""

    path: str
    size_before: int | None = None
    size_after: int | None = None
    before: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeList:
    """Changes of one kind: how many there are, and the first of them."""

    count: int = 0
    shown: Sequence[PathChange] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionChanges:
    """How a version differs from a parent."""

    parent: str
    added: ChangeList = ChangeList()
    modified: ChangeList = ChangeList()
    removed: ChangeList = ChangeList()
    moved: ChangeList = ChangeList()
    looks: PreviewDifferences | None = None

    @property
    def count(self) -> int:
        return self.added.count + self.modified.count + self.removed.count + self.moved.count


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphVersion:
    """A version in a lineage graph.

    Attributes:
        label: @1.2.0, or PROJECT/NAME@1.2.0 of another dataset.
        note: What stands beside it, such as its message.
    """

    id: str
    label: str
    status: str
    created_at: float
    parents: Sequence[str] = ()
    entries: int | None = None
    bytes: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphReader:
    """A task, trial or study that read a version, or made one (`made`)."""

    kind: str
    label: str
    version: str
    at: float | None = None
    made: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageGraph:
    """Versions by their parents' ids, and who read them; `current` is the page's."""

    current: str
    versions: Sequence[GraphVersion] = ()
    readers: Sequence[GraphReader] = ()
