"""Files for previews, as bytes; and the preview of some of them."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Mapping

import numpy as np

from meristem.datasets.previews import FilePreview, Limits, Preview, make_preview

HOSTILE = "</style><script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x1b[31m\u202e"


def preview_of(files: Mapping[str, bytes], limits: Limits | None = None) -> Preview:
    entries = sorted((path, len(content)) for path, content in files.items())
    return make_preview(entries, lambda path, start, length: files[path][start : start + length], limits or Limits())


def one(path: str, content: bytes, limits: Limits | None = None) -> FilePreview:
    return preview_of({path: content}, limits).previews[0]


def npy(array: np.ndarray) -> bytes:
    with io.BytesIO() as out:
        np.save(out, array, allow_pickle=True)
        return out.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    with io.BytesIO() as out:
        np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
        return out.getvalue()


def png(width: int, height: int, rows: int | None = None) -> bytes:
    """A picture that says it has this size, and has `rows` rows (all)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + bytes(range(256)) * (3 * width // 256) + bytes(3 * width % 256)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = zlib.compress(row * (height if rows is None else rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def labels(count: int, kinds: str = "cat dog dog", *, start: float = 0.0) -> bytes:
    """A table with a name, a kind, a number, and sometimes a note."""
    names = kinds.split()
    rows = (
        f"img/{i:05d}.jpg,{names[i % len(names)]},{start + i / count:.4f},{'blurred' if i % 5 == 0 else ''}\n"
        for i in range(count)
    )
    return ("file,label,confidence,note\n" + "".join(rows)).encode()


def hostile() -> Preview:
    """Files whose names and contents try to be terminal commands, markup and HTML."""
    content = f'{HOSTILE.replace(chr(34), "")},n\n"[bold]x[/]{HOSTILE.replace(chr(34), "")}",1\n,2\n'.encode()
    data = json.dumps({HOSTILE: HOSTILE, "[red]": "[/red]"}).encode()
    files = {
        f"{HOSTILE}.csv": content,
        f"[blink]{HOSTILE}.json": data,
        "t.txt": HOSTILE.encode() * 3,
        "a.png": png(9, 9),
    }
    return preview_of(files)
