"""What a task needs of the machine that runs it, what a worker offers, and whether the one fits the other (pure)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from meristem.errors import InputError, did_you_mean

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_LABEL = re.compile(r"[\w.+-]+(=[\w.+-]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a task must find on its machine.

    Attributes:
        cpus: Cores, also parts of one; 0: it does not matter.
        gpus: Whole GPUs.
        memory_bytes: Main memory.
        labels: Labels that the worker must have, such as `a100` or `site=berlin`.
    """

    cpus: float = 0.0
    gpus: int = 0
    memory_bytes: int = 0
    labels: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """Canonical JSON: equal needs have equal keys."""
        return json.dumps(self.to_json(), separators=(",", ":"), sort_keys=True)

    def to_json(self) -> dict[str, Any]:
        """Only what is needed at all; `{}` fits everywhere."""
        found: dict[str, Any] = {}
        if self.cpus:
            found["cpus"] = int(self.cpus) if self.cpus == int(self.cpus) else self.cpus
        if self.gpus:
            found["gpus"] = self.gpus
        if self.memory_bytes:
            found["memory"] = self.memory_bytes
        if self.labels:
            found["labels"] = sorted(self.labels)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a worker has, or has left. Infinite where it is not limited."""

    cpus: float = math.inf
    gpus: int = 0
    memory_bytes: float = math.inf
    labels: frozenset[str] = field(default_factory=frozenset)

    def without(self, taken: Needs) -> Offer:
        """What is left when a task with these needs runs."""
        return Offer(
            cpus=self.cpus - taken.cpus,
            gpus=self.gpus - taken.gpus,
            memory_bytes=self.memory_bytes - taken.memory_bytes,
            labels=self.labels,
        )


def fits(needs: Needs, offer: Offer) -> bool:
    """Whether a task with `needs` can run where `offer` is free."""
    return (
        needs.cpus <= offer.cpus + 1e-9
        and needs.gpus <= offer.gpus
        and needs.memory_bytes <= offer.memory_bytes
        and needs.labels <= offer.labels
    )


def missing(needs: Needs, offer: Offer) -> list[str]:
    """What `offer` lacks for `needs`, as sentences' parts such as "2 GPUs (has 0)"; empty where it fits."""
    lacks = []
    if needs.cpus > offer.cpus + 1e-9:
        lacks.append(f"{needs.cpus:g} CPUs (has {offer.cpus:g})")
    if needs.gpus > offer.gpus:
        lacks.append(f"{needs.gpus} GPUs (has {offer.gpus})")
    if needs.memory_bytes > offer.memory_bytes:
        lacks.append(f"{shown_bytes(needs.memory_bytes)} of memory (has {shown_bytes(int(offer.memory_bytes))})")
    lacks += [f"the label {label!r}" for label in sorted(needs.labels - offer.labels)]
    return lacks


def read_needs(given: Needs | Mapping[str, Any] | None) -> Needs:
    """The needs that `given` stands for: `{"cpus": 2, "gpus": 1, "memory": "16GB", "labels": ["a100"]}`.

    Raises:
        InputError: Unknown names or unusable values; all of them are listed.
    """
    if given is None or isinstance(given, Needs):
        return given or Needs()
    if not isinstance(given, Mapping):
        raise InputError(f"Needs must be a mapping such as {{'gpus': 1}}, not {type(given).__name__}.")
    known = ("cpus", "gpus", "memory", "labels")
    problems = [
        f"unknown name {name!r}. {did_you_mean(str(name), known)}Known: {', '.join(known)}"
        for name in given
        if name not in known
    ]
    found: dict[str, Any] = {}
    readers = {"cpus": _cpus, "gpus": _gpus, "memory": read_bytes, "labels": read_labels}
    fields = {"memory": "memory_bytes"}
    for name, reader in readers.items():
        if given.get(name) is None:
            continue
        try:
            found[fields.get(name, name)] = reader(given[name])
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise InputError("The needs of a task cannot be used", problems)
    return Needs(**found)


def read_bytes(given: Any) -> int:
    """A number of bytes, or text such as `16GB`, `512 MiB` (powers of 1,024). Raises ValueError."""
    if isinstance(given, (int, float)) and not isinstance(given, bool) and 0 <= given < 1 << 62:
        return int(given)
    found = _MEMORY.fullmatch(given.strip()) if isinstance(given, str) else None
    if found is None or float(found[1]) * _UNITS[found[2].lower()] >= 1 << 62:
        raise ValueError(f"{given!r:.40} is no amount of memory; write a number of bytes, or 512MB, 16GB")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def read_labels(given: Any) -> frozenset[str]:
    """Labels from a list, or from text with commas between them. Raises ValueError."""
    parts: Iterable[Any] = given.split(",") if isinstance(given, str) else given
    if not isinstance(parts, Iterable) or isinstance(parts, (bytes, Mapping)):
        raise ValueError(f"{given!r:.40} are no labels; write a list such as [a100, site=berlin]")
    found = [part.strip() if isinstance(part, str) else part for part in parts]
    found = [part for part in found if part != ""]
    for part in found:
        if not isinstance(part, str) or not _LABEL.fullmatch(part) or len(part) > 100:
            raise ValueError(f"{part!r:.40} is no label; use letters, digits and . + - _, or name=value of such")
    return frozenset(found)


def shown_bytes(count: int) -> str:
    """A number of bytes for people: 1.5 GB."""
    size, units = float(count), ["bytes", "KB", "MB", "GB", "TB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.4g} {units[0]}"


def _cpus(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given < 1e6:
        raise ValueError(f"{given!r:.40} is no number of CPUs")
    return round(float(given), 3)


def _gpus(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 1 << 20:
        raise ValueError(f"{given!r:.40} is no number of GPUs; write a whole number")
    return given
