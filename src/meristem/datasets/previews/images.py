"""Pictures: their size by their headers, and a small picture by Pillow where it is installed."""

from __future__ import annotations

import base64
import io
import logging
import struct
from typing import Any

from meristem.datasets.previews.limits import Allowance, Limits
from meristem.datasets.previews.preview import FileKind, FilePreview
from meristem.datasets.previews.source import Source

# Pillow is kept to these: others of its readers start programs (EPS), or are seldom used and less looked after.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
_EDGES = (160, 128, 96, 64, 40)
_COLOURS = (256, 64, 32, 16, 16)


def preview_image(source: Source, format: str, limits: Limits, allowance: Allowance) -> FilePreview:
    """Width, height, mode and a small picture."""
    size = dimensions(source, format)
    facts: list[tuple[str, str | int | float]] = [("width", size[0]), ("height", size[1])] if size else []
    if not source.whole:
        return source.of_whole(FileKind.IMAGE, format, facts=tuple(facts), notes=("Not drawn: the file is large.",))
    if size and not allowance.take_pixels(max(1, size[0]) * max(1, size[1])):
        notes = (f"Not drawn: {size[0]:,} x {size[1]:,} pixels are many.",)
        return source.of_whole(FileKind.IMAGE, format, facts=tuple(facts), notes=notes)
    try:
        import PIL.Image  # optional
    except ImportError:
        return source.of_whole(FileKind.IMAGE, format, facts=tuple(facts), notes=("Not drawn: Pillow is missing.",))
    _hush()
    try:
        drawn, told = _drawn(PIL.Image, source.start, limits, None if size else allowance)
    except PIL.UnidentifiedImageError:
        wrong = "It is no image that can be read."
        return source.of_whole(FileKind.IMAGE, format, facts=tuple(facts), notes=(wrong,))
    except Exception as error:  # Pillow's readers fail in many ways on broken pictures
        wrong = f"It cannot be drawn: {str(error)[:100] or type(error).__name__}."
        return source.of_whole(FileKind.IMAGE, format, facts=tuple(facts), notes=(wrong,))
    note = ("Not drawn: it has many pixels.",) if not drawn else ()
    thumbnail = base64.b64encode(drawn).decode("ascii")
    return source.of_whole(FileKind.IMAGE, format, facts=tuple(told), notes=note, thumbnail=thumbnail)


def _hush() -> None:
    """Keeps what Pillow logs of broken pictures off the terminal; handlers of users still get it."""
    logger = logging.getLogger("PIL")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _drawn(pillow: Any, content: bytes, limits: Limits, allowance: Allowance | None) -> tuple[bytes, list[Any]]:
    """The small picture as PNG, and what is known of the large one.

    Args:
        allowance: Is asked where the size was not known before.
    """
    with pillow.open(io.BytesIO(content), formats=FORMATS) as image:
        told = [("width", image.width), ("height", image.height), ("mode", image.mode)]
        frames = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        told += [("pages", frames)] if frames > 1 else []
        if allowance is not None and not allowance.take_pixels(max(1, image.width * image.height)):
            return b"", told
        image.draft("RGB" if image.mode not in ("L", "1") else "L", (_EDGES[0], _EDGES[0]))
        image.thumbnail((_EDGES[0], _EDGES[0]))
        small = _in_colours(image)
    for edge, colours in zip(_EDGES, _COLOURS, strict=True):
        small.thumbnail((edge, edge))
        with io.BytesIO() as out:
            fewer = small if colours == _COLOURS[0] else small.convert("RGB").quantize(colours)
            fewer.save(out, "PNG", optimize=True)
            if out.tell() <= limits.thumbnail_bytes:
                return out.getvalue(), told
    return b"", told


def _in_colours(image: Any) -> Any:
    """In 8 bits a channel; pictures of 16 bits and of floats are spread over them."""
    if image.mode.startswith("I") or image.mode == "F":
        low, high = image.convert("F").getextrema()
        scale = 255.0 / (high - low) if high > low else 0.0
        return image.convert("F").point(lambda value: value * scale - low * scale).convert("L")
    if image.mode in ("L", "RGB", "RGBA"):
        return image.copy()
    return image.convert("RGBA" if "transparency" in image.info or image.mode in ("LA", "PA") else "RGB")


def dimensions(source: Source, format: str) -> tuple[int, int] | None:
    """Width and height by the file's header; None where it does not say or is another format."""
    start = source.peek(1 << 16)
    try:
        if format == "PNG":
            return struct.unpack(">II", start[16:24])
        if format == "GIF":
            return struct.unpack("<HH", start[6:10])
        if format == "BMP":
            width, height = struct.unpack("<ii", start[18:26])
            return width, abs(height)
        if format == "JPEG":
            return _jpeg_dimensions(start)
    except struct.error:
        return None
    return None


def _jpeg_dimensions(start: bytes) -> tuple[int, int] | None:
    """By the first frame header (SOF), which follows other segments."""
    place = 2
    while place + 9 <= len(start):
        if start[place] != 0xFF:
            return None
        mark = start[place + 1]
        if 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", start[place + 5 : place + 9])
            return width, height
        alone = mark == 0xFF or mark == 0x01 or 0xD0 <= mark <= 0xD8
        place += (1 if mark == 0xFF else 2) if alone else 2 + struct.unpack(">H", start[place + 2 : place + 4])[0]
    return None
