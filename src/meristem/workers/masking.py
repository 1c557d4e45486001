"""Secrets are masked in whatever leaves a task: console output, error messages, the worker's own log (pure).

What counts as one: values of environment variables whose names look like it, or that the worker's owner named, and
passwords within URLs. A stream is masked piece by piece, and the same comes out wherever it was cut.
Only the standard library is imported: the attendant of each task loads this.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

MASK = b"****"
_LOOKS_SECRET = re.compile(
    r"token|passw|passphrase|secret|credential|(^|_)pwd(_|$)|(^|_)auth(_|$)|(api|access|private|account|ssh|encryption)_?key"
    r"|(^|_)key(_|$)|(^|_)dsn(_|$)",
    re.IGNORECASE,
)
_FOLDERS = ("PWD", "OLDPWD")  # of shells: where they are and were, no passwords
_HARMLESS = frozenset({"true", "false", "none", "null", "disabled", "enabled", "default"})
_SHORTEST_GUESSED, _SHORTEST_NAMED = 6, 3  # to mask each "a" would tell more than it hides
_LONGEST_USER, _LONGEST_PASSWORD = 256, 512
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # surrogates that stand for no byte: they have no UTF-8
_URL = re.compile(rb"://[^\s/@:'\"]{0,%d}:([^\s/@'\"]{1,%d})@" % (_LONGEST_USER, _LONGEST_PASSWORD))
_URL_BEGUN = re.compile(rb":(?:/(?:/[^\s/@:'\"]{0,%d}(?::[^\s/@'\"]{0,%d})?)?)?\Z" % (_LONGEST_USER, _LONGEST_PASSWORD))


def looks_secret(name: str) -> bool:
    """Whether a variable of this name most likely holds a secret: `HF_TOKEN`, `AWS_SECRET_ACCESS_KEY`."""
    return name not in _FOLDERS and _LOOKS_SECRET.search(name) is not None


def secret_values(variables: Mapping[str, str], named: Collection[str] = ()) -> list[str]:
    """What is to be masked of these environment variables, the longest first.

    Args:
        named: Variables that hold secrets whatever they are called.
    """
    found: set[str] = set()
    for name, value in variables.items():
        if name in named:
            found |= {part for part in (value, *value.splitlines()) if len(part.strip()) >= _SHORTEST_NAMED}
        elif looks_secret(name) and value.lower() not in _HARMLESS and not _is_path(value):
            found |= {part for part in (value, *value.splitlines()) if len(part.strip()) >= _SHORTEST_GUESSED}
        found |= {m[1].decode() for m in _URL.finditer(value.encode("utf-8", "surrogateescape")) if _text(m[1])}
    return sorted((part for part in found if len(part) >= _SHORTEST_NAMED), key=lambda part: (-len(part), part))


class Stream(Protocol):
    """Bytes that pass through in pieces."""

    def feed(self, data: bytes) -> bytes:
        """What may go on by now; the rest is held until it is known what it is."""
        ...

    def finish(self) -> bytes:
        """What was still held; nothing comes after it."""
        ...


class Masking:
    """Masks one stream: first the secrets, then passwords within URLs."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._stages: list[_Stage] = [_Stage(_URL, _url_begun, [b"://"])]
        values = [value.encode("utf-8", "surrogateescape") for value in secrets if value]
        if values:
            self._stages.insert(0, _secrets_stage(values))

    def feed(self, data: bytes) -> bytes:
        for stage in self._stages:
            data = stage.feed(data)
        return data

    def finish(self) -> bytes:
        data = b""
        for stage in self._stages:
            data = stage.feed(data) + stage.finish()
        return data


def masked(text: str, secrets: Iterable[str]) -> str:
    """`text` without the secrets; lone surrogates, which may stand in any message, are shown escaped."""
    stream = Masking(secrets)
    data = _LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode("utf-8", "surrogateescape")
    return (stream.feed(data) + stream.finish()).decode("utf-8", "surrogateescape")


class _Begun(Protocol):
    def __call__(self, data: bytes, start: int) -> int:
        """Where, from `start` on, something may begin that has its end after `data`; its length if nowhere."""
        ...


class _Stage:
    """Replaces what a pattern finds: its first group where it has one, else all of it."""

    def __init__(self, pattern: re.Pattern[bytes], begun: _Begun, signs: Collection[bytes]) -> None:
        self._pattern, self._begun, self._held = pattern, begun, b""
        self._signs = signs  # without one of them in the data the pattern finds nothing; 20 times faster than it
        self._group = 1 if pattern.groups else 0

    def feed(self, data: bytes) -> bytes:
        data = self._held + data
        out, position = [], 0
        hold = self._begun(data, 0)
        while match := self._found(data, position):
            if match.start() >= hold:  # a longer one may begin here
                break
            out += [data[position : match.start(self._group)], MASK, data[match.end(self._group) : match.end()]]
            position = match.end()
            if hold < position:
                hold = self._begun(data, position)
        out.append(data[position:hold])
        self._held = data[hold:]
        return b"".join(out)

    def _found(self, data: bytes, position: int) -> re.Match[bytes] | None:
        if not any(data.find(sign, position) >= 0 for sign in self._signs):
            return None
        return self._pattern.search(data, position)

    def finish(self) -> bytes:
        out = [b""]
        data, position = self._held, 0
        for match in self._pattern.finditer(data):
            out += [data[position : match.start(self._group)], MASK, data[match.end(self._group) : match.end()]]
            position = match.end()
        self._held = b""
        return b"".join([*out, data[position:]])


def _secrets_stage(values: list[bytes]) -> _Stage:
    ordered = sorted(set(values), key=lambda value: (-len(value), value))
    longest = len(ordered[0])
    beginnings = {value[:length] for value in ordered for length in range(1, len(value))}
    lasts = re.compile(b"[" + re.escape(bytes({value[0] for value in ordered})) + b"]")

    def begun(data: bytes, start: int) -> int:
        start = max(start, len(data) - longest + 1)
        while found := lasts.search(data, start):
            if data[found.start() :] in beginnings:
                return found.start()
            start = found.end()
        return len(data)

    return _Stage(re.compile(b"|".join(map(re.escape, ordered))), begun, ordered)


def _url_begun(data: bytes, start: int) -> int:
    # From the left: an address can hold only one "://" of its own, and earlier ones may reach to the end, too.
    start = max(start, len(data) - _LONGEST_USER - _LONGEST_PASSWORD - 4)
    found = _URL_BEGUN.search(data, start)
    return len(data) if found is None else found.start()


def _is_path(value: str) -> bool:
    return value.startswith(("/", "~/", "./")) and "\n" not in value


def _text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
