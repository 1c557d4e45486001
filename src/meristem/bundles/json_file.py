"""Reads and writes JSON files such as config_train.json: with line and column of every mistake, and never by halves.

The one file of this room that touches files.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meristem.bundles.places import Place, shown
from meristem.errors import InputError, MeristemError

DEEPEST = 100  # more than any training configuration, and far less than what Python's stack takes
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]', re.DOTALL)


def read_json(path: str | Path) -> dict[str, Any]:
    """The object that the file holds.

    Raises:
        InputError: It is missing, a folder, unreadable, not UTF-8, not JSON, no object at its top, nested beyond
            measure, or has keys twice in one object; says where, and what to do.
    """
    path = Path(path)
    return parse_json(_read_text(path), str(path))


def parse_json(text: str, source: str) -> dict[str, Any]:
    """The object that the text is; see `read_json`."""
    if not text.strip():
        raise InputError(f"{source} is empty.", fix="It must hold a JSON object: { … }.")
    repeated: list[str] = []
    try:
        data = json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, repeated))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{source}:{error.lineno}:{error.colno}: is not JSON: {_said(error)}.", fix=_advice(error)
        ) from error
    except RecursionError as error:
        raise InputError(f"{source} is nested more than {DEEPEST} deep.") from error
    except ValueError as error:  # an integer of thousands of digits
        raise InputError(f"{source} cannot be read as JSON: {error}.") from error
    if repeated:
        raise InputError(
            f"{source} has keys twice in one object", _repeated_keys(text, source), fix="Keep one of each."
        )
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else "a single value"
        raise InputError(f"{source} holds {kind}.", fix="It must hold a JSON object: { … }.")
    if _depth(data) > DEEPEST:
        raise InputError(f"{source} is nested more than {DEEPEST} deep.")
    return data


def write_json(path: str | Path, data: Mapping[str, Any]) -> None:
    """Writes the object, all or nothing: who reads meanwhile sees the old file or the new one.

    Equal data gives equal bytes; keys stay in their order. A link at `path` is replaced by a file of its own, so that
    what it leads to is not changed.

    Raises:
        MeristemError: It cannot be written; nothing is left behind.
    """
    path = Path(path)
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    try:
        content = text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair has no UTF-8, but an escape
        content = (json.dumps(data, indent=2) + "\n").encode()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write_through(temporary, content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise MeristemError(f"{path} cannot be written: {error.strerror or error}.") from error


def _write_through(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # a rename may reach the disk before what it names


def _read_text(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{path} is a folder.", fix="Give the JSON file in it.")
        if not stat.S_ISREG(mode):
            raise InputError(f"{path} is no regular file.", fix="Give a JSON file.")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        near = path.parent
        fix = "Check the name." if near.is_dir() else f"There is no folder {near}, either."
        raise InputError(f"There is no file {path}.", fix=fix) from error
    except PermissionError as error:
        raise InputError(f"{path} may not be read.", fix=f"Give yourself the right: chmod u+r '{path}'") from error
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        column = error.start - before.rfind(b"\n")
        line = before.count(b"\n") + 1
        raise InputError(f"{path}:{line}:{column}: is not UTF-8 text.", fix="Save it as UTF-8.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read: {error}.") from error


def _object(pairs: list[tuple[str, Any]], repeated: list[str]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated.append("")
    return found


def _said(error: json.JSONDecodeError) -> str:
    return error.msg[:1].lower() + error.msg[1:]


def _advice(error: json.JSONDecodeError) -> str:
    rest = error.doc[error.pos : error.pos + 20].lstrip()
    before = error.doc[: error.pos].rstrip()
    if not rest:
        return "It ends too early: a } or ] is missing, or the file was cut off."
    if rest.startswith(("//", "/*", "#")):
        return 'JSON has no comments; park text under a key such as "_comment".'
    if (before.endswith(",") and rest[0] in "}]") or "railing comma" in error.msg:
        return "Take the last comma away."
    if rest[0] == "'":
        return 'Text and keys stand in double quotes: "…".'
    if rest.startswith(("True", "False", "None")):
        return "Write true, false or null."
    return "See what stands there, and just before it."


def _depth(data: Any) -> int:
    depth, level = 0, [data]
    while level and depth <= DEEPEST:
        depth += 1
        inner = [item.values() if isinstance(item, dict) else item for item in level]
        level = [value for values in inner for value in values if isinstance(value, (dict, list))]
    return depth


def _repeated_keys(text: str, source: str) -> list[str]:
    """Where keys stand twice, from the tokens of the text; slow, and called only where there are some."""
    problems: list[str] = []
    stack: list[_Frame] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in "{[":
            stack.append(_Frame(is_object=token == "{"))
        elif token in "}]":
            stack.pop()
        elif token == "," or token == ":":
            stack[-1].move_on(token)
        elif stack and stack[-1].wants_key:
            key = json.loads(token, strict=False)
            if (first := stack[-1].seen.setdefault(key, match.start())) != match.start():
                place: Place = (*(frame.here for frame in stack[:-1]), key)
                at, before = _line_column(text, match.start()), _line_column(text, first)
                problems.append(f"{source}:{at}: {shown(place)} stands here again (first at {before})")
            stack[-1].key = key
    return problems


class _Frame:
    """One object or list around a token."""

    def __init__(self, *, is_object: bool) -> None:
        self.is_object, self.wants_key = is_object, is_object
        self.seen: dict[str, int] = {}
        self.key, self.index = "", 0

    def move_on(self, token: str) -> None:
        self.wants_key = self.is_object and token == ","
        self.index += token == ","

    @property
    def here(self) -> str | int:
        return self.key if self.is_object else self.index


def _line_column(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    return f"{text.count(chr(10), 0, position) + 1}:{position - start + 1}"
