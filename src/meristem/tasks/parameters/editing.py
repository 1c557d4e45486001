"""What a person types for a parameter (`meristem task edit 12 lr=0.2`), as the value to store."""

from __future__ import annotations

import json

from meristem.errors import InputError
from meristem.tasks.parameters.casting import CannotCast, cast
from meristem.tasks.parameters.json_values import JSON, shown

_NULLS = ("null", "none")


def parse_value(text: str, current: JSON = None, name: str = "The value") -> JSON:
    """`text` as a value like `current`: "0.2" is a number where a number was, and a text where a text was.

    Where nothing was, JSON is read as JSON and all else is a text. "null" is null, except where a text was;
    lists may be written as JSON or with commas.

    Raises:
        InputError: It cannot take the place of `current`.
    """
    if isinstance(current, str):
        return text
    read = _json(text.strip())
    if read is None and text.strip().lower() in _NULLS:
        return None
    if current is None:
        return read if read is not None else text
    if isinstance(current, list):
        return (
            read if isinstance(read, list) else [parse_value(part.strip(), _sample(current)) for part in _parts(text)]
        )
    given = read if isinstance(current, dict) or not isinstance(read, (str, type(None))) else text.strip()
    if isinstance(current, int) and not isinstance(current, bool) and isinstance(given, float) and given % 1:
        return given  # in JSON 1 and 0.5 are of one kind; whether the code takes fractions only it knows
    try:
        return cast(given, current)
    except CannotCast as error:
        raise InputError(f"{name} is now {shown(current)}, so {text!r} is not possible: expected is {error}.") from None


def _json(text: str) -> JSON:
    def refuse(constant: str) -> JSON:
        raise ValueError(constant)

    try:
        return json.loads(text, parse_constant=refuse)
    except ValueError:
        return None


def _parts(text: str) -> list[str]:
    return [part for part in text.strip().strip("[]()").split(",") if part.strip()]


def _sample(current: list[JSON]) -> JSON:
    return current[0] if current and not isinstance(current[0], (list, dict)) else None
