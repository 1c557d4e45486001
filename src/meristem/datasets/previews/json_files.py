"""JSON and JSON lines: arrays of objects as tables, everything else by its shape.

The top level is read item by item, so that the head of a large file is enough, and so that no document is in memory
as objects, which take many times its size.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from meristem.datasets.previews.encoding import Encoding
from meristem.datasets.previews.limits import Limits
from meristem.datasets.previews.preview import FileKind, FilePreview
from meristem.datasets.previews.source import Source
from meristem.datasets.previews.tables import TableGathering
from meristem.datasets.previews.wording import counted, cut

_MOST_MEMORY = 80_000_000  # bytes that one item might take as objects
_BRACKET, _COMMA_COST = 100, 60
_SMALL = 1 << 19
_NAMED_BY = 100  # items whose keys become the columns
_MOST_KEYS = 50
_DEEPEST = 6
_ONLY_HEAD = "Only its head was read: the file is large."
_SPACE = re.compile(r"[\s]*")
_COMMA = re.compile(r"\s*,\s*")
_COLON = re.compile(r"\s*:\s*")
_BEGUN = re.compile(r"\s*(?:tr?u?|fa?l?s?|nu?l?|-|[.eE][+-]?)?\s*\Z")  # what may be left of a value at a text's end
_DECODER = json.JSONDecoder()


class Broken(Exception):
    """The text is no JSON from here on."""


def preview_json(source: Source, encoding: Encoding, limits: Limits) -> FilePreview:
    """A JSON document; where it turns out to be JSON lines, those."""
    read = _read(source, encoding)
    text = read.text
    start = _spaces_end(text, 0)
    if start == len(text):
        return source.of_whole(FileKind.EMPTY, "JSON", notes=(*read.notes, "It is empty."))
    if text[start] == "{" and _has_lines(text):
        return preview_json_lines(source, encoding, limits)
    if text[start] == "[":
        return _of_items(source, "JSON", _items(read, start), limits, read)
    if text[start] == "{":
        return _of_members(source, read, start)
    try:
        value, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        raise Broken(_told(error)) from error
    _note_more(read, end)
    return source.of_whole(FileKind.JSON, "JSON", facts=(("value", short_json(value, 200)),), notes=tuple(read.notes))


def preview_json_lines(source: Source, encoding: Encoding, limits: Limits) -> FilePreview:
    """One document a line."""
    read = _read(source, encoding)
    return _of_items(source, "JSON lines", _line_items(read), limits, read)


def short_json(value: Any, longest: int, depth: int = 0) -> str:
    """A value as JSON, cut; what lies deep in it is left out."""
    if isinstance(value, str):
        return json.dumps(value[:longest], ensure_ascii=False)
    if isinstance(value, (dict, list)) and value and depth >= _DEEPEST:
        return "{…}" if isinstance(value, dict) else "[…]"
    if isinstance(value, (dict, list)):
        ends = "{}" if isinstance(value, dict) else "[]"
        found, length = [], 0
        for item in value.items() if isinstance(value, dict) else value:
            if length > longest:
                break
            text = short_json(item[1] if ends == "{}" else item, longest, depth + 1)
            found.append(f"{short_json(item[0], longest)}:{text}" if ends == "{}" else text)
            length += len(found[-1]) + 1
        return cut(ends[0] + ",".join(found) + ends[1], longest)
    return cell_text(value) if value is not None else "null"


def cell_text(value: Any) -> str:
    """A JSON value as a table's cell; null is missing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return repr(value)
    return short_json(value, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What was read: text, which part of the file that is, and what was wrong with it."""

    text: str
    share: float
    notes: list[str]

    @property
    def whole(self) -> bool:
        return self.share >= 1.0


def _read(source: Source, encoding: Encoding) -> _Read:
    start = source.start
    costs = _BRACKET * (start.count(b"{") + start.count(b"[")) + _COMMA_COST * start.count(b",")
    kept = start if costs <= _MOST_MEMORY else start[:_SMALL]
    share = 1.0 if source.whole and len(kept) == len(start) else min(0.999, len(kept) / max(1, source.size))
    notes = [encoding.note] if encoding.note else []
    return _Read(text=kept.decode(encoding.name, errors="replace"), share=share, notes=notes)


def _has_lines(text: str) -> bool:
    """Whether the first lines are documents of their own."""
    lines = [line for line in text[:100_000].split("\n")[:4] if line.strip()]
    return len(lines) >= 2 and all(line.lstrip().startswith("{") and line.rstrip().endswith("}") for line in lines[:2])


def _items(read: _Read, start: int) -> Iterator[Any]:
    """The items of an array, as far as there are whole ones."""
    text = read.text
    place = _spaces_end(text, start + 1)
    if text[place : place + 1] == "]":
        return _note_end(read, place, "]")
    while True:
        try:
            item, place = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            return _note_stop(read, place, error)
        yield item
        comma = _COMMA.match(text, place)
        if comma is None:
            return _note_end(read, place, "]")
        place = comma.end()


def _line_items(read: _Read) -> Iterator[Any]:
    text, whole = read.text, read.whole
    broken, first, place, number = 0, "", 0, 0
    while place < len(text):
        end = text.find("\n", place)
        if end < 0 and not whole and place:
            break
        line, place = text[place : end if end >= 0 else len(text)].strip(), (end if end >= 0 else len(text)) + 1
        number += 1
        if not line:
            continue
        try:
            yield json.loads(line)
        except (ValueError, RecursionError) as error:
            broken += 1
            first = first or f"line {number:,}, {_told(error)}"
    if broken:
        read.notes.append(f"{counted(broken, 'line is', 'lines are')} no JSON: {first}.")


def _of_items(source: Source, format: str, items: Iterator[Any], limits: Limits, read: _Read) -> FilePreview:
    first = [item for _, item in zip(range(_NAMED_BY), items, strict=False)]
    if first and all(isinstance(item, dict) for item in first):
        return _of_objects(source, format, first, items, limits, read)
    count, kinds = len(first), Counter(map(_kind, first))
    shown = tuple(short_json(item, 200) for item in first[:10])
    for item in items:
        count += 1
        kinds[_kind(item)] += 1
    facts = (("items", count), ("kinds", ", ".join(f"{kind} ({n:,})" for kind, n in kinds.most_common())))
    notes = read.notes if read.whole else [*read.notes, _ONLY_HEAD]
    told = tuple(notes) if count or notes else ("It has no items.",)
    return source.of_whole(FileKind.JSON, format, facts=facts if count else (), lines=shown, notes=told)


def _of_objects(
    source: Source, format: str, first: list[Any], items: Iterator[Any], limits: Limits, read: _Read
) -> FilePreview:
    names = list(dict.fromkeys(key for item in first for key in item))
    later: Counter[str] = Counter()
    known, shown = frozenset(names), names[: limits.columns]
    table = TableGathering(shown, limits)
    others = 0

    def row(item: Any) -> list[str]:
        if len(later) < 1000:
            later.update(key for key in item if key not in known)
        return [cell_text(item.get(name)) for name in shown]

    def objects() -> Iterator[Any]:
        nonlocal others
        for item in items:
            if isinstance(item, dict):
                yield item
            else:
                others += 1

    table.extend(map(row, first))
    table.extend(map(row, objects()))
    notes, whole = read.notes, read.whole and not table.full
    found = replace(table.table(whole=whole, share=read.share), width=len(names))
    if others:
        notes.append(f"{counted(others, 'item is', 'items are')} no objects.")
    if later:
        example = cut(next(iter(later)), 40)
        notes.append(f"Later objects have {counted(len(later), 'further key')}, such as {example!r}.")
    if len(names) > len(shown):
        notes.append(f"Shown are the first {len(shown)} of {len(names):,} columns.")
    if not whole:
        notes.append(f"Statistics are over its first {counted(found.seen, 'row')} only: the file is large.")
    return source.of_whole(FileKind.TABLE, format, table=found, notes=tuple(notes))


def _of_members(source: Source, read: _Read, start: int) -> FilePreview:
    members: list[tuple[str, Any]] = []
    count = 0
    for name, value in _members(read, start):
        count += 1
        if len(members) < _MOST_KEYS:
            members.append((cut(name, 60), _shape(value)))
    notes = read.notes if read.whole else [*read.notes, _ONLY_HEAD]
    facts = (("keys", count if read.whole else f"at least {count:,}"), *members)
    notes += [f"Shown are the first {_MOST_KEYS} of {count:,} keys."] if count > _MOST_KEYS else []
    return source.of_whole(FileKind.JSON, "JSON", facts=facts, notes=tuple(notes))


def _members(read: _Read, start: int) -> Iterator[tuple[str, Any]]:
    """The members of an object, as far as there are whole ones."""
    text = read.text
    place = _spaces_end(text, start + 1)
    if text[place : place + 1] == "}":
        return _note_end(read, place, "}")
    while True:
        try:
            name, end = _DECODER.raw_decode(text, place)
            colon = _COLON.match(text, end)
            if not isinstance(name, str) or colon is None:
                raise json.JSONDecodeError("a key or a colon is missing", text, _spaces_end(text, end))
            value, place = _DECODER.raw_decode(text, colon.end())
        except (ValueError, RecursionError) as error:
            return _note_stop(read, place, error)
        yield name, value
        comma = _COMMA.match(text, place)
        if comma is None:
            return _note_end(read, place, "}")
        place = comma.end()


def _note_stop(read: _Read, place: int, error: Exception) -> None:
    """Notes why there is no whole item at `place`; what was not read at all is no mistake of the file."""
    if read.whole or isinstance(error, RecursionError):
        told = "the file ends in the middle" if _is_cut_off(error) else _told(error)
        read.notes.append(f"Read only up to character {place:,}: {told}.")


def _note_end(read: _Read, place: int, closing: str) -> None:
    """Notes what is wrong after the last item, which ends at `place`."""
    end = _spaces_end(read.text, place)
    if not read.whole:
        return
    if end == len(read.text):
        read.notes.append(f"Read only up to character {end:,}: the file ends in the middle.")
    elif read.text[end] != closing:
        what = "array" if closing == "]" else "object"
        read.notes.append(f"Read only up to character {end:,}: a comma or the {what}'s end is missing.")
    else:
        _note_more(read, end + 1)


def _note_more(read: _Read, end: int) -> None:
    if read.whole and _spaces_end(read.text, end) < len(read.text):
        read.notes.append(f"Read only up to character {end:,}: the document ends there, the file does not.")


def _is_cut_off(error: Exception) -> bool:
    """Whether nothing is wrong but that the text ends."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated") or _BEGUN.match(error.doc, error.pos) is not None


def _spaces_end(text: str, place: int) -> int:
    return _SPACE.match(text, place).end()  # type: ignore[union-attr]


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return f"object of {counted(len(value), 'key')}: {short_json(value, 60)}"
    if isinstance(value, list):
        kinds = " and ".join(sorted(set(map(_kind, value[:1000]))))
        return f"array of {len(value):,}{f' ({kinds})' if kinds else ''}: {short_json(value, 60)}"
    return short_json(value, 80)


def _kind(value: Any) -> str:
    names = {dict: "object", list: "array", str: "text", bool: "bool", int: "number", float: "number"}
    return names.get(type(value), "null")


def _told(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return getattr(error, "msg", "") or cut(str(error), 80)
