"""Figures and images as bytes: matplotlib, plotly, arrays, files. Nothing is imported for them.

Arrays become PNG by zlib alone, so that images need no other library (PNG, W3C Recommendation 2003).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meristem.errors import InputError
from meristem.tasks.reporting.json_values import dumps

LONGEST_SIDE = 2000  # pixels of a rendered figure
SVG_LIMIT_BYTES = 1 << 20  # of a vector picture; scatters of many points have more
PLOT_LIMIT_BYTES = 32 << 20
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_SUFFIXES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}


def matplotlib_figure(given: Any) -> Any:
    """The figure of a matplotlib figure, axes, artist or `pyplot` itself; None where it is nothing of matplotlib."""
    if getattr(given, "__name__", "") == "matplotlib.pyplot":
        return given.gcf()
    if hasattr(given, "savefig") and hasattr(given, "canvas"):
        return given
    figure = given.get_figure() if hasattr(given, "get_figure") else getattr(given, "figure", None)
    return figure if hasattr(figure, "savefig") and hasattr(figure, "canvas") else None


def render(figure: Any, form: str) -> bytes:
    """A matplotlib figure as `png` (its longer side up to 2,000 pixels) or `svg`."""
    longest_inches = max(*figure.get_size_inches(), 0.01)
    dpi = max(10.0, min(float(figure.dpi), LONGEST_SIDE / longest_inches))
    buffer = io.BytesIO()
    # Not savefig(), which may be captured itself.
    figure.canvas.print_figure(buffer, format=form, dpi=dpi, facecolor="auto", edgecolor="auto")
    return buffer.getvalue()


def plotly_json(given: Any) -> bytes | None:
    """The JSON of a plotly figure, or of a dict of its form; None where it is neither.

    Raises:
        InputError: It is larger than what pages can show.
    """
    if hasattr(given, "to_plotly_json") and hasattr(given, "to_json"):
        text = given.to_json()
    elif isinstance(given, Mapping) and "data" in given:
        text = dumps(given)
    else:
        return None
    if len(text) > PLOT_LIMIT_BYTES:
        raise InputError(
            f"A plot has {len(text):,} bytes; the limit is {PLOT_LIMIT_BYTES:,}.",
            fix="Thin out its points, or keep it whole with upload_artifact().",
        )
    return str(text).encode()


def plot_file(path: Path) -> tuple[str, bytes]:
    """Format and bytes of a picture that was saved: `png` or `svg`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"The picture {path} cannot be read: {error.strerror}.") from None
    form = "png" if data.startswith(_PNG) else "svg" if b"<svg" in data[:4096] else ""
    if not form or len(data) > PLOT_LIMIT_BYTES:
        raise InputError(f"{path} is neither PNG nor SVG of up to {PLOT_LIMIT_BYTES:,} bytes.")
    return form, data


def image_bytes(given: Any) -> tuple[bytes, str]:
    """An image's bytes and format, `png` or `jpeg`.

    Args:
        given: A path, PNG or JPEG bytes, a PIL image, a matplotlib figure, or an array or tensor: H x W, H x W x C or
            C x H x W of 1, 3 or 4 channels, as bytes 0..255, numbers 0..1 or truth values.

    Raises:
        InputError: It is none of these.
    """
    if isinstance(given, (str, Path)):
        return _of_path(Path(given))
    if isinstance(given, (bytes, bytearray)):
        return _of_bytes(bytes(given), "The image is of bytes that are")
    if (figure := matplotlib_figure(given)) is not None:
        return render(figure, "png"), "png"
    if hasattr(given, "save") and hasattr(given, "mode") and hasattr(given, "convert"):
        return _of_pil(given), "png"
    if hasattr(given, "shape") or hasattr(given, "__array__"):
        return png_of(given), "png"
    raise InputError(
        f"No image can be made of a {type(given).__name__}.",
        fix="An image is a path, an array, a PIL image or a figure.",
    )


def png_of(given: Any) -> bytes:
    """An array or tensor as a PNG. See `image_bytes` for its shape and values."""
    pixels = _pixels(given)
    height, width, channels = pixels.shape
    rows = pixels.reshape(height, width * channels)
    above = rows.copy()
    above[1:] -= rows[:-1]  # the filter "up": modulo 256, as bytes are
    filtered = b"".join(b"\x02" + row.tobytes() for row in above)
    color = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered, 3)), (b"IEND", b""))
    return _PNG + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _pixels(given: Any) -> Any:
    """Shape H x W x C, bytes."""
    import numpy as np  # whoever has an array has it loaded already

    for method in ("detach", "cpu"):  # a tensor
        given = getattr(given, method)() if hasattr(given, method) else given
    array = np.asarray(given)
    if array.ndim == 2:
        array = array[:, :, None]
    elif array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4) and array.shape[0] in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4) or 0 in array.shape or array.dtype.kind not in "bufi":
        raise InputError(
            f"No image can be made of an array of shape {np.shape(given)} and type {array.dtype}.",
            fix="Give H x W, H x W x C or C x H x W with 1, 3 or 4 channels of numbers.",
        )
    if array.dtype.kind == "b":
        array = array * np.uint8(255)
    elif array.dtype.kind == "f":
        array = np.nan_to_num(np.clip(array, 0, 1), nan=0.0) * 255 + 0.5
    return np.clip(array, 0, 255).astype(np.uint8)


def _of_path(path: Path) -> tuple[bytes, str]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"The image {path} cannot be read: {error.strerror}.") from None
    if data.startswith((_PNG, _JPEG)):
        return _of_bytes(data, "")
    try:
        from PIL import Image  # only for other formats
    except ImportError:
        return _of_bytes(data, f"{path} is")
    with Image.open(path) as image:
        return _of_pil(image), "png"


def _of_bytes(data: bytes, what: str) -> tuple[bytes, str]:
    if data.startswith(_PNG):
        return data, "png"
    if data.startswith(_JPEG):
        return data, "jpeg"
    raise InputError(f"{what} neither PNG nor JPEG.", fix="Install Pillow for other formats of files.")


def _of_pil(image: Any) -> bytes:
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = image.convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
