"""What a script writes for TensorBoard is reported by the task too: scalars, images, texts, histograms.

All writers for Python (torch.utils.tensorboard, tensorboardX, Lightning's, Keras before 3) hand events to an
`EventFileWriter`; that is where they are heard. Events are read as the protocol buffers that they are
(tensorflow/core/util/event.proto), whichever library's classes they have.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from pathlib import PurePath
from types import ModuleType
from typing import Any

from meristem.tasks.reporting.hooks.import_hooks import when_imported
from meristem.tasks.reporting.hooks.patching import call_after
from meristem.tasks.reporting.reporter import Reporter
from meristem.tasks.spool_folder import title_and_series

_WRITERS = ("tensorboard.summary.writer.event_file_writer", "tensorboardX.event_file_writer")
_STRUCT = {1: "f", 2: "d", 3: "i", 9: "q"}  # DT_FLOAT, DT_DOUBLE, DT_INT32, DT_INT64 of types.proto
_PARTS = {"train", "training", "validation", "valid", "val", "test", "eval"}
_LONGEST_HISTOGRAM = 512  # bars


class TensorboardHook:
    """Captures events on their way to files, which are written as ever."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._folders: list[str] = []  # that are written to, in order of their first event

    def install(self) -> Callable[[], None]:
        """Returns what undoes it."""
        undo: list[Callable[[], None]] = []

        def patch(module: ModuleType) -> None:
            undo.append(call_after(module.EventFileWriter, "add_event", self._added))

        undo += [when_imported(name, patch) for name in _WRITERS]

        def uninstall() -> None:
            for step in undo:
                step()

        return uninstall

    def _added(self, writer: Any, event: Any, *args: Any, **named: Any) -> None:
        values = getattr(getattr(event, "summary", None), "value", ())
        if not values:
            return
        get_folder = getattr(writer, "get_logdir", None)
        folder = str(get_folder()) if callable(get_folder) else str(getattr(writer, "_logdir", ""))
        if folder not in self._folders:
            self._folders.append(folder)
        for value in values:
            self._take(value, folder, int(event.step))

    def _take(self, value: Any, folder: str, step: int) -> None:
        title, series = placed(str(value.tag), folder, self._folders[0])
        kind = _kind(value)
        if kind == "scalar":
            self._reporter.report_scalar(title, series, _scalar(value), step)
        elif kind == "image":
            for number, picture in enumerate(_pictures(value)):
                self._reporter.report_image(title, series if number == 0 else f"{series} {number}", picture, step)
        elif kind == "text":
            text = "\n".join(part.decode("utf-8", "replace") for part in value.tensor.string_val)
            self._reporter.report_text(title, text, series=series, step=step, markdown=True)
        elif kind == "histogram":
            self._reporter.report_plot(title, series, histogram(title, value.histo), step)


def placed(tag: str, folder: str, first_folder: str) -> tuple[str, str]:
    """Title and series of a tag that was written to `folder`.

    Several folders are several runs in TensorBoard, often of one training: `add_scalars` makes one for each of its
    lines, named TAG_LINE (torch) or TAG/LINE (tensorboardX), and Keras one each for train and validation. Here they are
    series of one diagram.
    """
    tag = tag.removesuffix("/text_summary")
    name = PurePath(folder).name
    prefix = tag.replace("/", "_") + "_"
    if name.startswith(prefix):
        return tag, name[len(prefix) :]
    if folder != first_folder and PurePath(folder).parent == PurePath(first_folder, tag):
        return tag, name
    if name.lower() in _PARTS:
        return tag, name
    if folder != first_folder:
        title, series = title_and_series(tag)
        return title, f"{series} ({name})" if series != title else name
    return title_and_series(tag)


def histogram(title: str, histo: Any) -> dict[str, Any]:
    """A histogram of an event as a plotly figure: bars between the limits of its buckets."""
    limits, counts = list(histo.bucket_limit), list(histo.bucket)
    known = [(left, right, count) for left, right, count in _bars(limits, counts, histo.min) if count > 0]
    shown = known[:: max(1, len(known) // _LONGEST_HISTOGRAM)]
    bars = {
        "type": "bar",
        "x": [(left + right) / 2 for left, right, _ in shown],
        "width": [max(right - left, 1e-12) for left, right, _ in shown],
        "y": [count for _, _, count in shown],
    }
    return {"data": [bars], "layout": {"title": {"text": title}, "bargap": 0}}


def _bars(limits: list[float], counts: list[float], lowest: float) -> Iterable[tuple[float, float, float]]:
    left = lowest
    for right, count in zip(limits, counts, strict=False):
        if abs(right) < 1e300:  # the outermost bucket has no end
            yield min(left, right), right, count
            left = right


def _kind(value: Any) -> str:
    which = value.WhichOneof("value")
    if which == "simple_value":
        return "scalar"
    if which == "image":
        return "image"
    if which == "histo":
        return "histogram"
    if which != "tensor":
        return ""
    plugin = value.metadata.plugin_data.plugin_name
    return {"scalars": "scalar", "images": "image", "text": "text"}.get(plugin, "")


def _scalar(value: Any) -> float:
    if value.WhichOneof("value") == "simple_value":
        return float(value.simple_value)
    tensor = value.tensor
    for field in ("float_val", "double_val", "int_val", "int64_val"):
        if numbers := getattr(tensor, field, ()):
            return float(numbers[0])
    return float(struct.unpack_from("<" + _STRUCT[tensor.dtype], tensor.tensor_content)[0])


def _pictures(value: Any) -> list[bytes]:
    if value.WhichOneof("value") == "image":
        return [bytes(value.image.encoded_image_string)]
    return [bytes(part) for part in value.tensor.string_val[2:]]  # width and height come first
