"""What tasks put out, as values: one shipment of it to the store, and how it is read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CONSOLE_HALF_BYTES = 16 << 20  # of an attempt's console are kept: this much of its beginning, and of its end


class PositionsMoved(Exception):
    """Another shipper has shipped from this spool meanwhile: read the positions again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """How much of an attempt's spool is in the store, in bytes of its files."""

    report: int = 0
    console: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """New points of one metric, as columns of equal length.

    Attributes:
        steps: Each at most once; `tables.NO_STEP` for a final value.
        values: May be NaN or infinite.
        at: Seconds since the epoch, on the training's clock.
        count: How often a value was reported: more than `steps` where a step was reported again.
    """

    title: str
    series: str
    steps: Sequence[int]
    values: Sequence[float]
    at: Sequence[float]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A plot, table, image or text of a task; the same title, series and step again replaces it.

    Attributes:
        kind: `plot`, `table`, `image` or `text`.
        format: Of its bytes: `plotly`, `png`, `svg`, `json`, `jpeg`, `text`, `markdown`.
        blob: Name of its bytes in the blob store; None where `text` holds it.
        vector: Of a plot whose bytes are pixels: the same as SVG, in the blob store.
    """

    kind: str
    title: str
    series: str
    format: str
    step: int | None = None
    text: str | None = None
    blob: str | None = None
    vector: str | None = None
    size_bytes: int = 0
    at: float = 0.0
    attempt: int = 0  # where it was read back


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSummary:
    """All reports of one kind, title and series.

    Attributes:
        count: How many, of all steps.
        format: Of the latest.
        size_bytes: Of all together.
        last_step: None where none has a step.
    """

    kind: str
    title: str
    series: str
    count: int
    format: str
    size_bytes: int
    last_step: int | None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A named file that a task put out or took in; the same role and name again replaces it.

    Attributes:
        role: `artifact`, `input_model`, `output_model` or `configuration`.
        format: `file`, `zip`, `csv`, `npy`, `json`, `pickle` …
        blob: Name of its bytes in the blob store; None where `url` says where it is.
        preview: Short text.
    """

    role: str
    name: str
    format: str
    blob: str | None = None
    url: str | None = None
    size_bytes: int | None = None
    preview: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    at: float = 0.0
    attempt: int = 0  # where it was read back


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """A piece of an attempt's spool, written whole or not at all.

    Attributes:
        worker: Session of whoever runs the attempt; with the fence, it tells the attempt from all others.
        before, after: What of the spool was in the store before it, and is after it.
        console: What was printed, as text.
        console_left_out: Bytes of console output before `console` that are not shipped.
        parameters: Newly connected values; those that the store has win where `parameters_yield`.
        source, environment: What was found out later of what runs, in place of what the task has of these names.
        result: JSON value, where `has_result`.
    """

    number: int
    fence: int
    worker: str
    before: Positions
    after: Positions
    curves: Sequence[Curve] = ()
    console: Sequence[str] = ()
    console_left_out: int = 0
    reports: Sequence[Report] = ()
    artifacts: Sequence[Artifact] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    parameters_yield: bool = False
    source: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    add_tags: Sequence[str] = ()
    remove_tags: Sequence[str] = ()
    comment: str | None = None
    progress: float | None = None
    result: Any = None
    has_result: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSummary:
    """One metric of an attempt in short.

    Attributes:
        last: Its final value where it has one, else that of the highest step.
        last_step: None where `last` is a final value.
        min, max: Over finite values; None where there is none.
    """

    title: str
    series: str
    count: int
    last: float
    last_step: int | None
    min: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric. `step` is None for a final value."""

    step: int | None
    value: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleChunk:
    """A piece of console output as it was printed. `number` grows: the cursor for reading on."""

    number: int
    text: str
    at: float = 0.0
