"""Draws figures into PNG files, by kaleido and a browser that is installed; nothing is fetched."""

from __future__ import annotations

import asyncio
import html
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap
from typing import Any

from meristem.errors import InputError, one_line
from meristem.reports.card import Card, Figure
from meristem.reports.plotly_js import plotly_js
from meristem.reports.style import about_of, label, plain

_WIDTH, _SCALE = 900, 2
_TOP, _FIRST, _LINE = 20, 42, 17  # pixels above a head, of it with its first line, of each line that follows
_OWN_TITLE = 26  # pixels that a figure keeps for its title
_BROWSER = "Debian and Ubuntu: apt-get install chromium; elsewhere install Google Chrome, or set BROWSER_PATH to one."


Doing = Callable[[str, int, int], None]


def draw(title: str, cards: Sequence[Card], folder: Path, *, doing: Doing | None = None) -> list[Path]:
    """Draws every figure of `cards` into `folder`, which is made if it is missing.

    Args:
        title: Of the report; stands in every picture.
        doing: Is told of each figure before it is drawn: what it is, its place, of how many.

    Raises:
        InputError: kaleido or a browser is missing, or a file cannot be written.
    """
    kaleido = _kaleido()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error}.") from error
    wanted = pictures(title, cards)
    if not wanted:
        return []
    drawn = _drawn(kaleido, wanted, doing)
    paths = [folder / f"{name}.png" for name in wanted]
    for path, data in zip(paths, drawn, strict=True):
        try:
            path.write_bytes(data)
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error}.") from error
    return paths


def pictures(title: str, cards: Sequence[Card]) -> dict[str, Figure]:
    """What is drawn, by a name for the file: each figure with what it is about, as it stands alone."""
    found: dict[str, Figure] = {}
    taken: set[str] = set()
    for card in cards:
        for figure in card.figures:
            stem = _stem(card, figure)
            name = next(n for n in chain([stem], (f"{stem}-{k}" for k in count(2))) if n.casefold() not in taken)
            taken.add(name.casefold())  # some file systems do not tell cases apart
            found[name] = titled(figure, title, card)
    return found


def titled(figure: Figure, title: str, card: Card) -> Figure:
    """The figure below a head: what is shown, of which study, and what it comes to."""
    layout = dict(figure["layout"])
    about = about_of(figure) or str(layout.get("title", {}).get("text", ""))
    first = f"<b>{label(card.title, 80)}</b>" + (f": {about}" if about else "")
    wide = max(_WIDTH, int(layout.get("meta", {}).get("width", 0)))
    notes = wrap(plain(card.note, 400), wide // 7)
    lines = [first, f"<i>{label(title, 100)}</i>", *(label(line, 400) for line in notes)]
    text = "<br>".join([lines[0], *(f"<span style='font-size:12px'>{line}</span>" for line in lines[1:])])
    more = _FIRST + _LINE * (len(lines) - 1) - (_OWN_TITLE if layout.get("title") else 0)
    layout["margin"] = {**layout["margin"], "t": layout["margin"]["t"] + more}
    layout["height"] += more
    place = {"x": 0, "xanchor": "left", "xref": "container", "pad": {"l": 16},
             "y": 1 - _TOP / layout["height"], "yanchor": "top", "yref": "container"}  # fmt: skip
    layout["title"] = {"text": text, "font": {"size": 15}, **place}
    return {**figure, "layout": layout}


def _drawn(kaleido: Any, figures: Mapping[str, Figure], doing: Doing | None) -> list[bytes]:
    with ThreadPoolExecutor(1) as apart:  # notebooks have a loop of their own in this thread
        try:
            return apart.submit(lambda: asyncio.run(_draw(kaleido, figures, doing))).result()
        except Exception as error:  # a browser has many ways not to start
            what = one_line(error)
            raise InputError(f"The browser that draws figures failed ({what:.300}).", fix=_BROWSER) from error


async def _draw(kaleido: Any, figures: Mapping[str, Figure], doing: Doing | None) -> list[bytes]:
    with TemporaryDirectory() as folder:
        script = Path(folder) / "plotly.js"
        script.write_text(plotly_js(), encoding="utf-8")
        async with kaleido.Kaleido(n=1, mathjax=False, plotlyjs=script.as_uri()) as browser:
            drawn = []
            for place, (name, figure) in enumerate(figures.items()):
                if doing is not None:
                    doing(f"Drawing {name}", place, len(figures))
                drawn.append(await browser.calc_fig(dict(figure), opts=_options(figure)))
            return drawn


def _options(figure: Figure) -> dict[str, Any]:
    layout = figure["layout"]
    width = max(_WIDTH, int(layout.get("meta", {}).get("width", 0)))
    return {"format": "png", "width": width, "height": layout["height"], "scale": _SCALE}


def _stem(card: Card, figure: Figure) -> str:
    parts = [card.name, html.unescape(about_of(figure))]
    return "-".join(re.sub(r"[^\w.+-]+", "_", part).strip("._-")[:60] or "_" for part in parts if part)


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
