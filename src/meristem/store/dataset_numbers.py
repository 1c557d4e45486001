"""Version numbers: how they are ordered, and which is next. Semantic versioning 2.0.0 without build metadata."""

from __future__ import annotations

from meristem.errors import InputError
from meristem.naming import LONGEST_NUMBER, VERSION_NUMBER

FIRST = "1.0.0"
_RELEASE = b"\xff"  # after each pre-release of it
_END, _DIGITS, _WORD = b"\x00", b"\x01", b"\x02"


def precedence(number: str) -> bytes:
    """Bytes that are ordered as version numbers are: 1.0.0-rc.2 < 1.0.0-rc.10 < 1.0.0 < 1.2.0 < 1.10.0.

    Raises:
        InputError: No version number.

    Source: semver.org 2.0.0, section 11. Bytes, since text is ordered differently by each database.
    """
    short = isinstance(number, str) and len(number) <= LONGEST_NUMBER
    found = VERSION_NUMBER.fullmatch(number) if short else None
    if found is None:
        fix = "Write MAJOR.MINOR.PATCH, such as 1.4.0, or with a pre-release: 2.0.0-rc.1."
        raise InputError(f"{number!r:.80} is no version number.", fix=fix)
    key = b"".join(_digits(part) for part in found.group(1, 2, 3))
    if found[4] is None:
        return key + _RELEASE
    parts = found[4].split(".")
    return key + b"".join(_DIGITS + _digits(p) if p.isdecimal() else _WORD + p.encode() + _END for p in parts) + _END


def following(highest: str | None) -> str:
    """The number that is proposed after the highest one: its release if it is a pre-release, else the next patch."""
    if highest is None:
        return FIRST
    release, _, pre = highest.partition("-")
    major, minor, patch = release.split(".")
    return release if pre else f"{major}.{minor}.{int(patch) + 1}"


def _digits(digits: str) -> bytes:
    return bytes([len(digits)]) + digits.encode()
