"""Cards as plain text, for scripts and terminals: title, note, and as much of the table as fits."""

from __future__ import annotations

from collections.abc import Sequence

from meristem.reports.card import Card, Group, Level, Table
from meristem.reports.cells import is_number, texts_of
from meristem.reports.style import plain

_MARKS = {Level.WARNING: " [warning]", Level.ERROR: " [error]", Level.GOOD: " [OK]"}
_MOST_ROWS, _LONGEST = 10, 28
_BETWEEN = "  "


def text_of(cards: Sequence[Card], *, width: int = 100) -> str:
    """The cards below each other.

    Args:
        width: Of a line; columns of tables that do not fit are left out, and told.
    """
    return "\n\n".join(_card(card, width) for card in cards)


def _card(card: Card, width: int) -> str:
    title = plain(card.title, 200) + _MARKS.get(card.level, " [note]" if card.group is Group.HEALTH else "")
    parts = [title, "-" * min(len(title), width)]
    parts += [plain(card.note, 1000)] if card.note else []
    if card.table is not None and card.table.rows and card.table.most:
        parts.append(_table(card.table, width))
    return "\n".join(parts)


def _table(table: Table, width: int) -> str:
    texts = texts_of(table)[:_MOST_ROWS]
    columns = [[plain(text, _LONGEST) for text in column] for column in zip(table.columns, *texts, strict=True)]
    sizes = [max(map(len, column)) for column in columns]
    shown = 1
    while shown < len(sizes) and sum(sizes[: shown + 1]) + shown * len(_BETWEEN) <= width:
        shown += 1
    right = [any(is_number(row[place]) for row in table.rows[:_MOST_ROWS]) for place in range(shown)]
    lines = [
        _BETWEEN.join(
            text.rjust(size) if numeric else text.ljust(size)
            for text, size, numeric in zip(line[:shown], sizes, right, strict=False)
        ).rstrip()
        for line in zip(*columns, strict=True)
    ]
    left = [f"{len(table.rows) - len(texts):,} more rows" if len(table.rows) > len(texts) else "",
            f"{len(sizes) - shown} more columns" if len(sizes) > shown else ""]  # fmt: skip
    more = " and ".join(filter(None, left))
    return "\n".join([*lines, *([f"… {more}"] if more else [])])
