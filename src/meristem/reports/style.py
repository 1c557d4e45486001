"""How figures and numbers look: colours, labels, axes; the one place for it.

Figures are plain data in the format of Plotly, so that Plotly is needed only where one is drawn.
Colours: Okabe and Ito, "Color Universal Design" (2008), told apart by the colour-blind; scales: Cividis.
"""

from __future__ import annotations

import html
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from meristem.reports.card import Figure
from meristem.reports.ticks import log_ticks, round_step, sample_evenly
from meristem.space import Choice, Fixed, Float, Int
from meristem.space.parameters import Parameter
from meristem.trial import Trial

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8A8F98",
)  # fmt: skip
FAINT = "rgba(0,114,178,0.18)"
SCALE = "Cividis"
NEUTRAL = "#C9CDD2"  # where all values are equal, and none is good or bad
T = TypeVar("T")
MOST_DOTS = 1500  # of one kind in a figure
_MOST_HOVERS = 300
STATUS_COLOURS = {
    "completed": BLUE, "failed": RED, "stopped": ORANGE, "running": SKY, "waiting": GREY, "abandoned": PURPLE,
}  # fmt: skip
_GRID, _INK = "#E6E8EB", "#22262B"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Noto Sans', sans-serif"
_DIGITS = 6  # of numbers in figures: more than a screen shows, and half the bytes


def plain(text: Any, longest: int = 200) -> str:
    """One line of text, control characters escaped, cut with an ellipsis."""
    shown = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False, default=str)
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown[: longest + 1])
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def label(text: Any, longest: int = 28) -> str:
    """Text for a figure: Plotly reads `<b>` and the like in it, which no name may do."""
    return html.escape(plain(text, longest), quote=False)


def number(value: Any, digits: int = 4) -> str:
    """A value as people read it: so many significant digits, thousands separated, text as it is."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return plain(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**12 else f"{value:.4g}"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if not 1e4 <= abs(value) < 1e9:
        return f"{value:.{digits}g}"
    decimals = max(0, digits - len(f"{abs(value):.0f}"))
    return f"{value:,.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:,.0f}"


def fact(value: Any) -> str:
    """A value of a report's head: whole numbers as they are, for they are names (a seed), not amounts."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else number(value)


def percent(share: float) -> str:
    return "" if math.isnan(share) else f"{100 * share:.3g} %"


def seconds(value: float) -> str:
    """A duration: 0.12 s, 3.4 min, 2.5 h, 3.1 d."""
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if abs(value) < limit:
            return f"{value / size:.3g} {unit}"
    return f"{value / 86400:.3g} d"


def time_unit(longest: float) -> tuple[float, str]:
    """By what to divide seconds on an axis up to `longest`, and the unit's name."""
    for limit, size, unit in ((180, 1, "seconds"), (7200, 60, "minutes"), (172800, 3600, "hours")):
        if longest < limit:
            return float(size), unit
    return 86400.0, "days"


def rounded(values: Sequence[Any]) -> list[Any]:
    """Numbers for a figure; what is not finite is a gap."""
    return [_short(value) for value in values]


def _short(value: Any) -> Any:
    if isinstance(value, (bool, str)) or value is None:
        return value
    as_float = float(value)
    return float(f"{as_float:.{_DIGITS}g}") if math.isfinite(as_float) else None


def figure(traces: Sequence[Mapping[str, Any]], *, height: int = 380, about: str = "", **layout: Any) -> Figure:
    """A figure in Meristem's style; `layout` as in Plotly.

    Args:
        about: What of its card it shows, such as a parameter; names it where it stands alone.
    """
    if about:
        layout["meta"] = {**layout.get("meta", {}), "about": label(about, 80)}
    given = {name: dict(layout.pop(name, {})) for name in ("xaxis", "yaxis")}
    marks = [_mark(name, side, text) for name, axis in given.items()
             for side, text in axis.pop("outside", {}).items() if text]  # fmt: skip
    if marks:
        layout["annotations"] = [*layout.get("annotations", ()), *marks]
    axes = {name: _axis(axis) for name, axis in given.items()}
    several = sum(1 for trace in traces if trace.get("showlegend", True) and trace.get("name")) > 1
    legend = layout.pop("showlegend", several)
    base: dict[str, Any] = {
        "height": height,
        "margin": {"l": 56, "r": 18, "t": 18 + 26 * ("title" in layout) + 26 * legend, "b": 48},
        "font": {"family": _FONT, "size": 12, "color": _INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "namelength": -1},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "xanchor": "left", "x": 0},
        "showlegend": legend,
    }
    if isinstance(layout.get("title"), str):
        layout["title"] = {"text": layout["title"], "font": {"size": 13}, "x": 0.02, "xanchor": "left", "y": 0.98,
                           "yanchor": "top"}  # fmt: skip
    return {"data": [dict(trace) for trace in traces], "layout": {**base, **axes, **layout}}


def _mark(axis: str, side: str, text: str) -> dict[str, Any]:
    """Says at an edge of the figure what lies beyond it."""
    place = 0.01 if side == "below" else 0.99
    x, y = (place, 0.5) if axis == "xaxis" else (0.5, place)
    sides = {0.01: ("left", "bottom"), 0.99: ("right", "top"), 0.5: ("center", "middle")}
    return {
        "text": text, "xref": "paper", "yref": "paper", "x": x, "y": y, "xanchor": sides[x][0], "yanchor": sides[y][1],
        "showarrow": False, "bgcolor": "rgba(255,255,255,0.85)", "borderpad": 3,
        "font": {"size": 11, "color": "#9A5B00"},
    }  # fmt: skip


