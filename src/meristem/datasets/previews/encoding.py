"""In which encoding bytes are text, if they are."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
_MOST_CONTROL = 0.05  # share of control characters above which bytes are no text
_SAMPLE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """A codec's name, and what is to be said about it."""

    name: str
    note: str = ""


def encoding_of(start: bytes) -> Encoding | None:
    """Of a file that begins so; None where it is no text."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            return Encoding(name=name)
    sample = start[:_SAMPLE]
    wide = _without_mark(sample)
    if wide:
        return Encoding(name=wide, note=f"Read as {wide.upper()}, which it does not say.")
    control = len(sample) - len(sample.translate(None, _CONTROL))
    if control > _MOST_CONTROL * len(sample):
        return None
    note = f"{start.count(0):,} NUL bytes stand in it." if 0 in start else ""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError as error:
        wrong = "Some of it is no UTF-8; it is read as Windows-1252." if error.start else "Read as Windows-1252."
        return Encoding(name="cp1252", note=" ".join(filter(None, [wrong, note])))
    return Encoding(name="utf-8", note=note)


def _without_mark(sample: bytes) -> str:
    """UTF-16 without a mark: every other byte of western text is 0."""
    if len(sample) < 8:
        return ""
    even, odd = sample[::2].count(0) / (len(sample) / 2), sample[1::2].count(0) / (len(sample) / 2)
    if odd > 0.4 and even < 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 and odd < 0.05 else ""
