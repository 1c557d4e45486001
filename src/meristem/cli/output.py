"""How commands print: JSON that every reader takes, and tables that fit a terminal."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_NARROWEST = 40
_LONGEST = 10_000
_GAP = 2  # between columns
_UNCUT = 100_000  # the width of a pipe, in which nothing is cut


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Prints `value` as JSON; NaN and infinity become text, which JSON has no numbers for."""
    sys.stdout.write(to_json(value, indent=indent) + "\n")
    sys.stdout.flush()


def to_json(value: Any, *, indent: int | None = None) -> str:
    # A terminal or pipe of another encoding gets escapes, which are JSON in any.
    utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    text = json.dumps(clean(value), indent=indent, ensure_ascii=not utf8, allow_nan=False, default=str)
    return text if text.isascii() or _encodable(text) else json.dumps(clean(value), indent=indent, default=str)


def clean(value: Any) -> Any:
    """`value` with NaN and infinities as the texts "NaN", "Infinity", "-Infinity"."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(key): clean(item) for key, item in value.items()}
    return [clean(item) for item in value] if isinstance(value, (list, tuple)) else value


def iso(seconds: float | None) -> str | None:
    """A time of the store in ISO 8601, UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shown(value: Any, longest: int = 200) -> str:
    """One line of text for a table: control characters escaped, long values cut with an ellipsis."""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(clean(value), ensure_ascii=False, default=str)
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: longest + 1])
    return text if len(text) <= longest else text[: longest - 1] + "…"


def shown_parameters(parameters: Mapping[str, Any]) -> str:
    return "  ".join(f"{shown(name, 40)}={shown(value, 40)}" for name, value in parameters.items())


def shown_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "none yet"


def print_pairs(pairs: Iterable[tuple[str, Any]]) -> None:
    """Prints names and values below each other; None is left out."""
    table = _table()
    table.add_column(no_wrap=True, max_width=30)
    table.add_column(overflow="fold")
    for name, value in pairs:
        if value is not None:
            table.add_row(_cell(shown(name)), _cell(shown(value, _LONGEST)))
    _print(table)


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    numbers: Sequence[str] = (),
    left_out: Sequence[str] = (),
) -> None:
    """Prints rows below a header; on a terminal long cells of the last columns are cut to fit.

    Args:
        left_out: Columns that a narrow terminal does without, the first ones first; then no number is cut.
    """
    texts = [["" if value is None else shown(value, _LONGEST) for value in row] for row in rows]
    widths = {c: max([len(c), *(len(row[i]) for row in texts)]) for i, c in enumerate(columns)}
    kept = columns_that_fit(widths, left_out, _width()) if left_out else list(columns)
    table = _table(header=True)
    for column in kept:
        table.add_column(
            column,
            no_wrap=True,
            overflow="ellipsis",
            justify="right" if column in numbers else "left",
            min_width=widths[column] if left_out and column in numbers else None,
        )
    shown_at = [index for index, column in enumerate(columns) if column in kept]
    for row in texts:
        table.add_row(*(_cell(row[index]) for index in shown_at))
    _print(table)


def columns_that_fit(widths: Mapping[str, int], left_out: Sequence[str], width: int) -> list[str]:
    """The columns for `width` characters: without the first of `left_out`, as many as need be."""
    kept = list(widths)
    for column in left_out:
        if sum(widths[one] + _GAP for one in kept) - _GAP <= width:
            break
        kept = [one for one in kept if one != column]
    return kept


def say(text: str = "") -> None:
    """One line to stderr: what is happening, beside what was asked for."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate in a name
        return False
    return True


def _cell(text: str) -> Any:
    from rich.text import Text  # slow to import: only where something is printed

    return Text(text)


def _table(*, header: bool = False) -> Any:
    from rich.table import Table  # slow to import: only where something is printed

    return Table(show_header=header, box=None, pad_edge=False, header_style="bold")


def _width() -> int:
    from rich.console import Console  # slow to import: only where something is printed

    console = Console()
    return max(_NARROWEST, console.width) if console.is_terminal else _UNCUT


def _print(table: Any) -> None:
    from rich.console import Console  # slow to import: only where something is printed

    console = Console()
    if console.is_terminal:
        (console if console.width >= _NARROWEST else Console(width=_NARROWEST)).print(table)
        return
    console = Console(width=_UNCUT, file=io.StringIO())
    console.print(table)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    sys.stdout.write("".join(line.rstrip() + "\n" for line in lines))
