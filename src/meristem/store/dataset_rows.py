"""What the store holds of datasets, as values; and what makes a writer of them try again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from meristem.statuses import VersionStatus


class PackState(StrEnum):
    """Where a pack stands."""

    INCOMING = "incoming"  # its file is being written, or was; no version needs it yet
    LIVE = "live"
    CONDEMNED = "condemned"  # nobody needs it: its file is to be deleted
    FORGOTTEN = "forgotten"  # its file was deleted; the row stays, so that its name is never used again


class ReaderKind(StrEnum):
    """What reads versions."""

    TASK = "task"
    TRIAL = "trial"
    STUDY = "study"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRow:
    """A dataset as stored. Times are seconds since the epoch, on the database's clock.

    Attributes:
        newest: Highest number of its final and published versions; None: it has none.
        versions: How many of those there are.
        drafts: How many drafts are open.
    """

    id: int
    project: str
    name: str
    description: str = ""
    created_at: float = 0.0
    newest: str | None = None
    versions: int = 0
    drafts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """A version as stored. Times are seconds since the epoch, on the database's clock.

    Attributes:
        dataset: Id of its dataset.
        number: Its version number (semver); of a draft the one that is wished for, or None.
        root: Name of the top node of its manifest.
        revision: How often the draft was written since it was begun.
        parents: Ids of the versions that it was made from.
        made_by: User, host, process, command, task … (JSON).
        summary: Entries, bytes, what was added, modified, removed, moved and stored (JSON). Of versions that were made
            before moves were counted, `moved` is missing, and these stand among the added and the removed.
        preview: Name of an object.
    """

    id: int
    dataset: int
    project: str
    name: str
    number: str | None
    status: VersionStatus
    root: str
    revision: int = 0
    parents: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    message: str = ""
    made_by: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    preview: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0
    finalized_at: float | None = None
    published_at: float | None = None

    @property
    def shown(self) -> str:
        """What people call it by: `project/name@number`; a draft by its id."""
        if self.number is None or self.status is VersionStatus.DRAFT:
            return f"Draft {self.id} of {self.project}/{self.name}"
        return f"{self.project}/{self.name}@{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """A plot, table or image that was logged with a version; `object` holds its content."""

    title: str
    series: str
    kind: str
    object: str
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderRow:
    """A task, trial or study that has read a version."""

    version: int
    kind: ReaderKind
    reader: str
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRow:
    """A pack of objects.

    Attributes:
        serial: The order in which packs became live; None: it never was.
        draft: Id of the version for which it was made first; None: made by garbage collection.
    """

    name: str
    serial: int | None
    size: int
    objects: int
    draft: int | None
    state: PackState


class LivePacks(NamedTuple):
    """The packs in which objects are looked for, and the epoch at which that was so."""

    epoch: int
    packs: list[PackRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class RootRow:
    """What garbage collection must keep of one version: all below `root`, `preview` and the objects of its logs."""

    version: int
    root: str
    preview: str | None
    logs: tuple[str, ...]
    status: VersionStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """Roots at one moment.

    Attributes:
        cursor: Tells `DatasetPacks.condemn` up to where they are known.
        epoch: The epoch at that moment.
    """

    cursor: int
    epoch: int
    rows: Sequence[RootRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Versions that belong together.

    Attributes:
        versions: The version that was asked for, its ancestors and descendants, in order of their ids.
        edges: Pairs of ids (child, parent) among them.
        cut: Whether there are more, which were left out.
    """

    versions: tuple[VersionRow, ...]
    edges: tuple[tuple[int, int], ...]
    cut: bool = False


class EpochMoved(Exception):
    """Packs were condemned meanwhile: what was found in packs instead of being stored is to be looked for again."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        super().__init__(f"The epoch is {epoch} by now.")


class PacksGone(Exception):
    """Packs that a version needs are no longer there, or never were: what lies in them is to be stored again."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(f"{len(names)} packs are gone.")


class PackCondemned(Exception):
    """A pack of that very name was condemned once, and its file may be deleted at any moment.

    Its name is never used again: the pack gets another object (a few random bytes), and by that another name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"Pack {name} was condemned.")


class RootsMoved(Exception):
    """Roots have come since they were marked: they are to be marked, too."""

    def __init__(self, cursor: int) -> None:
        self.cursor = cursor
        super().__init__(f"Roots have changed up to {cursor}.")
