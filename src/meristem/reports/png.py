"""Draws figures into PNG files, by kaleido and a browser that is installed; nothing is fetched."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from meristem.errors import InputError, one_line
from meristem.reports.card import Card, Figure
from meristem.reports.plotly_js import plotly_js

_WIDTH, _SCALE = 900, 2
_BROWSER = "Debian and Ubuntu: apt-get install chromium; elsewhere install Google Chrome, or set BROWSER_PATH to one."


def draw(cards: Sequence[Card], folder: Path) -> list[Path]:
    """Draws every figure of `cards` into `folder`, which is made if it is missing.

    Raises:
        InputError: kaleido or a browser is missing, or a file cannot be written.
    """
    kaleido = _kaleido()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error}.") from error
    wanted = [(folder / _name(card, place), figure) for card in cards for place, figure in enumerate(card.figures)]
    if not wanted:
        return []
    drawn = _drawn(kaleido, [figure for _, figure in wanted])
    for (path, _), data in zip(wanted, drawn, strict=True):
        try:
            path.write_bytes(data)
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error}.") from error
    return [path for path, _ in wanted]


def _drawn(kaleido: Any, figures: Sequence[Figure]) -> list[bytes]:
    with ThreadPoolExecutor(1) as apart:  # notebooks have a loop of their own in this thread
        try:
            return apart.submit(lambda: asyncio.run(_draw(kaleido, figures))).result()
        except Exception as error:  # a browser has many ways not to start
            what = one_line(error)
            raise InputError(f"The browser that draws figures failed ({what:.300}).", fix=_BROWSER) from error


async def _draw(kaleido: Any, figures: Sequence[Figure]) -> list[bytes]:
    with TemporaryDirectory() as folder:
        script = Path(folder) / "plotly.js"
        script.write_text(plotly_js(), encoding="utf-8")
        async with kaleido.Kaleido(n=1, mathjax=False, plotlyjs=script.as_uri()) as browser:
            return [await browser.calc_fig(dict(figure), opts=_options(figure)) for figure in figures]


def _options(figure: Figure) -> dict[str, Any]:
    layout = figure["layout"]
    width = max(_WIDTH, int(layout.get("meta", {}).get("width", 0)))
    return {"format": "png", "width": width, "height": layout["height"], "scale": _SCALE}


def _name(card: Card, place: int) -> str:
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in card.name)[:100]
    return f"{stem}.png" if place == 0 else f"{stem}-{place + 1}.png"


def _kaleido() -> Any:
    try:
        import kaleido  # optional
        from choreographer.browsers.chromium import Chromium
    except ImportError as error:
        raise InputError("Figures as PNG need kaleido.", fix="pip install 'meristem[reports]'") from error
    for name in ("choreographer", "kaleido"):
        logging.getLogger(name).setLevel(logging.ERROR)  # both tell of every step
    if Chromium.find_browser(skip_local=False) is None:
        raise InputError("Figures as PNG need Chrome or Chromium, and none was found.", fix=_BROWSER)
    return kaleido
