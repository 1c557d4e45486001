"""What a version's files look like: totals, tables with statistics, pictures, text; bounded in size, time and memory.

Files are read as bytes and never run: nothing is unpickled, no formula is evaluated, no more is decompressed than the
limits say. Heavy libraries (pyarrow, Pillow) are used where they are installed.
"""

from meristem.datasets.previews.comparing import PreviewDifferences, differences
from meristem.datasets.previews.limits import Limits
from meristem.datasets.previews.making import make_preview
from meristem.datasets.previews.preview import FilePreview, Preview
from meristem.datasets.previews.terminal import render_terminal

__all__ = [
    "FilePreview",
    "Limits",
    "Preview",
    "PreviewDifferences",
    "differences",
    "make_preview",
    "render_terminal",
]
