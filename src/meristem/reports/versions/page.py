"""A version as one HTML page that needs nothing else: what it is, how it looks, what changed, where it comes from.

No scripts but those that draw logged figures; everything that files, users or tasks have named is escaped. Light or
dark as the reader's system is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from meristem.datasets.previews.comparing import PreviewDifferences, TableDifference
from meristem.datasets.previews.preview import Preview
from meristem.datasets.previews.wording import bytes_text, counted, moment, plain, plain_path
from meristem.reports.frame import document
from meristem.reports.shown import drawing, text
from meristem.reports.versions.facts import (
    ChangeList,
    FileRow,
    LineageGraph,
    Logged,
    PathChange,
    VersionChanges,
    VersionFacts,
)
from meristem.reports.versions.lineage import lineage_svg
from meristem.reports.versions.logged import logged_html
from meristem.reports.versions.preview import preview_html

MOST_FILES = 1_000
_MOST_PATHS = 50  # of each kind of change
_MOST_SAID = 12  # sentences about a table
_KINDS = {"f": "file", "c": "file", "l": "link", "u": "external", "d": "folder"}
_BADGES = {"draft": "warning", "final": "final", "published": "good", "deleted": "error"}


def render_page(
    facts: VersionFacts,
    preview: Preview | None = None,
    changes: Sequence[VersionChanges] = (),
    lineage: LineageGraph | None = None,
    logged: Sequence[Logged] = (),
) -> str:
    """The page of a version.

    Args:
        changes: To each of its parents that is compared.

    Raises:
        InputError: A figure was logged, and Plotly is not installed.
    """
    graph = lineage_svg(lineage) if lineage is not None else ""
    parts = [
        _header(facts),
        *(_section(f"Changes to {plain(one.parent, 120)}", _changes(one)) for one in changes),
        _section("Lineage", graph + _LEGEND) if graph else "",
        _section("Preview", preview_html(preview)) if preview is not None else "",
        _section("Logged", logged_html(logged)) if logged else "",
        _section("Metadata", _pairs(facts.metadata.items())) if facts.metadata else "",
        _section("Files", _files(facts)) if facts.files else "",
        drawing() if any(one.kind == "plotly" for one in logged) else "",
    ]
    return document(facts.title, "".join(parts), ["versions/page.css", "versions/preview.css"])


_LEGEND = (
    '<p class="legend">Newest at the top; a line leads from a version to its parents. Beside it: who read it. '
    "Green is published, hollow a draft; the ring is this version.</p>"
)


def _section(title: str, inside: str) -> str:
    return f"<article><h2>{_text(title)}</h2>{inside}</article>"


def _header(facts: VersionFacts) -> str:
    badges = [f'<span class="badge {_BADGES.get(facts.status, "info")}">{_text(facts.status)}</span>']
    badges += [f'<span class="badge info tag">{_text(tag, 60)}</span>' for tag in facts.tags]
    message = f'<p class="message">{_text(facts.message, 2000)}</p>' if facts.message else ""
    counts = [("files", f"{facts.entries:,}"), ("size", bytes_text(facts.bytes))]
    counts += [("stored for it", bytes_text(facts.stored_bytes))] if facts.stored_bytes is not None else []
    number = _text(facts.number or "draft", 80)
    name = f'<span class="of">{_text(facts.project)}/</span>{_text(facts.name)}<span class="of">@</span>{number}'
    return (
        f'<header><h1>{name}</h1><div class="badges">{"".join(badges)}</div>{message}'
        f'<dl class="counts">{"".join(f"<div><dt>{n}</dt><dd>{v}</dd></div>" for n, v in counts)}</dl>'
        f"{_pairs(_about(facts))}</header>"
    )


def _about(facts: VersionFacts) -> Iterator[tuple[str, Any]]:
    if facts.parents:
        yield ("parents" if len(facts.parents) > 1 else "parent"), ", ".join(facts.parents)
    for name, seconds in (("created", facts.created_at), ("finalized", facts.finalized_at),
                          ("published", facts.published_at)):  # fmt: skip
        if seconds is not None:
            yield name, f"{moment(round(seconds))} UTC"
    for name, value in facts.made_by.items():
        if value not in (None, "", {}):
            yield {"user": "by", "host": "on"}.get(name, name), value
    yield "id", facts.id
    yield "root (blake3)", facts.root


def _pairs(pairs: Any) -> str:
    shown = []
    for name, value in pairs:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        code = name in ("command", "git", "id", "root (blake3)")
        inside = f"<code>{_text(text, 1000)}</code>" if code else _text(text, 1000)
        shown.append(f"<div><dt>{_text(str(name), 80)}</dt><dd>{inside}</dd></div>")
    return f"<dl>{''.join(shown)}</dl>"


def _changes(changes: VersionChanges) -> str:
    looks = _looks(changes.looks) if changes.looks is not None else ""
    if not changes.count:
        return f'<p class="none">No file differs.</p>{looks}'
    kinds = [("added", changes.added), ("modified", changes.modified), ("removed", changes.removed),
             ("moved", changes.moved)]  # fmt: skip
    return f'<div class="changes">{"".join(_change_list(name, one) for name, one in kinds if one.count)}</div>{looks}'


def _change_list(name: str, changes: ChangeList) -> str:
    rows = "".join(map(_change, changes.shown[:_MOST_PATHS]))
    left = changes.count - min(len(changes.shown), _MOST_PATHS)
    more = f'<p class="more">and {left:,} more</p>' if left > 0 else ""
    return f'<div class="{name}"><h3><b>{changes.count:,}</b> {name}</h3><ul class="paths">{rows}</ul>{more}</div>'


def _change(change: PathChange) -> str:
    sizes = [bytes_text(size) for size in (change.size_before, change.size_after) if size is not None]
    told = " → ".join(dict.fromkeys(sizes))
    name = _text(plain_path(change.path), 200)
    moved = f"{_text(plain_path(change.before), 200)} → {name}" if change.before else name
    return f"<li><span>{moved}</span><i>{told}</i></li>"


def _looks(found: PreviewDifferences) -> str:
    tables = "".join(map(_table_difference, found.tables))
    suffixes = ", ".join(
        f"{'.' if suffix else ''}{_text(suffix or 'without suffix', 20)} {before:,} → {after:,}"
        for suffix, before, after in found.suffixes[:12]
    )
    counts = f'<p class="more">Files by suffix: {suffixes}</p>' if suffixes else ""
    return f'<div class="looks">{counts}{tables}</div>' if counts or tables else ""


def _table_difference(found: TableDifference) -> str:
    other = f" beside {_text(plain_path(found.before), 200)}" if found.before != found.path else ""
    said = []
    if found.rows[0] != found.rows[1] and None not in found.rows:
        said.append(f"Rows: {found.rows[0]:,} → {found.rows[1]:,}.")
    for what, names in (("New columns", found.columns_added), ("Columns that are gone", found.columns_removed)):
        if names:
            more = f" and {len(names) - 10:,} more" if len(names) > 10 else ""
            said.append(f"{what}: {', '.join(plain(name, 40) for name in names[:10])}{more}.")
    said += found.said[:_MOST_SAID]
    if len(found.said) > _MOST_SAID:
        said.append(f"And {counted(len(found.said) - _MOST_SAID, 'smaller change')}.")
    listed = "".join(f"<li>{_text(one, 400)}</li>" for one in said)
    return f"<h3>{_text(plain_path(found.path), 200)}<small>{other}</small></h3><ul>{listed}</ul>"


def _files(facts: VersionFacts) -> str:
    rows = "".join(map(_file, facts.files[:MOST_FILES]))
    shown = min(len(facts.files), MOST_FILES)
    more = f'<p class="more">The first {shown:,} of {facts.entries:,}.</p>' if facts.entries > shown else ""
    head = '<th scope="col">path</th><th scope="col">kind</th><th class="number" scope="col">size</th>'
    content = '<th scope="col">content</th>'
    table = f"<table><thead><tr>{head}{content}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="scroll table files">{table}</div>{more}'


def _file(row: FileRow) -> str:
    kind = _KINDS.get(row.kind[:1], row.kind)
    named = kind if not row.kind.endswith("x") else "program"
    short = row.content[:16] if kind == "file" else plain(row.content, 80)
    return (
        f'<tr><td>{_text(plain_path(row.path, 200), 200)}</td><td class="kind">{_text(named)}</td>'
        f'<td class="number">{bytes_text(row.size)}</td><td class="hash" title="{_text(row.content, 400)}">'
        f"{_text(short, 80)}</td></tr>"
    )


def _text(value: str, longest: int = 200) -> str:
    return text(value, longest)
