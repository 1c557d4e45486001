"""How people and URLs name versions: `PROJECT/NAME`, `PROJECT/NAME@VERSION`, `meristem://PROJECT/NAME@VERSION/PATH`."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote, unquote

from meristem.errors import InputError

SCHEME = "meristem://"
_FIX = (
    "A version is named PROJECT/NAME or PROJECT/NAME@VERSION, such as sensors/occupancy@1.0.2; a project may hold '/'."
)


class VersionName(NamedTuple):
    """What a name says; `number` None means the newest."""

    project: str
    name: str
    number: str | None = None


class VersionPath(NamedTuple):
    """A path in a version, as a URL names it."""

    version: VersionName
    path: str


def parse_name(text: str) -> VersionName:
    """Reads `PROJECT/NAME[@VERSION]`.

    Raises:
        InputError: It is none.
    """
    where, at, number = text.strip().partition("@")
    project, slash, name = where.rpartition("/")
    is_odd = "\0" in text or any("\ud800" <= c <= "\udfff" for c in text)  # no database takes that
    if not slash or not name or "" in project.split("/") or (at and not number) or is_odd:
        raise InputError(f"{text!r:.200} names no version of a dataset.", fix=_FIX)
    return VersionName(project, name, None if number in ("", "latest") else number)


def parse_url(url: str) -> VersionPath:
    """Reads `meristem://PROJECT/NAME@VERSION/PATH`; in it `%`, `@` and `?` of names and paths stand as %25, %40, %3F.

    Without `@VERSION` the newest is meant, and the first two parts are project and name.

    Raises:
        InputError: It is none.
    """
    version, path = parse_path(url.removeprefix(SCHEME))
    found = VersionName(unquote(version.project), unquote(version.name), version.number)
    return VersionPath(found, unquote(path, errors="surrogateescape"))


def parse_path(text: str) -> VersionPath:
    """Reads `PROJECT/NAME[@VERSION]/PATH`, in which every character stands for itself.

    Raises:
        InputError: It is none.
    """
    given = text.strip("/")
    if "@" in given:
        where, _, rest = given.partition("@")
        number, _, path = rest.partition("/")
        where = f"{where}@{number}"
    else:
        parts = given.split("/", 2)
        where, path = "/".join(parts[:2]), parts[2] if len(parts) > 2 else ""
    return VersionPath(parse_name(where), path)


def url_of(version: VersionName, path: str = "") -> str:
    """The URL of a path in a version; `number` must be known where the project holds '/'."""
    number = f"@{version.number}" if version.number else ""
    where = f"{quote(version.project, safe='/')}/{quote(version.name, safe='')}{number}"
    return f"{SCHEME}{where}" + (f"/{quote(path, safe='/', errors='surrogateescape')}" if path else "")
