"""Datasets, versions and their files as they are shown: as JSON, as names and values, as rows of a table."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from meristem.cli.durations import shown_duration
from meristem.cli.output import iso, shown

if TYPE_CHECKING:
    from meristem.manifests.changes import Change
    from meristem.manifests.entry import Entry
    from meristem.store.dataset_rows import DatasetRow, ReaderRow, VersionRow
    from meristem.store.store import Store

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")
_KINDS = {"f": "file", "c": "file", "l": "link", "u": "external", "d": "folder"}
CHANGES = {"added": "+", "modified": "~", "removed": "-", "moved": "→"}  # what is counted, and its sign
_SHORT_HASH = 12
_LONGEST_MESSAGE = 60  # in a table; a longer one would push numbers off a terminal


def shown_size(size: float | None) -> str | None:
    """1.2 MB; 1 KB is 1,000 bytes."""
    if size is None:
        return None
    amount, place = float(size), 0
    while amount >= 999.5 and place < len(_UNITS) - 1:
        amount, place = amount / 1000, place + 1
    return f"{size:.0f} B" if place == 0 else f"{amount:.3g} {_UNITS[place]}"


def counted(count: int, noun: str, several: str = "") -> str:
    """1 file; 2 files."""
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"


def ago(seconds: float | None) -> str | None:
    """How long ago a time of the store was."""
    if seconds is None:
        return None
    past = time.time() - seconds
    return "just now" if past < 1 else f"{shown_duration(past, short=True)} ago"


def dataset_view(row: DatasetRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "project": row.project,
        "name": row.name,
        "description": row.description,
        "newest": row.newest,
        "versions": row.versions,
        "drafts": row.drafts,
        "created_at": iso(row.created_at),
    }


def dataset_cells(row: DatasetRow) -> list[Any]:
    return [
        f"{row.project}/{row.name}",
        row.newest,
        row.versions,
        row.drafts or None,
        ago(row.created_at),
        row.description or None,
    ]


def version_view(store: Store, row: VersionRow) -> dict[str, Any]:
    """A version as JSON; of a draft, sizes are not known without its manifest."""
    summary = row.summary
    return {
        "id": row.id,
        "project": row.project,
        "name": row.name,
        "version": row.number,
        "status": row.status.value,
        "tags": list(row.tags),
        "message": row.message,
        "parents": parents_of(store, row),
        "made_by": dict(row.made_by),
        "metadata": dict(row.metadata),
        **{key: summary.get(key) for key in ("entries", "bytes", "stored_bytes", *CHANGES)},
        "root": row.root,
        "created_at": iso(row.created_at),
        "finalized_at": iso(row.finalized_at),
        "published_at": iso(row.published_at),
    }


def parents_of(store: Store, row: VersionRow) -> list[str]:
    from meristem.datasets.labels import parent_names  # slow to import: not for --help

    return parent_names(store, row)


def reader_view(reader: ReaderRow) -> dict[str, Any]:
    return {"kind": reader.kind.value, "reader": reader.reader, "at": iso(reader.at)}


VERSION_COLUMNS = ("version", "status", "files", "size", "stored", "changes", "made", "by", "tags", "message")


def version_cells(row: VersionRow) -> list[Any]:
    summary = row.summary
    return [
        row.number or f"draft {row.id}",
        row.status.value,
        f"{summary['entries']:,}" if "entries" in summary else None,
        shown_size(summary.get("bytes")),
        shown_size(summary.get("stored_bytes")),
        shown_changes(summary),
        ago(row.finalized_at or row.created_at),
        row.made_by.get("user"),
        " ".join(row.tags) or None,
        shown(row.message, _LONGEST_MESSAGE) or None,
    ]


def shown_changes(summary: Mapping[str, Any]) -> str | None:
    """+5 ~2 -1 →3: added, modified, removed, moved."""
    return " ".join(f"{CHANGES[what]}{summary[what]:,}" for what in CHANGES if summary.get(what)) or None


def told_changes(counts: Mapping[str, Any]) -> str:
    """5 added, 2 modified, 3 moved; "" where there are none."""
    return ", ".join(f"{counts[what]:,} {what}" for what in CHANGES if counts.get(what))


def version_pairs(view: Mapping[str, Any], readers: Sequence[ReaderRow]) -> list[tuple[str, Any]]:
    made = view["made_by"]
    maker = " on ".join(str(made[key]) for key in ("user", "host") if made.get(key))
    return [
        ("dataset", f"{view['project']}/{view['name']}"),
        ("version", view["version"] if view["status"] != "draft" else f"draft {view['id']}"),
        ("status", view["status"]),
        ("tags", " ".join(view["tags"]) or None),
        ("message", view["message"] or None),
        ("files", None if view["entries"] is None else f"{view['entries']:,}"),
        ("size", shown_size(view["bytes"])),
        ("stored for it", shown_size(view["stored_bytes"])),
        ("changes", told_changes(view) or None),
        ("parents", ", ".join(view["parents"]) or None),
        ("made by", maker or None),
        *((f"in {kind}", made[kind]) for kind in ("task", "study", "trial") if made.get(kind)),
        ("command", made.get("command")),
        ("in folder", made.get("folder")),
        ("begun", view["created_at"]),
        ("finalized", view["finalized_at"]),
        ("published", view["published_at"]),
        *((f"metadata {name}", shown(value)) for name, value in view["metadata"].items()),
        ("read by", ", ".join(f"{r.kind.value} {r.reader}" for r in readers[:10]) or None),
        ("", f"and {len(readers) - 10:,} more" if len(readers) > 10 else None),
        ("id", view["id"]),
        ("root", view["root"]),
    ]


FILE_COLUMNS = ("path", "kind", "size", "content")


def entry_view(entry: Entry) -> dict[str, Any]:
    return {
        "path": entry.path,
        "kind": _KINDS[entry.kind.value],
        "bytes": entry.size,
        "content": entry.content,
        "executable": entry.executable,
    }


def entry_cells(entry: Entry) -> list[Any]:
    kind = _KINDS[entry.kind.value]
    content = entry.content[:_SHORT_HASH] if kind == "file" else entry.content
    return [
        entry.path + ("/" if kind == "folder" else ""),
        "program" if entry.executable else kind,
        shown_size(entry.size) if kind != "folder" else None,
        content or None,
    ]


def change_view(change: Change) -> dict[str, Any]:
    before, after = change.before, change.after
    return {
        "what": change.what,
        "path": change.path,
        "from": before.path if before is not None and change.what == "moved" else None,
        "bytes_before": before.size if before is not None else None,
        "bytes_after": after.size if after is not None else None,
    }


def change_cells(change: Change) -> list[Any]:
    """A sign, the path, and the size: before and after, where it differs."""
    before, after = change.before, change.after
    sizes = [str(shown_size(entry.size)) for entry in (before, after) if entry is not None]
    moved = before is not None and change.what == "moved"
    path = f"{before.path} → {change.path}" if before is not None and moved else change.path
    return [CHANGES[change.what], path, " → ".join(dict.fromkeys(sizes))]


def change_counts(changes: Sequence[Change]) -> dict[str, int]:
    """How many of each kind, and what they make of the size."""
    counts = dict.fromkeys(CHANGES, 0)
    for change in changes:
        counts[change.what] += 1
    grown = sum((c.after.size if c.after else 0) - (c.before.size if c.before else 0) for c in changes)
    return {**counts, "bytes": grown}


def shown_change_counts(counts: Mapping[str, int]) -> str:
    """2 added, 1 moved; 1.2 MB more."""
    if not (told := told_changes(counts)):
        return "Nothing differs."
    grown = counts["bytes"]
    return told + (f"; {shown_size(abs(grown))} {'more' if grown > 0 else 'less'}" if grown else "")
