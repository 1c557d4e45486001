"""What is logged with a version: tables, plots and images, kept among its objects."""

from __future__ import annotations

from collections.abc import Sequence
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
    _keep(objects, version, title, series, "table", dumps(table_of(table)).encode())


def log_plot(objects: Objects, version: int, title: str, series: str, figure: Any) -> None:
    """Keeps a plotly figure as JSON, a matplotlib figure as PNG, a picture's file as it is.

    Raises:
        InputError: It is no figure.
    """
    if (data := plotly_json(figure)) is not None:
        _keep(objects, version, title, series, "plotly", data)
    elif isinstance(figure, Path):
        _keep(objects, version, title, series, *plot_file(figure))
    elif (found := matplotlib_figure(figure)) is not None:
        _keep(objects, version, title, series, "png", render(found, "png"))
    else:
        raise InputError(
            f"log_plot() got a {type(figure).__name__}.",
            fix="Give a matplotlib or plotly figure, or a dict with 'data' and 'layout'.",
        )


def log_image(objects: Objects, version: int, title: str, series: str, image: Any) -> None:
    """Keeps an image: a path, an array, a PIL image."""
    data, form = image_bytes(image)
    _keep(objects, version, title, series, form, data)


def _keep(objects: Objects, version: int, title: str, series: str, kind: str, data: bytes) -> None:
    def note(name: str, epoch: int, packs: Sequence[str]) -> None:
        objects.store.datasets.log(version, str(title), str(series), kind, name, epoch=epoch, packs=packs)

    keep(objects, version, data, note)
