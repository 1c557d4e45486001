"""What a terminal would show of console output: carriage returns, backspaces and erased lines applied (pure).

So of a progress bar only the last state stays. The cursor moves within its line only: what moves it to other lines
(as several progress bars at once do) is dropped, and those lines then stand one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# CSI sequences (ECMA-48, section 5.4), OSC sequences (titles, links), and other escapes of two characters.
_ESCAPE = re.compile(r"\x1b\[([0-?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]?|\x9b[0-?]*[@-~]")
_LINE_ENDS = re.compile(r"\r*\n")
_MOVES = re.compile(r"[\r\b\x1b\x9b\x00-\x07\x0b-\x1f\x7f]")
_LONGEST_LINE = 100_000  # characters of one line; what overwrites more than that is nonsense


def shown_text(text: str, *, colours: bool = False) -> str:
    """`text` as a terminal of endless width shows it in the end.

    Args:
        colours: Keep colours and styles (ANSI SGR sequences); else they are dropped.
    """
    return "\n".join(_shown(line, colours) for line in _LINE_ENDS.split(text))


def shown_lines(pieces: Iterable[str], *, colours: bool = False) -> Iterator[str]:
    """Whole lines, without their ends, of output that comes in pieces; the last one also where it has no end."""
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        for line in whole:
            yield _shown(line.rstrip("\r"), colours)
        if len(rest) > _LONGEST_LINE and "\r" in rest:  # a progress bar of hours: what it overwrote is not needed
            rest = rest[rest.rindex("\r", 0, len(rest) - 1) :] if "\r" in rest[:-1] else rest
    if rest:
        yield _shown(rest, colours)


def _shown(line: str, colours: bool) -> str:
    if not _MOVES.search(line):
        return line
    cells: list[str] = []  # what is printed at each place, with the style that begins there
    at, style, i = 0, "", 0
    while i < len(line):
        char = line[i]
        if char in "\x1b\x9b":
            match = _ESCAPE.match(line, i)
            if match is None:
                i += 1
                continue
            i = match.end()
            if match[2] == "m" and colours:
                style += match[0]
            elif match[2] == "K":
                at = _erase(cells, at, match[1])
            elif match[2] in ("C", "D", "G"):
                at = _moved(at, match[2], match[1])
            continue
        i += 1
        if char == "\r":
            at = 0
        elif char == "\b":
            at = max(0, at - 1)
        elif char == "\t" or (char >= " " and char != "\x7f"):
            if at > len(cells):
                cells += [" "] * (at - len(cells))
            cells[at : at + 1] = [style + char]
            at, style = at + 1, ""
    return "".join(cells) + style


def _erase(cells: list[str], at: int, how: str) -> int:
    if how in ("", "0"):
        del cells[at:]
    elif how == "1":
        cells[: at + 1] = [" "] * min(len(cells), at + 1)
    elif how == "2":
        cells.clear()
    return at


def _moved(at: int, kind: str, by: str) -> int:
    count = int(by) if by.isdigit() and len(by) < 6 else 1
    if kind == "C":
        return min(at + count, _LONGEST_LINE)
    return max(0, at - count) if kind == "D" else min(max(0, count - 1), _LONGEST_LINE)
