"""What is logged of a trial, within what MLflow takes: names, lengths, times in milliseconds. Pure."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Limits of mlflow/utils/validation.py; a tag's is that of older servers.
LONGEST_NAME, LONGEST_PARAM, LONGEST_TAG = 250, 6000, 5000
STUDY = 0  # the number of the entry that is the study's
ENDED = frozenset({"FINISHED", "FAILED", "KILLED"})  # of MLflow's run statuses
_NOT_TAKEN = re.compile(r"[^\w.\-/ :]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value of a metric.

    Attributes:
        at_ms: Milliseconds since the epoch. MLflow takes a point that is logged again as the same only if it is equal
            in all, so it must not be the time of logging.
    """

    key: str
    value: float
    step: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """News of one trial, or of the study.

    Attributes:
        status: One of MLflow's run statuses; None: as before.
    """

    number: int
    status: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    started_ms: int | None = None
    ended_ms: int | None = None

    def then(self, later: Entry) -> Entry:
        """Both as one."""
        return Entry.joined([self, later])

    @classmethod
    def joined(cls, entries: Sequence[Entry]) -> Entry:
        """All as one; what comes later counts more."""
        return cls(
            number=entries[0].number,
            status=next((e.status for e in reversed(entries) if e.status), None),
            params={name: value for e in entries for name, value in e.params.items()},
            points=tuple(point for e in entries for point in e.points),
            tags={name: value for e in entries for name, value in e.tags.items()},
            started_ms=next((e.started_ms for e in reversed(entries) if e.started_ms), None),
            ended_ms=next((e.ended_ms for e in reversed(entries) if e.ended_ms), None),
        )


class Names:
    """Names as MLflow takes them, and back: PRLs and metrics may have characters that it refuses.

    Args:
        known: Names that come first, so that theirs never depend on what else is named.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._taken: dict[str, str] = {}
        for name in sorted(known, key=lambda name: _plain(name) != name):  # those that stay as they are, before others
            self.of(name)

    def of(self, name: str) -> str:
        """The name under which it is logged."""
        plain = _plain(name)
        if self._taken.setdefault(plain, name) != name:
            plain = _marked(plain, name)
            self._taken[plain] = name
        return plain

    def changed(self, names: Iterable[str]) -> dict[str, str]:
        """What those are in truth that are logged under another name."""
        return {logged: name for name in names if (logged := self.of(name)) != name}


def params_of(parameters: Mapping[str, Any], names: Names) -> tuple[dict[str, str], dict[str, str]]:
    """Parameters as MLflow takes them, and tags that say what had to be changed."""
    shown = {name: _text(value) for name, value in parameters.items()}
    cut = [names.of(name) for name, text in shown.items() if len(text) > LONGEST_PARAM]
    changed = names.changed(parameters)
    tags = {}
    if cut:
        tags["meristem.cut"] = tag(", ".join(cut))
    if changed:
        tags["meristem.names"] = tag(json.dumps(changed, ensure_ascii=False))
    return {names.of(name): _shortened(text, LONGEST_PARAM) for name, text in shown.items()}, tags


def tag(text: str) -> str:
    """A tag's value, cut where it is too long."""
    return _shortened(text.replace("\0", ""), LONGEST_TAG)


def milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text.replace("\0", "")


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _plain(name: str) -> str:
    plain = _NOT_TAKEN.sub("_", name) or "_"
    if posixpath.normpath(plain) != plain or plain.startswith(("/", "..")) or plain == ".":
        plain = plain.replace("/", "_").replace("..", "__")  # it would be another path than it says
        plain = "_" if plain == "." else plain
    return plain if len(plain) <= LONGEST_NAME else _marked(plain, name)


def _marked(plain: str, name: str) -> str:
    mark = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=4).hexdigest()
    return f"{plain[: LONGEST_NAME - len(mark) - 1]}-{mark}"
