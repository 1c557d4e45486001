"""Console output of tasks: its beginning and its end are kept, and how much lies between. Written within a shipment.

Chunks are numbered from 1 in the order in which they were printed. Chunk 0 of an attempt is its ledger: how much of
the beginning is there, how much of the end, and how many bytes were left out between the two.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, LargeBinary, cast, delete, func, insert, select, update

from meristem.store.commits import clean, to_text
from meristem.store.output_rows import CONSOLE_HALF_BYTES, ConsoleChunk
from meristem.store.tables import task_console

_LEDGER = 0
_DROPPED_AT_ONCE = 256  # chunks that are looked at when the end has grown too long
_READ_AT_ONCE = 16
_columns = task_console.c


@dataclass(slots=True)
class _Ledger:
    head_chunks: int = 0
    head_bytes: int = 0
    tail_bytes: int = 0
    left_out_bytes: int = 0
    last: int = 0  # number of the last chunk


def write_console(connection: Connection, number: int, attempt: int, texts: Sequence[str], left_out: int) -> None:
    """Appends what was printed. The caller holds the task's row."""
    found = _read_ledger(connection, number, attempt)
    ledger = found or _Ledger()
    now = time.time()
    if left_out:
        _drop_end(connection, number, attempt, ledger)
        ledger.left_out_bytes += left_out
    rows = []
    for text in texts:
        text = clean(text) or ""
        size = len(text.encode())
        ledger.last += 1
        if not ledger.tail_bytes and not ledger.left_out_bytes and ledger.head_bytes + size <= CONSOLE_HALF_BYTES:
            ledger.head_bytes += size
            ledger.head_chunks = ledger.last
        else:
            ledger.tail_bytes += size
        rows.append({"task": number, "attempt": attempt, "number": ledger.last, "at": now, "text": text})
    if rows:
        connection.execute(insert(task_console), rows)
    while ledger.tail_bytes > CONSOLE_HALF_BYTES and _drop_oldest(connection, number, attempt, ledger):
        pass
    _write_ledger(connection, number, attempt, ledger, new=found is None)


def _drop_end(connection: Connection, number: int, attempt: int, ledger: _Ledger) -> None:
    # What is left out now was printed after the end that is there: only the beginning stays before the gap.
    beyond = (_columns.task == number, _columns.attempt == attempt, _columns.number > ledger.head_chunks)
    connection.execute(delete(task_console).where(*beyond))
    ledger.left_out_bytes += ledger.tail_bytes
    ledger.tail_bytes = 0


def _drop_oldest(connection: Connection, number: int, attempt: int, ledger: _Ledger) -> bool:
    of_attempt = (_columns.task == number, _columns.attempt == attempt)
    sizes = connection.execute(
        select(_columns.number, _size(connection))
        .where(*of_attempt, _columns.number > ledger.head_chunks)
        .order_by(_columns.number)
        .limit(_DROPPED_AT_ONCE)
    ).all()
    dropped = None
    for chunk, size in sizes:
        if ledger.tail_bytes <= CONSOLE_HALF_BYTES or chunk == ledger.last:
            break
        ledger.tail_bytes -= size
        ledger.left_out_bytes += size
        dropped = chunk
    if dropped is None:
        return False
    gone = (_columns.number > ledger.head_chunks, _columns.number <= dropped)
    connection.execute(delete(task_console).where(*of_attempt, *gone))
    return True


def _size(connection: Connection) -> Any:
    if connection.dialect.name == "sqlite":  # octet_length is younger than the SQLite of many systems
        return func.length(cast(_columns.text, LargeBinary))
    return func.octet_length(_columns.text)


def _read_ledger(connection: Connection, number: int, attempt: int) -> _Ledger | None:
    text = connection.execute(select(_columns.text).where(*_at(number, attempt, _LEDGER))).scalar()
    return None if text is None else _Ledger(**json.loads(text))


def _write_ledger(connection: Connection, number: int, attempt: int, ledger: _Ledger, *, new: bool) -> None:
    values = {"text": to_text(asdict(ledger)), "at": time.time()}
    if new:
        connection.execute(insert(task_console).values(task=number, attempt=attempt, number=_LEDGER, **values))
    else:
        connection.execute(update(task_console).where(*_at(number, attempt, _LEDGER)).values(**values))


def _at(number: int, attempt: int, chunk: int) -> tuple[Any, ...]:
    return _columns.task == number, _columns.attempt == attempt, _columns.number == chunk


def read_console(connection: Connection, number: int, attempt: int, after: int, limit: int) -> list[ConsoleChunk]:
    """Chunks in order after chunk `after`; where some were left out, the one that follows begins by saying so."""
    query = (
        select(_columns.number, _columns.text, _columns.at)
        .where(_columns.task == number, _columns.attempt == attempt, _columns.number > after)
        .order_by(_columns.number)
        .limit(limit)
    )
    return _marked(connection, number, attempt, connection.execute(query).all(), after=after)


def read_console_end(connection: Connection, number: int, attempt: int, lines: int) -> list[ConsoleChunk]:
    """The last chunks, that hold at least so many line ends where there are as many; in order."""
    query = (
        select(_columns.number, _columns.text, _columns.at)
        .where(_columns.task == number, _columns.attempt == attempt, _columns.number > _LEDGER)
        .order_by(_columns.number.desc())
        .limit(_READ_AT_ONCE)
    )
    found: list[Any] = []
    ends = 0
    while ends <= lines:
        page = connection.execute(query.where(_columns.number < found[-1].number) if found else query).all()
        for row in page:
            found.append(row)
            ends += row.text.count("\n")
            if ends > lines:
                break
        if len(page) < _READ_AT_ONCE:
            break
    found.reverse()
    return _marked(connection, number, attempt, found, after=found[0].number - 1 if found else 0)


def _marked(connection: Connection, number: int, attempt: int, rows: Any, *, after: int) -> list[ConsoleChunk]:
    ledger = _read_ledger(connection, number, attempt)
    chunks, before = [], after
    for row in rows:
        text = row.text
        if ledger and ledger.left_out_bytes and (before <= ledger.head_chunks < row.number or before + 1 < row.number):
            text = f"\n… {ledger.left_out_bytes:,} bytes were left out here …\n{text}"
        before = row.number
        chunks.append(ConsoleChunk(number=row.number, text=text, at=row.at))
    return chunks
