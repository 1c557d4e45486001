"""numpy's files: shapes, types and statistics; never by pickle."""

from __future__ import annotations

import io
import math
import zipfile
from typing import Any

import numpy as np
from numpy.lib import format as npy

from meristem.datasets.previews.columns import column_of_numbers
from meristem.datasets.previews.limits import Limits
from meristem.datasets.previews.preview import Array, FileKind, FilePreview
from meristem.datasets.previews.source import Source, TooMuch

_MOST_VALUES = 1_000_000  # over which statistics are made, as float64
_MOST_ARRAYS = 10
_LONGEST_NAME = 80


def preview_npy(source: Source) -> FilePreview:
    """One array."""
    array = _array("", source.start, source.size)
    notes = (array.note,) if array.note else ()
    return source.of_whole(FileKind.ARRAYS, "NumPy", arrays=(array,), notes=notes)


def preview_npz(source: Source, limits: Limits) -> FilePreview:
    """The arrays of an archive, the first of them with statistics."""
    try:
        archive = zipfile.ZipFile(source.file())
    except (zipfile.BadZipFile, TooMuch, OSError, ValueError, NotImplementedError) as error:
        return source.of_whole(FileKind.BINARY, "NumPy archive", notes=(f"It cannot be opened: {_told(error)}.",))
    with archive:
        members = archive.infolist()
        arrays = []
        left = limits.whole_bytes
        for member in members[:_MOST_ARRAYS]:
            array, used = _member(archive, member, max(left // 2, 1 << 16))
            left -= used
            arrays.append(array)
    more = len(members) - len(arrays)
    notes = (f"{more:,} further arrays.",) if more else ()
    return source.of_whole(
        FileKind.ARRAYS, "NumPy archive", arrays=tuple(arrays), facts=(("arrays", len(members)),), notes=notes
    )


def preview_zip(source: Source) -> FilePreview:
    """The names in an archive, which is not unpacked."""
    try:
        with zipfile.ZipFile(source.file()) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, TooMuch, OSError, ValueError, NotImplementedError) as error:
        return source.of_whole(FileKind.BINARY, "Zip", notes=(f"It cannot be opened: {_told(error)}.",))
    facts = (("files", len(members)), ("unpacked bytes, as it says", sum(member.file_size for member in members)))
    return source.of_whole(FileKind.BINARY, "Zip", facts=facts, lines=tuple(m.filename[:200] for m in members[:20]))


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> tuple[Array, int]:
    name = member.filename.removesuffix(".npy")[:_LONGEST_NAME]
    try:
        with archive.open(member) as file:
            start = file.read(most)
    except Exception as error:  # encrypted, of an unknown method, broken: each by another error of zipfile
        return Array(name=name, shape=(), dtype="", note=f"It cannot be read: {_told(error)}."), 0
    return _array(name, start, max(member.file_size, len(start))), len(start)


def _array(name: str, start: bytes, size: int) -> Array:
    file = io.BytesIO(start)
    try:
        shape, dtype = _header(file)
    except Exception as error:  # a header is Python's literal of anything
        return Array(name=name, shape=(), dtype="", note=f"It is no NumPy array: {_told(error)}.")
    told: dict[str, Any] = {
        "name": name,
        "shape": tuple(min(max(0, n), 2**63) for n in shape[:32]),
        "dtype": str(dtype)[:200],
    }
    if dtype.hasobject:
        return Array(**told, note="It holds Python objects (pickle), which are not opened.")
    if dtype.kind not in "biuf" or not dtype.itemsize:
        return Array(**told, note="" if dtype.kind in "USVMmc" else "No statistics for this type.")
    count = math.prod(shape)
    have = min(count, (len(start) - file.tell()) // dtype.itemsize)
    note = "" if have == count else _missing(have, count, len(start), size)
    if have <= 0:
        return Array(**told, note=note)
    values = np.frombuffer(start, dtype=dtype, count=have, offset=file.tell())
    step = -(-have // _MOST_VALUES)
    with np.errstate(all="ignore"):  # long doubles may not fit
        sample = values[::step].astype(np.float64)
    known = {"name": name, "count": int((~np.isnan(sample)).sum()), "missing": int(np.isnan(sample).sum())}
    return Array(**told, values=column_of_numbers(sample, whole=dtype.kind in "biu", known=known), step=step, note=note)


def _header(file: io.BytesIO) -> tuple[tuple[int, ...], Any]:
    version = npy.read_magic(file)
    if version == (1, 0):
        return npy.read_array_header_1_0(file)[::2]
    if version == (2, 0):
        return npy.read_array_header_2_0(file)[::2]
    # Version 3 differs from 2 by UTF-8 names, which only tables of named fields have.
    raise ValueError(f"format {version[0]}.{version[1]} is not known here")


def _missing(have: int, count: int, read: int, size: int) -> str:
    if read < size:
        return f"Statistics are over its first {have:,} of {count:,} values only: it is large."
    return f"It is cut off: {have:,} of {count:,} values are there."


def _told(error: BaseException) -> str:
    return "its directory is too large" if isinstance(error, TooMuch) else str(error)[:100] or type(error).__name__
