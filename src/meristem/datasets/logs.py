"""What is logged with a version: tables, plots and images, kept among its objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from meristem.datasets.keeping import keep
from meristem.datasets.objects import Objects
from meristem.errors import InputError
from meristem.tasks.reporting.json_values import dumps
from meristem.tasks.reporting.pictures import image_bytes, matplotlib_figure, plot_file, plotly_json, render
from meristem.tasks.reporting.tables import table_of


def log_table(objects: Objects, version: int, title: str, series: str, table: Any) -> None:
    """Keeps a table as JSON: its columns and rows."""
    with _refused("table"):
        data = dumps(table_of(table)).encode(errors="backslashreplace")
    _keep(objects, version, title, series, "table", data)


def log_plot(objects: Objects, version: int, title: str, series: str, figure: Any) -> None:
    """Keeps a plotly figure as JSON, a matplotlib figure as PNG, a picture's file as it is.

    Raises:
        InputError: It is no figure.
    """
    with _refused("plot"):
        kind, data = _plot(figure)
    _keep(objects, version, title, series, kind, data)


def log_image(objects: Objects, version: int, title: str, series: str, image: Any) -> None:
    """Keeps an image: a path, an array, a PIL image."""
    with _refused("image"):
        data, form = image_bytes(image)
    _keep(objects, version, title, series, form, data)


def _plot(figure: Any) -> tuple[str, bytes]:
    if (data := plotly_json(figure)) is not None:
        return "plotly", data
    if isinstance(figure, Path):
        return plot_file(figure)
    if (found := matplotlib_figure(figure)) is not None:
        return "png", render(found, "png")
    fix = "Give a matplotlib or plotly figure, the Path of a picture, or a dict with 'data' and 'layout'."
    raise InputError(f"No plot can be made of a {type(figure).__name__}.", fix=fix)


@contextmanager
def _refused(what: str) -> Iterator[None]:
    """What other libraries raise over what they were given is told as wrong input."""
    try:
        yield
    except (TypeError, ValueError, OSError) as error:
        raise InputError(f"No {what} can be made of what was given: {error}.") from error


def _keep(objects: Objects, version: int, title: str, series: str, kind: str, data: bytes) -> None:
    def note(name: str, epoch: int, packs: Sequence[str]) -> None:
        objects.store.datasets.log(version, str(title), str(series), kind, name, epoch=epoch, packs=packs)

    keep(objects, version, data, note)
