"""Card: what one analysis says, as a value; its table holds numbers as the API gives them, unrounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

Figure: TypeAlias = Mapping[str, Any]  # `data` and `layout` in the format of Plotly, as plain data


class Level(StrEnum):
    """How urgent it is to read a card."""

    INFO = "info"
    GOOD = "good"  # a check that found nothing wrong
    WARNING = "warning"
    ERROR = "error"


class Group(StrEnum):
    """The parts of a report, in its order."""

    RESULTS = "Results"
    INSIGHTS = "Insights"
    DIAGNOSTICS = "Diagnostics"
    HEALTH = "Health checks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows below a header; None is an empty cell.

    Attributes:
        most: How many rows a page shows; JSON has all.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    most: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What an analysis found.

    Attributes:
        note: What it comes to, in a sentence or two.
    """

    note: str = ""
    table: Table | None = None
    figures: Sequence[Figure] = ()
    level: Level = Level.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One analysis of a study.

    Attributes:
        name: Of the analysis; with several objectives followed by the objective, unique in a report.
        explanation: How to read it.
        figures: In the format of Plotly, as plain data: `plotly.graph_objects.Figure(card.figure)` edits one.
    """

    name: str
    title: str
    group: Group
    explanation: str
    note: str = ""
    table: Table | None = None
    figures: Sequence[Figure] = ()
    level: Level = Level.INFO

    @property
    def figure(self) -> Figure | None:
        """The first figure, if there is one."""
        return self.figures[0] if self.figures else None

    def to_json(self) -> dict[str, Any]:
        """The card as plain data."""
        table = None if self.table is None else {"columns": self.table.columns, "rows": self.table.rows}
        return {
            "name": self.name,
            "title": self.title,
            "group": self.group.value,
            "level": self.level.value,
            "explanation": self.explanation,
            "note": self.note,
            "table": table,
            "figures": list(self.figures),
        }

    def _repr_html_(self) -> str:
        """Shown in notebooks."""
        from meristem.reports.frame import framed  # both are made of cards
        from meristem.reports.page import page_of

        return framed(page_of(self.title, (), [self]), height=640)