def about_of(figure: Figure) -> str:
    """What of its card a figure shows, as text for figures; empty where it is the only one."""
    return str(figure["layout"].get("meta", {}).get("about", ""))


def _axis(given: Mapping[str, Any]) -> dict[str, Any]:
    base = {"automargin": True, "gridcolor": _GRID, "zeroline": False, "linecolor": "#B8BDC4", "showline": True,
            "ticks": "outside", "tickcolor": "#B8BDC4"}  # fmt: skip
    title = given.get("title")
    return {**base, **given, **({"title": {"text": title, "standoff": 10}} if isinstance(title, str) else {})}


def value_axis(title: str, values: Sequence[float] = ()) -> dict[str, Any]:
    """An axis for a metric: logarithmic where all values are above 0 and span more than three orders."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    wide = len(known) > 2 and min(known) > 0 and max(known) / min(known) > 1e3
    return {"title": label(title, 34), **(log_axis(min(known), max(known)) if wide else {})}


def count_axis(title: str, highest: int) -> dict[str, Any]:
    """An axis for whole numbers from 1, such as trials: no ticks between them."""
    return {"title": title, **({"tickmode": "linear", "tick0": 1, "dtick": 1} if highest <= 12 else {})}


def log_axis(low: float, high: float) -> dict[str, Any]:
    """A logarithmic axis from `low` to `high`, both above 0, with a little room at the ends."""
    ends = math.log10(low), math.log10(high)
    margin = 0.03 * ((ends[1] - ends[0]) or 1.0)
    ticks = log_ticks(low, high)
    return {
        "type": "log", "range": [ends[0] - margin, ends[1] + margin],
        "tickvals": ticks, "ticktext": [number(tick) for tick in ticks],
    }  # fmt: skip


def parameter_axis(name: str, parameter: Parameter, *, longest: int = 40) -> dict[str, Any]:
    """An axis for a parameter: logarithmic or by categories where it is; values by `parameter_values`."""
    axis: dict[str, Any] = {"title": label(name, longest)}
    match parameter:
        case Choice():
            kinds = labels(parameter.choices, 18)
            return {**axis, "type": "category", "categoryorder": "array", "categoryarray": kinds}
        case Fixed():
            return {**axis, "type": "category"}
        case Float(log=True) | Int(log=True):
            return {**axis, **log_axis(parameter.low, parameter.high)}
        case Float() | Int():
            margin = 0.03 * ((parameter.high - parameter.low) or 1.0)
            span = {"range": [parameter.low - margin, parameter.high + margin]}
            if isinstance(parameter, Float):
                return {**axis, **span}
            # Whole numbers have no ticks between them.
            return {**axis, **span, "tick0": 0, "dtick": round_step(parameter.low, parameter.high, most=8, whole=True)}
    return axis


def parameter_values(parameter: Parameter, values: Sequence[Any]) -> list[Any]:
    """Values of a parameter as its axis takes them."""
    if not isinstance(parameter, Choice):
        return [None if v is None else label(v, 18) if isinstance(parameter, Fixed) else _short(v) for v in values]
    names = labels(parameter.choices, 18)
    by_key = {json.dumps(choice, sort_keys=True): name for choice, name in zip(parameter.choices, names, strict=True)}
    return [by_key.get(json.dumps(value, sort_keys=True)) for value in values]


def labels(names: Sequence[Any], longest: int = 24) -> list[str]:
    """Labels for names, all different."""
    return [html.escape(name, quote=False) for name in short_names(names, longest)]


def short_names(names: Sequence[Any], longest: int) -> list[str]:
    """Names, cut where they are long, all different: those that begin alike lose their middle or what they share."""
    whole = [plain(name, 2000) for name in names]
    cut = [plain(name, longest) for name in names]
    for shorten in (_without_middle, _without_beginning):
        alike = {name for name, count in Counter(cut).items() if count > 1}
        if not alike:
            return cut
        those = [place for place, name in enumerate(cut) if name in alike]
        shorter = shorten([whole[place] for place in those], longest)
        if shorten is _without_beginning or len(set(shorter)) == len(shorter):
            for place, name in zip(those, shorter, strict=True):
                cut[place] = name
    return unique(cut)


def _without_middle(names: Sequence[str], longest: int) -> list[str]:
    end = (longest - 1) // 2
    return [n if len(n) <= longest else f"{n[: longest - 1 - end]}…{n[-end:]}" for n in names]


def _without_beginning(names: Sequence[str], longest: int) -> list[str]:
    skipped = _shared(min(names), max(names)) - longest // 3
    return [plain("…" + n[skipped:] if skipped > 0 else n, longest) for n in names]


def _shared(one: str, other: str) -> int:
    """With how many equal characters both begin."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def unique(names: Sequence[str]) -> list[str]:
    """The names, those that being cut has made equal told apart by a number."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def hover_of(parameters: Mapping[str, Any], *, most: int = 12) -> str:
    """A trial's parameters below each other, for hovering."""
    lines = [f"{label(name, 40)} = {label(number(value), 40)}" for name, value in list(parameters.items())[:most]]
    more = len(parameters) - most
    return "<br>".join([*lines, *([f"… {more} more"] if more > 0 else [])])


def some(items: Sequence[T], most: int = 300) -> list[T]:
    """At most `most` of the items, evenly: more dots in a figure hide each other, and make its page heavy."""
    return [items[place] for place in sample_evenly(len(items), most)]


def hovers(trials: Sequence[Trial], *, most: int = 10) -> list[str]:
    """What hovering over each trial tells: its parameters, where that does not make a page of many trials heavy."""
    if len(trials) > _MOST_HOVERS:
        return [""] * len(trials)
    return [hover_of(trial.parameters, most=most) for trial in trials]
