"""How classes of file sizes are called."""

from __future__ import annotations

from meristem.datasets.previews.survey import SIZE_BOUNDS
from meristem.datasets.previews.wording import bytes_text


def size_labels() -> list[str]:
    """Of `Preview.sizes`, in its order."""
    bounds = [bytes_text(bound) for bound in SIZE_BOUNDS[1:]]
    return ["empty", f"up to {bounds[0]}", *(f"up to {bound}" for bound in bounds[1:]), f"over {bounds[-1]}"]
