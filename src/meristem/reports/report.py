"""Report: all cards of a study with a short head, to be written as HTML, Markdown, JSON or PNG."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meristem import __version__
from meristem.errors import InputError
from meristem.reports.card import Card
from meristem.reports.catalogue import chosen
from meristem.reports.evidence import Evidence
from meristem.reports.frame import framed
from meristem.reports.markdown import markdown_of
from meristem.reports.style import number
from meristem.study.results import Results
from meristem.trial import Trial

Doing = Callable[[str, int, int], None]  # what is made, its place from 0, of how many


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a study found, explained.

    Attributes:
        head: What the study is, as names and values.
        cards: In the order of the report.
    """

    title: str
    head: Sequence[tuple[str, Any]]
    cards: Sequence[Card]

    def __getitem__(self, name: str) -> Card:
        """The card of one analysis, such as `report["trace"]`."""
        for card in self.cards:
            if card.name == name:
                return card
        known = ", ".join(card.name for card in self.cards)
        raise InputError(f"The report has no card {name!r}.", fix=f"Known: {known}.")

    def html(self, path: str | Path) -> Path:
        """Writes one file that needs nothing else: figures, tables, and what draws them.

        Raises:
            InputError: Plotly is not installed, or the file cannot be written.
        """
        return written(Path(path), self._page())

    def markdown(self) -> str:
        """The report without its figures."""
        return markdown_of(self.title, self.head, self.cards)

    def json(self) -> str:
        """All numbers, unrounded, and the figures in the format of Plotly. NaN and infinity are texts."""
        return json.dumps(_clean(self.to_json()), indent=1, ensure_ascii=False, allow_nan=False, default=str)

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {"title": self.title, "study": dict(self.head), "cards": [card.to_json() for card in self.cards]}

    def png(self, folder: str | Path, *, doing: Doing | None = None) -> list[Path]:
        """Draws every figure into a file of its own, named after its card and what it shows.

        Args:
            doing: Is told of each figure before it is drawn.

        Raises:
            InputError: Plotly, kaleido or a browser is not installed, or a file cannot be written.
        """
        from meristem.reports.png import draw  # brings Plotly and a browser

        return draw(self.title, self.cards, Path(folder), doing=doing)

    def _repr_html_(self) -> str:
        """Shown in notebooks."""
        return framed(self._page())

    def __repr__(self) -> str:
        return f"{self.title}: {len(self.cards)} cards ({', '.join(card.name for card in self.cards)})"

    def _page(self) -> str:
        from meristem.reports.page import page_of  # reads Plotly's JavaScript, which is large

        return page_of(self.title, self.head, self.cards)


def report_of(study: Results, *, doing: Doing | None = None) -> Report:
    """The report of a study as it stands; no analysis that fails keeps it from being made.

    Args:
        doing: Is told of each analysis before it is made.
    """
    evidence = Evidence(study)
    wanted, cards = list(chosen(evidence)), []
    for place, (analysis, objective) in enumerate(wanted):
        if doing is not None:
            doing(analysis.title, place, len(wanted))
        cards.append(analysis.card_of(evidence, objective))
    return Report(title=f"Study {study.name}", head=_head(evidence), cards=cards)


def _head(evidence: Evidence) -> list[tuple[str, Any]]:
    study, goals = evidence.study, evidence.goals
    row = study.store.studies.get(study.name)
    counts = study.counts()
    controller = row.definition["controller"]
    pairs = [
        ("objective", str(goals)),
        ("limits", ", ".join(map(str, goals.constraints))),
        ("thresholds", ", ".join(f"{name} {number(value)}" for name, value in goals.thresholds.items())),
        *_best(evidence),
        (
            "trials",
            f"{sum(counts.values())} ({', '.join(f'{n} {s}' for s, n in sorted(counts.items())) or 'none yet'})",
        ),
        ("status", str(study.status.value) + (f": {row.message}" if row.message else "")),
        ("controller", controller.get("name") or controller.get("path") or controller.get("object")),
        ("seed", row.definition["seed"]),
        ("learns from", ", ".join(row.definition.get("warm_start", ()))),
        ("created", _time(row.created_at)),
        ("last change", _time(row.updated_at)),
        ("made by", f"Meristem {__version__}"),
    ]
    return [(name, value) for name, value in pairs if value not in ("", None)]


def _best(evidence: Evidence) -> list[tuple[str, Any]]:
    if not evidence.leaders:
        return [("best", "none yet")]
    if evidence.goals.single:
        best = evidence.leaders[0]
        value = evidence.value(best, evidence.goals.objectives[0])
        return [("best value", value), ("best trial", _described(best))]
    return [("Pareto front", f"{len(evidence.leaders)} trials")]


def _described(trial: Trial) -> str:
    return f"{trial.number}: " + ", ".join(f"{name} = {number(value)}" for name, value in trial.parameters.items())


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _clean(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(key): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, (list, tuple)) else value


def written(path: Path, text: str) -> Path:
    """`path`, with the text in it; where that fails, what was there before stays.

    Raises:
        InputError: It cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_text(text, encoding="utf-8", errors="backslashreplace")
        beside.replace(path)
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            beside.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written: {error}.") from error
    return path
