"""Reads the text of a study file: its data, and the line of every value, for errors that say where.

YAML 1.2 without its dangers (no tags, no expanding aliases beyond measure), or JSON. It knows nothing
of studies and raises nothing but StudyFileError.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from meristem.errors import StudyFileError

MOST_BYTES = 10_000_000
MOST_VALUES = 100_000  # also what keeps aliases of aliases of aliases from filling the memory
DEEPEST = 60

Place = tuple[Any, ...]
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Plain data and where it stands.

    Attributes:
        lines: The line (from 1) of each key and item, by its path from the top.
        problems: Line and sentence of what could not be read; the data is complete apart from that.
    """

    data: Any
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)

    def line(self, *place: Any) -> int:
        """The line of what stands at `place`, or of the nearest thing around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_text(path: Path) -> str:
    """The text of a study file.

    Raises:
        StudyFileError: It is missing, a folder, too large, unreadable or not UTF-8.
    """
    try:
        if path.is_dir():
            raise StudyFileError(f"{path} is a folder.", fix="Give the study file in it.")
        if path.stat().st_size > MOST_BYTES:
            raise StudyFileError(f"{path} is larger than {MOST_BYTES // 10**6} MB.", fix="Is it a study file?")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise StudyFileError(
            f"There is no file {path}.", fix="Write an example to start from with: meristem init"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise StudyFileError(f"{path}:{line}: is not UTF-8 text.", fix="Save it as UTF-8.") from error
    except (OSError, ValueError) as error:
        raise StudyFileError(f"{str(path)!r} cannot be read: {error}.") from error


def read_located(text: str, shown: str, *, as_json: bool = False) -> Located:
    """The data of `text` with its lines.

    Raises:
        StudyFileError: It is no YAML (or JSON), is empty, or is nested beyond measure.
    """
    if as_json:
        _check_json(text, shown)
        # A tab is no space to YAML; inside of JSON strings it can only stand escaped.
        text = text.replace("\t", " ")
    node = _compose(text, shown)
    if node is None:
        raise StudyFileError(f"{shown} is empty.", fix="Write an example to start from with: meristem init")
    reader = _Reader()
    try:
        data = reader.value(node, ())
    except _TooMuch as error:
        raise StudyFileError(f"{shown}:{error.line}: {error}") from error
    return Located(data=data, lines=reader.lines, problems=reader.problems)


def _check_json(text: str, shown: str) -> None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise StudyFileError(f"{shown}:{error.lineno}: is not JSON: {error.msg}.") from error
    except (ValueError, RecursionError) as error:
        raise StudyFileError(f"{shown} cannot be read as JSON: {error}.") from error


def _compose(text: str, shown: str) -> Node | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor that is used twice
            node: Node | None = YAML(typ="safe", pure=True).compose(text)
            return node
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark is not None else ""
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise StudyFileError(f"{shown}{line}: is not YAML: {said}.", fix=_fix(said)) from error
    except Exception as error:  # on hostile text the parser raises anything, RecursionError included
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).split("\n")[0]
        raise StudyFileError(f"{shown} is not YAML: {reason or type(error).__name__}.") from error


def _fix(said: str) -> str:
    if "\\t" in said or "'%'" in said or "'@'" in said or "'`'" in said:
        return "Indent with spaces, and put text with special characters between quotes."
    if "mapping values are not allowed" in said:
        return "Put text that holds ': ' between quotes, and align keys of one section."
    return ""


class _TooMuch(Exception):
    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


class _Reader:
    """Turns nodes into plain values, and notes lines and what is wrong."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self.problems: list[tuple[int, str]] = []
        self._values = 0

    def value(self, node: Node, place: Place) -> Any:
        line = _line(node)
        self.lines.setdefault(place, line)
        self._values += 1
        if self._values > MOST_VALUES:
            raise _TooMuch(f"holds more than {MOST_VALUES:,} values.", line)
        if len(place) > DEEPEST:
            raise _TooMuch(f"is nested more than {DEEPEST} deep (or an alias holds itself).", line)
        if isinstance(node, MappingNode):
            return self._mapping(node, place)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*place, index)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: MappingNode, place: Place) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            if not isinstance(key_node, ScalarNode):
                self.problems.append((line, "a key must be a plain name"))
                continue
            key = key_node.value if _kind(key_node) == "merge" else self._scalar(key_node)
            if key in found:
                before = self.lines.get((*place, key), line)
                self.problems.append((line, f"{key!r:.80} stands here twice (first in line {before})"))
                continue
            self.lines[(*place, key)] = line
            found[key] = self.value(value_node, (*place, key))
        return found

    def _scalar(self, node: Node) -> Any:
        text, kind = str(node.value), _kind(node)
        try:
            return _SCALARS.get(kind, str)(text)
        except ValueError:
            self.problems.append((_line(node), f"{text[:60]!r} is not a usable {kind}"))
            return text


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _kind(node: Node) -> str:
    return str(node.tag or "").removeprefix(_TAG)


def _int(text: str) -> int:
    plain = text.replace("_", "").lower()
    digits = plain.lstrip("+-")
    base = {"0x": 16, "0o": 8, "0b": 2}.get(digits[:2], 10)
    return int(plain, base)


def _float(text: str) -> float:
    return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: dict[str, Any] = {
    "null": lambda _text: None,
    "bool": lambda text: text.lower() == "true",
    "int": _int,
    "float": _float,
}
