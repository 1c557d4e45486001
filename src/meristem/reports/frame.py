"""The frame of every page: one HTML document that needs nothing else, in one style, on screens and on paper."""

from __future__ import annotations

import html
from collections.abc import Sequence
from importlib.resources import files

from meristem.reports.shown import text


def document(title: str, body: str, styles: Sequence[str]) -> str:
    """The page.

    Args:
        body: HTML.
        styles: Names of this room's CSS files that it needs beside the common style.
    """
    own = files("meristem.reports")
    style = "".join(own.joinpath(name).read_text(encoding="utf-8") for name in ("frame.css", *styles))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(title)}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def framed(page: str, *, height: int = 860) -> str:
    """A page inside another, such as a notebook's, apart from its scripts and styles."""
    inner = html.escape(page, quote=True)
    style = f"width:100%;height:{height}px;border:1px solid #d5d8dc;border-radius:6px;background:white"
    return f'<iframe srcdoc="{inner}" style="{style}" sandbox="allow-scripts allow-downloads" loading="lazy"></iframe>'
