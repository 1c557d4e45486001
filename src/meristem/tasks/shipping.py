"""Ships the spool folder of a running attempt into the store, piece by piece: all of it, and nothing twice.

Used by whoever started the training: the worker, the shipper of a script run by hand, the import of an offline folder.
How far it has come stands in the store, written together with what was shipped; so it may be killed between any two
lines, and the next one goes on. What it holds in memory is bounded.
"""

from __future__ import annotations

import codecs
import errno
import json
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from meristem.errors import StoreError
from meristem.spool import REPORT_FILE
from meristem.store.blob_place import BlobStore
from meristem.store.output_rows import CONSOLE_HALF_BYTES, Positions, PositionsMoved, Shipment
from meristem.store.task_outputs import TaskOutputs
from meristem.tasks.report_lines import KIND, LINE_LIMIT_BYTES, Faults, Lines
from meristem.tasks.report_records import Ended, Harvest, Remote, read_ended, read_remote
from meristem.tasks.spool_folder import CONSOLE_FILE, FILES_FOLDER

REPORT_PIECE_BYTES = 2 << 20  # some 40,000 points: what a transaction writes in about 0.1 s
CONSOLE_PIECE_BYTES = 2 << 20
_CHUNK_CHARACTERS = 64 << 10
_LINES_AT_ONCE = 100_000
_END_SEARCHED_BYTES = 2 * LINE_LIMIT_BYTES


class ShippingStore(Protocol):
    """The part of a store that is needed here."""

    @property
    def task_outputs(self) -> TaskOutputs: ...
    @property
    def blobs(self) -> BlobStore: ...


@dataclass(slots=True)
class _Piece:
    """What was read of the spool for one shipment."""

    lines: Lines
    harvest: Harvest
    report_end: int
    console: ConsolePiece


class Shipping:
    """Ships one attempt's spool.

    Args:
        folder: The spool folder.
        number, fence, worker: The task, the number of the attempt, and the session of whoever runs it.
        positions: How much of the spool is in the store, where that is known; else the store is asked.
        parameters_yield: Parameters that the store has win over those that the code connects (on a worker).

    Attributes:
        ended: How the training said that it ended; None as long as it has not.
        remote: Where the training asked to be run by a worker instead; None where it did not.
        faults: What could not be understood.
        points: Scalar values shipped by this object.
    """

    def __init__(
        self,
        folder: Path | str,
        store: ShippingStore,
        number: int,
        fence: int,
        *,
        worker: str,
        positions: Positions | None = None,
        parameters_yield: bool = True,
    ) -> None:
        self.folder = Path(folder)
        self.number, self.fence, self.worker = number, fence, worker
        self.ended: Ended | None = None
        self.remote: Remote | None = None
        self.faults = Faults()
        self.points = 0
        self._store = store
        self._positions = positions
        self._parameters_yield = parameters_yield
        self._kept: dict[str, tuple[str, int]] = {}
        self._looked_back = False
        self._lines_at_once = _LINES_AT_ONCE

    @property
    def positions(self) -> Positions:
        """How much of the spool is in the store, as far as is known here."""
        return self._positions or Positions()

    def step(self, *, final: bool = False) -> bool:
        """Ships the next piece of what was written since; True where it shipped something.

        So `while shipping.step(): pass` ships all that is there. With `final`, the training has ended: an unfinished
        last line counts too.

        Raises:
            AttemptLost: The attempt no longer counts: whatever it still reports is refused.
            StoreError: The store or the blob store cannot be written just now. Nothing is lost: call again.
        """
        before = self._known_positions()
        self._look_back(before)
        piece = self._read(before, final)
        after = Positions(report=piece.report_end, console=piece.console.end)
        if after == before:
            return False
        try:
            self._store.task_outputs.ship(self._shipment(piece, before, after))
        except PositionsMoved:
            self._positions = None
            return True
        except (StoreError, ValueError, RecursionError) as error:
            if isinstance(error, StoreError) and type(error) is not StoreError:
                raise  # the store's trouble, not that of what is shipped
            self._pass_over(error, before, piece)
            return True
        self._lines_at_once = min(10 * self._lines_at_once, _LINES_AT_ONCE)
        self._positions = after
        self._kept.clear()
        self.faults.take(piece.lines.faults)
        self.points += piece.lines.points
        self.ended = piece.harvest.ended or self.ended
        self.remote = piece.harvest.remote or self.remote
        return True

    def finish(self) -> None:
        """Ships all that is left, once the training has ended. Errors as `step`."""
        while self.step(final=True):
            pass

    def _pass_over(self, error: Exception, before: Positions, piece: _Piece) -> None:
        """Finds the line that no store takes, by shipping ever fewer at once, and leaves it out."""
        if self._lines_at_once > 1:
            self._lines_at_once //= 10
            return
        self.faults.add(f"passed over, no store takes it: {error}")
        after = Positions(report=piece.report_end, console=piece.console.end)
        empty = Shipment(number=self.number, fence=self.fence, worker=self.worker, before=before, after=after)
        self._store.task_outputs.ship(empty)
        self._positions = after

    def _known_positions(self) -> Positions:
        if self._positions is None:
            self._positions = self._store.task_outputs.positions(self.number, self.fence)
        return self._positions

    def _shipment(self, piece: _Piece, before: Positions, after: Positions) -> Shipment:
        harvest = piece.harvest
        return Shipment(
            number=self.number,
            fence=self.fence,
            worker=self.worker,
            before=before,
            after=after,
            curves=piece.lines.curves(),
            console=piece.console.texts,
            console_left_out=piece.console.left_out,
            reports=harvest.reports,
            artifacts=harvest.artifacts,
            parameters=harvest.parameters,
            parameters_yield=self._parameters_yield,
            # A worker runs what the task says: what is found out there would undo an edit.
            source=harvest.checked_out if self._parameters_yield else harvest.source,
            environment={} if self._parameters_yield else harvest.environment,
            add_tags=[tag for tag, there in harvest.tags.items() if there],
            remove_tags=[tag for tag, there in harvest.tags.items() if not there],
            comment=harvest.comment,
            progress=harvest.progress,
            result=harvest.result,
            has_result=harvest.has_result,
        )

    def _read(self, before: Positions, final: bool) -> _Piece:
        lines, harvest = Lines(Faults()), Harvest()
        data = _read_from(self.folder / REPORT_FILE, before.report, REPORT_PIECE_BYTES)
        whole = _whole_lines(data, final=final)
        taken = data[:whole].split(b"\n", self._lines_at_once)
        if len(taken) > self._lines_at_once:
            whole -= len(taken.pop())
        lines.take([line for line in taken if line])
        for record in lines.records:
            harvest.take(record, self.keep, lines.faults)
        console = read_console(self.folder / CONSOLE_FILE, before.console, final=final)
        return _Piece(lines=lines, harvest=harvest, report_end=before.report + whole, console=console)

    def keep(self, file: str) -> tuple[str, int]:
        """Stores a file of the spool: the name of its blob, and its size in bytes. Raises ValueError: it has none."""
        kept = self._kept.get(file)
        if kept is None:
            path = file_in(self.folder, file)
            kept = self._kept[file] = (self._store.blobs.put(path), path.stat().st_size)
        return kept

    def _look_back(self, at: Positions) -> None:
        """Finds how the training ended where that was shipped by another, which did not come to end the task."""
        if self._looked_back or not at.report:
            self._looked_back = True
            return
        self._looked_back = True
        start = max(0, at.report - _END_SEARCHED_BYTES)
        data = _read_from(self.folder / REPORT_FILE, start, at.report - start)
        for line in data.splitlines():
            if b'"meristem"' in line and (b'"ended"' in line or b'"enqueue"' in line):
                with suppress(ValueError, TypeError):
                    record = json.loads(line)
                    if record.get(KIND) == "ended":
                        self.ended = read_ended(record)
                    elif record.get(KIND) == "enqueue":
                        self.remote = read_remote(record)


