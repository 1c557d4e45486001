"""Makes previews: what names and sizes say, and the inside of some files."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace

from meristem.datasets.previews import kinds
from meristem.datasets.previews.arrays import preview_npy, preview_npz, preview_zip
from meristem.datasets.previews.delimited import is_table, preview_delimited, sniff
from meristem.datasets.previews.encoding import Encoding, encoding_of
from meristem.datasets.previews.fitting import fit
from meristem.datasets.previews.images import preview_image
from meristem.datasets.previews.json_files import Broken, preview_json, preview_json_lines
from meristem.datasets.previews.limits import Allowance, Limits
from meristem.datasets.previews.parquet import preview_parquet
from meristem.datasets.previews.preview import FileKind, FilePreview, Preview
from meristem.datasets.previews.source import Read, Source, Unpacked
from meristem.datasets.previews.survey import suffix_of, survey
from meristem.datasets.previews.text_files import preview_text

_PEEK = 65_536
_DEFAULT = Limits()


def make_preview(entries: Iterable[tuple[str, int]], read: Read, limits: Limits = _DEFAULT) -> Preview:
    """What files look like.

    Args:
        entries: Paths and sizes of files; read once.
        read: Gives bytes of one of them: path, start, length.

    Returns:
        Depends on paths, sizes and bytes alone. What is wrong with a file, or failed in `read`, stands in its notes.
    """
    known = survey(entries, limits)
    allowance = Allowance(limits)
    previews = tuple(preview_file(path, size, read, allowance) for path, size in known.chosen)
    return fit(
        Preview(
            files=known.files,
            bytes=known.bytes,
            suffixes=known.suffixes,
            other_suffixes=known.other_suffixes,
            largest=known.largest,
            sizes=known.sizes,
            previews=previews,
        ),
        limits.json_bytes,
    )


def preview_file(path: str, size: int, read: Read, allowance: Allowance) -> FilePreview:
    """One file, within what others have left of the limits."""
    if size == 0:
        return FilePreview(path=path, size=0, kind=FileKind.EMPTY)
    source = Source(path, size, read, allowance.bytes_for(size))
    try:
        with warnings.catch_warnings(action="ignore"):  # libraries warn of what broken files hold
            found = _looked_at(source, suffix_of(path), allowance.limits(), allowance)
    except Exception as error:  # a preview is a help: whatever a file does to it, its version is made
        wrong = f"It cannot be shown: {type(error).__name__}: {str(error)[:120]}."
        return source.of_whole(FileKind.BINARY, "", notes=(wrong,))
    if found.table is not None:
        allowance.take_cells(found.table.seen * len(found.table.columns))
    return found


def _looked_at(source: Source, suffix: str, limits: Limits, allowance: Allowance) -> FilePreview:
    start = source.peek(_PEEK)
    found, said = kinds.magic_of(start), kinds.named(suffix)
    preview = _by_magic(source, found, suffix, limits, allowance)
    if preview is None:
        preview = _by_text(source, suffix, start, limits, found)
    if said and said != found:
        really = found or ("text" if preview.kind is not FileKind.BINARY else "something else")
        return _noted(preview, f"Its name says {said}, but it is {really}.")
    if found and suffix.partition(".")[0] in {*kinds.TABLES, *kinds.JSON, *kinds.LINES} and found != "gzip":
        return _noted(preview, f"Its name says {suffix.upper()}, but it is {found}.")
    return preview


def _by_magic(source: Source, found: str, suffix: str, limits: Limits, allowance: Allowance) -> FilePreview | None:
    if found in kinds.IMAGES:
        return preview_image(source, found, limits, allowance)
    if found == "Parquet":
        return preview_parquet(source, limits)
    if found == "NumPy":
        return preview_npy(source)
    if found == "Zip":
        return preview_npz(source, limits) if suffix == "npz" else preview_zip(source)
    if found == "gzip":
        return _unpacked(source, suffix, limits, allowance)
    return None


def _unpacked(source: Source, suffix: str, limits: Limits, allowance: Allowance) -> FilePreview:
    """Text inside of gzip; other things in it are not looked at."""
    most = allowance.bytes_for(limits.whole_bytes)
    try:
        inside = Unpacked(source, most)
    except ValueError as error:
        return source.of_whole(FileKind.BINARY, "gzip", notes=(f"It cannot be unpacked: {error}.",))
    allowance.give_back(most - inside.size)
    start = inside.peek(_PEEK)
    preview = _by_text(inside, suffix.removesuffix(".gz") if suffix != "gz" else "", start, limits, "")
    told = replace(preview, path=source.path, size=source.size, format=f"{preview.format} in gzip")
    return told if inside.whole or preview.table else _noted(told, "Only its first part was unpacked.")


def _by_text(source: Source, suffix: str, start: bytes, limits: Limits, found: str) -> FilePreview:
    encoding = encoding_of(start) if not found else None
    if encoding is None:
        return _binary(source, suffix, start, found)
    encoding = encoding_of(source.start) or encoding
    if suffix in kinds.TABLES:
        return preview_delimited(source, encoding, limits, sniff(source, encoding, tuple(kinds.TABLES[suffix])))
    try:
        if suffix in kinds.LINES:
            return preview_json_lines(source, encoding, limits)
        if suffix in kinds.JSON:
            return preview_json(source, encoding, limits)
    except Broken as error:
        return preview_text(source, encoding, limits, (f"Its name says JSON, but it is none: {error}.",))
    return _maybe_table(source, suffix, encoding, limits)


def _maybe_table(source: Source, suffix: str, encoding: Encoding, limits: Limits) -> FilePreview:
    if suffix in kinds.MAYBE_TABLES:
        dialect = sniff(source, encoding)
        lines = source.peek(_PEEK).count(b"\n")
        if is_table(dialect, lines):
            return preview_delimited(source, encoding, limits, dialect)
    return preview_text(source, encoding, limits)


def _binary(source: Source, suffix: str, start: bytes, found: str) -> FilePreview:
    if kinds.is_pickle(suffix, start) and not found:
        note = "It is not opened: reading a pickle runs what it says."
        return source.of_whole(FileKind.BINARY, "Pickle", notes=(note,))
    notes = () if found or suffix not in {*kinds.TABLES, *kinds.JSON, *kinds.LINES} else ("It holds no text.",)
    return source.of_whole(FileKind.BINARY, found or "Binary", notes=notes)


def _noted(preview: FilePreview, note: str) -> FilePreview:
    return replace(preview, notes=(note, *preview.notes))
