"""Writes TensorBoard's event files, without TensorBoard: nothing needs to be installed, and nothing is imported.

An event file is a row of records, each an `Event` protobuf message with its length and checksums (TFRecord). Only
what is needed here is written: scalars, texts, and what the HPARAMS tab asks of a session. Field numbers are those of
event.proto, summary.proto, tensor.proto, struct.proto and TensorBoard's plugins/hparams/plugin_data.proto. Records
are written one by one, so that a file is whole but for the one during which its process was killed.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path

NAME_PART = ".tfevents."
SESSION_START, SESSION_END = "_hparams_/session_start_info", "_hparams_/session_end_info"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of protobuf
_FLOAT, _STRING = 1, 7  # of tensors
_SCALAR_DATA, _TENSOR_DATA = 1, 2  # classes of data
_NO_TENSOR = b"\x08\x01\x12\x04\x12\x02\x08\x00"  # of floats, of shape (0,): a summary that is all metadata
_LARGEST = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]


class SessionStatus(IntEnum):
    """How a session of the HPARAMS tab ended."""

    SUCCESS = 1
    FAILURE = 2


class EventFile:
    """An event file that is being written.

    Args:
        folder: The run's folder, which is what TensorBoard calls the run. It is made.

    Raises:
        OSError: Here and by all methods: it cannot be written. What was written may then end within a record, and
            readers find nothing behind that.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # Readers go through a run's files in order of their names, and never back.
        number = max([int(time.time()), *(_number(path) + 1 for path in event_files(folder))])
        self.path = folder / f"events.out{NAME_PART}{number:010d}.meristem"
        self._file = open(self.path, "xb", buffering=0)  # noqa: SIM115  held open while the trial runs
        self._write(_text(3, "brain.Event:2"), at=time.time())

    def scalar(self, tag: str, value: float, *, step: int, at: float) -> None:
        """One value of a curve; `at` is in seconds since the epoch. It is kept with 24 bits of precision."""
        summary = _text(1, tag) + _key(2, _FIXED32) + _float32(value) + _metadata("scalars", b"", _SCALAR_DATA)
        self._write(_integer(2, step) + _bytes(5, _bytes(1, summary)), at=at)

    def text(self, tag: str, markdown: str, *, at: float) -> None:
        """A text, which TensorBoard shows as Markdown."""
        tensor = _integer(1, _STRING) + _bytes(2, b"") + _text(8, markdown)
        summary = _text(1, tag) + _bytes(8, tensor) + _metadata("text", b"", _TENSOR_DATA)
        self._write(_bytes(5, _bytes(1, summary)), at=at)

    def session_start(self, hparams: Mapping[str, float | bool | str], *, group: str, at: float) -> None:
        """That a training with these hyperparameters has begun; sessions of one group are shown as one."""
        values = b"".join(_bytes(1, _text(1, name) + _bytes(2, _value(value))) for name, value in hparams.items())
        content = _bytes(3, values + _text(4, group) + _double(5, at))
        self._write(_session(SESSION_START, content), at=at)

    def session_end(self, status: SessionStatus, *, at: float) -> None:
        """That it has ended."""
        self._write(_end(status, at), at=at)

    def close(self) -> None:
        """May be repeated."""
        self._file.close()

    def _write(self, event: bytes, *, at: float) -> None:
        record = _record(_double(1, at) + event)
        written = self._file.write(record)
        if written != len(record):
            raise OSError(f"only {written} of {len(record)} bytes could be written to {self.path}")


def event_files(folder: Path) -> list[Path]:
    """The event files that were written here into a folder, in order."""
    return sorted(folder.glob(f"events.out{NAME_PART}*.meristem"))


def is_complete(path: Path) -> bool:
    """Whether an event file has been told the end of its session, after which nothing follows."""
    size = len(_record(_double(1, 0.0) + _end(SessionStatus.SUCCESS, 0.0)))  # whatever its values
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        tail = file.read()
    return SESSION_END.encode() in tail and _record(tail[12:-4]) == tail


def _number(path: Path) -> int:
    part = path.name.split(".")[3]
    return int(part) if part.isdigit() else 0


def _session(tag: str, content: bytes) -> bytes:
    summary = _text(1, tag) + _bytes(8, _NO_TENSOR) + _metadata("hparams", content, _TENSOR_DATA)
    return _bytes(5, _bytes(1, summary))


def _end(status: SessionStatus, at: float) -> bytes:
    return _session(SESSION_END, _bytes(4, _integer(1, status) + _double(2, at)))


# Protobuf: a message is a row of fields, each behind its number and wire type.


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1  # negative ones as two's complement
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _integer(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _key(field, _FIXED64) + struct.pack("<d", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _key(field, _BYTES) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode("utf-8", "replace"))


def _float32(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:  # finite, and too large for 32 bits
        return struct.pack("<f", _LARGEST if value > 0 else -_LARGEST)


def _metadata(plugin: str, content: bytes, data_class: int) -> bytes:
    return _bytes(9, _bytes(1, _text(1, plugin) + _bytes(2, content)) + _integer(4, data_class))


def _value(value: float | bool | str) -> bytes:
    if isinstance(value, bool):
        return _integer(4, value)
    return _text(3, value) if isinstance(value, str) else _double(2, value)


# TFRecord: length and data, each with its checksum: CRC-32C (Castagnoli), masked since data may hold checksums too.


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _masked_checksum(length) + data + _masked_checksum(data)


def _table() -> tuple[int, ...]:
    found = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        found.append(byte)
    return tuple(found)


_TABLE = _table()


def _masked_checksum(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
