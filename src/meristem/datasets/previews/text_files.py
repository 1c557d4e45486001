"""Text: its first lines, and how many there are."""

from __future__ import annotations

import io

from meristem.datasets.previews.encoding import Encoding
from meristem.datasets.previews.limits import Limits
from meristem.datasets.previews.preview import FileKind, FilePreview
from meristem.datasets.previews.source import Source
from meristem.datasets.previews.wording import cut

_LONGEST = 200


def preview_text(source: Source, encoding: Encoding, limits: Limits, notes: tuple[str, ...] = ()) -> FilePreview:
    """The first lines."""
    text = io.TextIOWrapper(io.BytesIO(source.start), encoding.name, errors="replace")
    lines: list[str] = []
    while len(lines) < limits.lines and (line := text.readline(_LONGEST + 1)):
        lines.append(cut(line.rstrip("\n"), _LONGEST))
        while line and not line.endswith("\n"):
            line = text.readline(65_536)
    facts: list[tuple[str, str | int | float]] = [("encoding", encoding.name.removesuffix("-sig").upper())]
    if source.whole and not encoding.name.startswith(("utf-16", "utf-32")):
        start = source.start
        facts.insert(0, ("lines", start.count(b"\n") + (not start.endswith(b"\n"))))
    told = (*notes, encoding.note) if encoding.note else notes
    return source.of_whole(FileKind.TEXT, "Text", lines=tuple(lines), facts=tuple(facts), notes=told)
