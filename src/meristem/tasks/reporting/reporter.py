"""The reporting face of a task: what a training calls. Everything goes to the spool; nothing waits for a store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, overload

from meristem.errors import InputError
from meristem.spool import REPORT_FILE
from meristem.tasks.reporting.artifacts import Kept, keep_artifact
from meristem.tasks.reporting.json_values import RESULT_LIMIT_CHARACTERS, dumps, plain
from meristem.tasks.reporting.kept_files import KeptFiles
from meristem.tasks.reporting.pictures import (
    PLOT_LIMIT_BYTES,
    SVG_LIMIT_BYTES,
    image_bytes,
    matplotlib_figure,
    plot_file,
    plotly_json,
    render,
)
from meristem.tasks.reporting.records import ReportLines
from meristem.tasks.reporting.tables import table_of

_INLINE_TEXT_BYTES = 4 << 10


class Reporter:
    """Reports scalars, plots, artifacts and more into a spool folder.

    A value that makes no sense raises InputError, as a mistake of the caller; a disk that is full, or a limit that is
    reached, is told of once, and the training goes on.

    Args:
        folder: The spool folder; made with the first report.
        lines: Where lines go; by default to `folder`/report.jsonl.
        files: Where big bytes go; by default to `folder`/files.
    """

    def __init__(self, folder: Path, *, lines: ReportLines | None = None, files: KeptFiles | None = None) -> None:
        self._lines = ReportLines(folder / REPORT_FILE) if lines is None else lines
        self._files = KeptFiles(folder) if files is None else files

    def report(self, step: int | None = None, **metrics: Any) -> None:
        """Reports metrics, at `step` or (without one) as final values; the same as `trial.report`.

        Args:
            metrics: Numbers, or pairs (mean, standard error); NaN and infinity are taken.

        Raises:
            InputError: A metric is neither a number nor such a pair.
        """
        self._lines.scalars(step, metrics)

    def report_scalar(self, title: str, series: str, value: float, step: int | None = None) -> None:
        """Reports one point of the curve `series` in the diagram `title`; about a microsecond."""
        self._lines.scalar(title, series, value, step)

    def report_table(self, title: str, series: str, table: Any, step: int | None = None) -> None:
        """Reports a table: a DataFrame, a dict of columns, a list of rows or of dicts, an array of two dimensions.

        Its first 10,000 rows are shown; `upload_artifact` keeps them all.
        """
        data = dumps(table_of(table)).encode()
        self._show("table", title, series, step, "json", data)

    def report_plot(self, title: str, series: str, figure: Any, step: int | None = None) -> None:
        """Reports a matplotlib figure (as PNG, and as SVG where that is small), a plotly figure or a dict of its form.

        The path of a picture that was drawn already, PNG or SVG, is taken too.

        Raises:
            InputError: It is no figure, or larger than pages can show.
        """
        if (data := plotly_json(figure)) is not None:
            self._show("plot", title, series, step, "plotly", data)
            return
        if isinstance(figure, Path):
            self._show("plot", title, series, step, *plot_file(figure))
            return
        found = matplotlib_figure(figure)
        if found is None:
            raise InputError(
                f"report_plot() got a {type(figure).__name__}.",
                fix="Give a matplotlib or plotly figure, or a dict with 'data' and 'layout'.",
            )
        png, svg = render(found, "png"), render(found, "svg")
        vector = self._files.keep_shown("plots", title, ".svg", svg) if len(svg) <= SVG_LIMIT_BYTES else None
        extra = {} if vector is None else {"vector": {"file": vector, "bytes": len(svg)}}
        self._show("plot", title, series, step, "png", png, **extra)

    def report_image(self, title: str, series: str, image: Any, step: int | None = None) -> None:
        """Reports an image: a path, an array or tensor, a PIL image.

        Args:
            image: Arrays are H x W, H x W x C or C x H x W with 1, 3 or 4 channels; bytes 0..255 or numbers 0..1.
        """
        data, form = image_bytes(image)
        if len(data) > PLOT_LIMIT_BYTES:
            raise InputError(f"The image {title} has {len(data):,} bytes; the limit is {PLOT_LIMIT_BYTES:,}.")
        self._show("image", title, series, step, form, data)

    @overload
    def report_text(
        self, title: str, text: str, *, series: str | None = None, step: int | None = None, markdown: bool = False
    ) -> None: ...
    @overload
    def report_text(
        self, title: str, series: str, text: str, step: int | None = None, *, markdown: bool = False
    ) -> None: ...

    def report_text(self, title: str, *given: Any, markdown: bool = False, **named: Any) -> None:
        """Reports a text, plain or Markdown, which pages show under its title and series.

        Like its siblings it takes (title, series, text, step); with (title, text) alone the series is called like the
        title.

        Raises:
            InputError: It is given neither the one nor the other.
        """
        series, text, step = _text_given(title, given, named)
        form, data = "markdown" if markdown else "text", str(text).encode("utf-8", "backslashreplace")
        if len(data) > _INLINE_TEXT_BYTES:
            self._show("text", title, series, step, form, data)
            return
        self._lines.record("text", **_placed(title, series, step), format=form, text=data.decode())

    def upload_artifact(self, name: str, artifact: Any, metadata: Mapping[str, Any] | None = None) -> None:
        """Keeps a file, a folder (as zip), a DataFrame (csv), an array (npy), JSON values, or (last) a pickle.

        It is a copy: what happens to the object later does not change it. The same name again replaces it.

        Raises:
            InputError: A path that does not exist, an object that cannot be written.
        """
        self._keep("artifact", name, artifact, metadata)

    def log_input_model(
        self, name: str, model: str | Path, *, framework: str = "", metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Notes a model that the training starts from, by path or URL; it stays where it is."""
        path = Path(model)
        url = path.absolute().as_uri() if isinstance(model, Path) or path.exists() else model
        kept = Kept(form="url", file=None, url=url)
        self._record_artifact("input_model", name, kept, {**(metadata or {}), "framework": framework})

    def log_output_model(
        self, name: str, model: Any, *, framework: str = "", metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Keeps a model that the training made: a file or folder, a URL, or an object that can be pickled."""
        self._keep("output_model", name, model, {**(metadata or {}), "framework": framework})

    def set_progress(self, fraction: float) -> None:
        """Says how far the training is, from 0 to 1."""
        if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 <= fraction <= 1:
            raise InputError(f"set_progress() got {fraction!r:.60}.", fix="Progress is a number from 0 to 1.")
        self._lines.record("progress", value=float(fraction))

    def add_tags(self, *tags: str) -> None:
        """Adds tags to the task."""
        self._lines.record("tags", add=list(map(str, tags)), remove=[])

    def remove_tags(self, *tags: str) -> None:
        """Takes tags from the task."""
        self._lines.record("tags", add=[], remove=list(map(str, tags)))

    def set_comment(self, text: str) -> None:
        """Replaces the task's comment."""
        self._lines.record("comment", text=str(text))

    def set_result(self, value: Any) -> None:
        """Sets what the task came to: a JSON value, up to half a megabyte.

        Raises:
            InputError: It has no JSON form, or is larger: keep it with upload_artifact().
        """
        try:
            dumps(value, limit_characters=RESULT_LIMIT_CHARACTERS)
            ready = plain(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(
                f"set_result() got a {type(value).__name__} that cannot be kept: {error}.",
                fix="A result is a small JSON value; larger things are kept by upload_artifact().",
            ) from None
        self._lines.record("result", value=ready)

    def flush(self) -> None:
        """Writes what waits in memory to the spool; needed by nobody but tests and readers in a hurry."""
        self._lines.flush()

    def _show(self, kind: str, title: str, series: str, step: int | None, form: str, data: bytes, **extra: Any) -> None:
        """Keeps bytes that pages show, and reports where they are."""
        fields = _placed(title, series, step)
        suffix = {"plotly": ".json", "text": ".txt", "markdown": ".md"}.get(form, f".{form}")
        kept = self._files.keep_shown(f"{kind}s", str(title), suffix, data)
        if kept is not None:
            self._lines.record(kind, **fields, format=form, file=kept, bytes=len(data), **extra)

    def _keep(self, role: str, name: str, given: Any, metadata: Mapping[str, Any] | None) -> None:
        metadata = _metadata(name, metadata)
        kept = keep_artifact(self._files, str(name), given)
        if kept.file is not None or kept.url is not None:
            self._record_artifact(role, name, kept, metadata)

    def _record_artifact(self, role: str, name: str, kept: Kept, metadata: Mapping[str, Any] | None) -> None:
        if not str(name).strip():
            raise InputError("An artifact or model needs a name.")
        fields: dict[str, Any] = {"name": str(name), "role": role, "format": kept.form}
        if kept.file is None:
            fields["url"] = kept.url
        else:
            fields.update(file=kept.file, bytes=self._files.path_of(kept.file).stat().st_size)
        self._lines.record("artifact", **fields, metadata=_metadata(name, metadata), preview=kept.preview)


def _text_given(title: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[str, Any, int | None]:
    """Series, text and step of (title, text), (title, series, text) or (title, series, text, step)."""
    order = ("text",) if len(given) == 1 and "text" not in named else ("series", "text", "step")
    values: dict[str, Any] = {**dict(zip(order, given, strict=False)), **named}
    too_many = len(given) > len(order) or set(order[: len(given)]) & set(named)
    if too_many or "text" not in values or values.keys() - {"series", "text", "step"}:
        raise InputError(
            "report_text() takes a title, a series and a text.", fix='Call report_text("notes", "run", "The text.").'
        )
    series = values.get("series")
    return title if series is None else str(series), values["text"], values.get("step")


def _placed(title: str, series: str, step: int | None) -> dict[str, Any]:
    if not str(title).strip():
        raise InputError("A report needs a title.")
    if step is not None and (isinstance(step, bool) or int(step) != step):
        raise InputError(f"A report got step={step!r:.60}.", fix="A step is a whole number.")
    return {"title": str(title), "series": str(series), "step": None if step is None else int(step)}


def _metadata(name: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        return {key: value for key, value in plain(dict(given or {})).items() if value != ""}
    except (TypeError, ValueError) as error:
        raise InputError(f"The metadata of {name} cannot be kept: {error}.", fix="Give JSON values.") from None
