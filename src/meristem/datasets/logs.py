"""What is logged with a version: tables, plots and images, kept among the store's blobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from meristem.errors import InputError
from meristem.store.store import Store
from meristem.tasks.reporting.json_values import dumps
from meristem.tasks.reporting.pictures import image_bytes, matplotlib_figure, plot_file, plotly_json, render
from meristem.tasks.reporting.tables import table_of


def log_table(store: Store, version: int, title: str, series: str, table: Any) -> None:
    """Keeps a table as JSON: its columns and rows."""
    _keep(store, version, title, series, "table", dumps(table_of(table)).encode())


def log_plot(store: Store, version: int, title: str, series: str, figure: Any) -> None:
    """Keeps a plotly figure as JSON, a matplotlib figure as PNG, a picture's file as it is.

    Raises:
        InputError: It is no figure.
    """
    if (data := plotly_json(figure)) is not None:
        _keep(store, version, title, series, "plotly", data)
    elif isinstance(figure, Path):
        _keep(store, version, title, series, *plot_file(figure))
    elif (found := matplotlib_figure(figure)) is not None:
        _keep(store, version, title, series, "png", render(found, "png"))
    else:
        raise InputError(
            f"log_plot() got a {type(figure).__name__}.",
            fix="Give a matplotlib or plotly figure, or a dict with 'data' and 'layout'.",
        )


def log_image(store: Store, version: int, title: str, series: str, image: Any) -> None:
    """Keeps an image: a path, an array, a PIL image."""
    data, form = image_bytes(image)
    _keep(store, version, title, series, form, data)


def _keep(store: Store, version: int, title: str, series: str, kind: str, data: bytes) -> None:
    store.datasets.log(version, str(title), str(series), kind, store.blobs.put(data))
