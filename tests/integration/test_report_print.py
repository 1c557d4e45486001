"""A page on paper: figures fit the sheet whatever the window's width was, and everything is unfolded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import meristem as ms

sync_api = pytest.importorskip("playwright.sync_api")
BROWSER = os.environ.get("BROWSER_PATH") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="looking at a page needs Chrome or Chromium (Debian: apt-get install chromium)"
)
WIDTHS = """() => [...document.querySelectorAll('.figure')].map(place =>
    Math.max(...[...place.querySelectorAll('.main-svg')].map(svg => svg.getBoundingClientRect().width)))"""
OPEN = "() => [...document.querySelectorAll('details')].map(part => part.open)"
TOLD = "name => window.dispatchEvent(new Event(name))"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = ms.Study("s", space={"x": ms.Float(0, 1), "k": ms.Choice(["a", "b"])}, objective="-loss", seed=1,
                     controller="random")  # fmt: skip
    for _ in range(12):
        trial = study.ask()
        study.tell(trial, loss=trial["x"])
    return study.report().html(tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("width", [500, 1280])
def test_on_paper_figures_fit_the_sheet_and_everything_is_unfolded(browser: Any, page_file: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(page_file.as_uri())
    page.wait_for_selector("body[data-ready=yes]", state="attached")
    assert page.query_selector(".modebar .modebar-btn") is None  # tools would lie over the figures
    before, folded = page.evaluate(WIDTHS), page.evaluate(OPEN)
    assert not any(folded)
    page.emulate_media(media="print")
    page.evaluate(TOLD, "beforeprint")
    assert all(0 < width <= 657 for width in page.evaluate(WIDTHS))
    assert all(page.evaluate(OPEN))
    columns = "() => [...document.querySelectorAll('.figures.several')].map(part => getComputedStyle(part).display)"
    assert set(page.evaluate(columns)) == {"block"}
    page.emulate_media(media="screen")
    page.evaluate(TOLD, "afterprint")
    assert page.evaluate(OPEN) == folded
    page.wait_for_timeout(500)
    assert page.evaluate(WIDTHS) == pytest.approx(before, abs=2)
