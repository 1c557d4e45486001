"""How much of an objective's variation over the space is due to each parameter: alone, in pairs, in all."""

from __future__ import annotations

from collections.abc import Sequence

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Figure, Finding, Group, Table
from meristem.reports.evidence import Evidence
from meristem.reports.style import BLUE, ORANGE, PURPLE, figure, label, labels, number, rounded

MOST, MOST_PAIRS = 20, 10
_LEAST_PAIR = 0.005


@analysis(
    "Sensitivity",
    Group.INSIGHTS,
    "Sobol indices of the model: shares of the objective's variation over the whole space. Total is what a parameter "
    "causes alone and together with others, first what it causes alone; where total is much larger, look at the "
    "pairs (second order: what two cause together beyond their shares alone). A total near 0 means that the "
    "parameter may be fixed.",
    each_objective=True,
)
def sensitivity(evidence: Evidence, objective: Objective) -> Finding:
    shares = evidence.shares(objective)
    names = evidence.ranked(objective)
    if not any(shares.total.values()):
        return Finding(note="The model sees no effect of any parameter: all variation looks like noise.")
    shown = names[:MOST][::-1]
    places, texts = labels(shown), [label(name, 200) for name in shown]
    bars = [_bars(word, places, [part[n] for n in shown], texts, colour)
            for word, part, colour in (("first", shares.first, ORANGE), ("total", shares.total, BLUE))]  # fmt: skip
    axis = {"title": "share of the variation", "rangemode": "tozero"}
    drawn: list[Figure] = [
        figure(bars, height=130 + 34 * len(shown), barmode="group", xaxis=axis, yaxis={"type": "category"},
               legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "reversed"})
    ]  # fmt: skip
    pairs = sorted(shares.second.items(), key=lambda item: -item[1])
    strong = [(pair, share) for pair, share in pairs[:MOST_PAIRS] if share >= _LEAST_PAIR][::-1]
    if strong:
        short = dict(zip(names, labels(names, 14), strict=True))
        both = [f"{short[a]} × {short[b]}" for (a, b), _ in strong]
        whole = [f"{label(a, 200)} × {label(b, 200)}" for (a, b), _ in strong]
        bar = _bars("second", both, [share for _, share in strong], whole, PURPLE)
        across = {**axis, "title": "share due to pairs"}
        drawn.append(figure([bar], about="pairs", height=130 + 26 * len(strong), xaxis=across,
                            yaxis={"type": "category"}))  # fmt: skip
    rows: list[list[object]] = [[name, shares.first[name], shares.total[name]] for name in names]
    rows += [[f"{a} × {b}", share, None] for (a, b), share in reversed(strong)]
    top = names[0]
    note = f"{top} has the largest total share, {number(shares.total[top])}; alone it has {number(shares.first[top])}."
    note += evidence.caution(objective)
    return Finding(note=note, figures=drawn, table=Table(columns=["parameter or pair", "alone", "total"], rows=rows))


def _bars(
    name: str, places: Sequence[str], shares: Sequence[float], texts: Sequence[str], colour: str
) -> dict[str, object]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "x": rounded(shares),
        "y": list(places),
        "marker": {"color": colour},
        "hovertext": list(texts),
        "hovertemplate": f"%{{hovertext}}, {name}: %{{x}}<extra></extra>",
    }
