"""Where Plotly comes from: the one place that imports it, and that says what to install where it is missing."""

from __future__ import annotations

from functools import cache

from meristem.errors import InputError


@cache
def plotly_js() -> str:
    """Plotly's JavaScript, as the installed package brings it; nothing is fetched.

    Raises:
        InputError: Plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs  # optional
    except ImportError as error:
        raise InputError(
            "A report with figures needs plotly.",
            fix="pip install 'meristem[reports]'; Markdown and JSON work without it.",
        ) from error
    return str(get_plotlyjs())
