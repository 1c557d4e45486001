"""Places in a configuration: how they are written in errors, what stands there, and problems by place."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from meristem.errors import InputError
from meristem.space.conditions import MISSING

Place: TypeAlias = tuple[str | int, ...]
_PLAIN_KEY = re.compile(r"[\w@-]+")


class FileName(str):
    """The head of a place in another file than the configuration."""

    __slots__ = ()


def shown(place: Place) -> str:
    """The place as it is written in errors, such as `train.pre_transforms[3].search[0].targets`."""
    if place and isinstance(place[0], FileName):
        return f"{place[0]}: {shown(place[1:])}".removesuffix(": ")
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part, ensure_ascii=False)}]"
    return text


def find_at(config: Any, place: Place) -> Any:
    """What stands at `place`; MISSING where there is nothing."""
    for part in place:
        in_list = isinstance(config, list) and isinstance(part, int) and 0 <= part < len(config)
        if not in_list and not (isinstance(config, Mapping) and part in config):
            return MISSING
        config = config[part]
    return config


def put_at(config: Any, place: Place, value: Any) -> None:
    """Puts `value` at `place`, whose surroundings exist; the last mapping on the way is made where it is missing."""
    *way, last = place
    for part in way:
        if isinstance(config, dict) and config.get(part) is None:
            config[part] = {}
        config = config[part]
    config[last] = value


class Problems:
    """Collects what is wrong, each with its place."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def say(self, place: Place, problem: str) -> None:
        """Adds one; `problem` begins in lower case and has no full stop at its end."""
        self.found.append(f"{shown(place)}: {problem.rstrip()}" if place else problem.rstrip())

    def raise_if_any(self, source: str, what: str, fix: str = "") -> None:
        """Ends the reading where there are problems.

        Raises:
            InputError: Lists all of them.
        """
        if self.found:
            count = "a mistake" if len(self.found) == 1 else f"{len(self.found)} mistakes"
            raise InputError(f"{source} has {count} in its {what}", self.found, fix=fix)