@dataclass(frozen=True, slots=True)
class ConsolePiece:
    """New console output. `end`: where in the file it ends; `left_out`: bytes before it that are not shipped."""

    texts: tuple[str, ...]
    end: int
    left_out: int = 0


def read_console(path: Path, start: int, *, final: bool = False) -> ConsolePiece:
    """Reads console output from byte `start` on, as text; a character that is not there whole waits, unless `final`.

    What is neither in the first nor in the last `CONSOLE_HALF_BYTES` is not read: the store would not keep it.
    """
    begin = start
    unread = _size(path) - start
    if start >= CONSOLE_HALF_BYTES and unread > CONSOLE_HALF_BYTES + CONSOLE_PIECE_BYTES:
        begin = start + unread - CONSOLE_HALF_BYTES
    data = _read_from(path, begin, CONSOLE_PIECE_BYTES)
    if begin > start:  # not in the middle of a character
        cut = next((i for i, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), 0)
        begin, data = begin + cut, data[cut:]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data, final=final and len(data) < CONSOLE_PIECE_BYTES)
    end = begin + len(data) - len(decoder.getstate()[0])
    texts = tuple(text[i : i + _CHUNK_CHARACTERS] for i in range(0, len(text), _CHUNK_CHARACTERS))
    return ConsolePiece(texts, end, begin - start)


def file_in(folder: Path, file: str) -> Path:
    """The path of a file that a spool names.

    Raises:
        ValueError: It is not there, or lies outside of the spool's files.
    """
    path = folder / file
    inside = path.resolve().is_relative_to(folder.resolve() / FILES_FOLDER)  # which may itself be a link
    if not inside or ".." in Path(file).parts:
        raise ValueError(f"the file {file!r:.100} lies outside of the folder {FILES_FOLDER}/")
    if not path.is_file():
        raise ValueError(f"the file {file!r:.100} is not there")
    return path


def _whole_lines(data: bytes, *, final: bool) -> int:
    """How many of the bytes are whole lines."""
    if final and len(data) < REPORT_PIECE_BYTES:
        return len(data)
    whole = data.rfind(b"\n") + 1
    if not whole and len(data) > LINE_LIMIT_BYTES:  # no line is that long: it is passed over
        return len(data)
    return whole


def _read_from(path: Path, start: int, most: int) -> bytes:
    try:
        # A task may put a link there, to what it may not read but its shipper may, or a pipe that nobody writes.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            return b""
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return b""
    with open(descriptor, "rb") as file:
        file.seek(start)
        return file.read(most)


def _size(path: Path) -> int:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
