"""Which parameters make the best trials good, from the trials alone."""

from __future__ import annotations

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Table
from meristem.reports.evidence import Evidence
from meristem.reports.style import BLUE, figure, label, labels, number, rounded

MOST = 20


@analysis(
    "Importance",
    Group.INSIGHTS,
    "How differently each parameter is distributed among the best tenth of the trials than over the space; shares of "
    "1. It needs no model (PED-ANOVA, Watanabe et al. 2023) and is about being among the best, where sensitivity is "
    "about the whole range: a parameter of which only one wrong value hurts is sensitive, but not important.",
    each_objective=True,
)
def importance(evidence: Evidence, objective: Objective) -> Finding:
    found = evidence.importance(objective)
    rows = sorted(found.items(), key=lambda pair: -pair[1])
    if not rows or rows[0][1] == 0:
        return Finding(note="Nothing distinguishes the best trials from the others.", table=_table(rows))
    shown = rows[:MOST][::-1]
    bar = {
        "type": "bar", "orientation": "h", "x": rounded([share for _, share in shown]),
        "y": labels([name for name, _ in shown]), "marker": {"color": BLUE},
        "text": [number(round(share, 3)) for _, share in shown], "textposition": "auto",
        "hovertext": [label(name, 200) for name, _ in shown], "hovertemplate": "%{hovertext}: %{x}<extra></extra>",
    }  # fmt: skip
    height = 110 + 24 * len(shown)
    drawn = figure(
        [bar], height=height, xaxis={"title": "importance", "rangemode": "tozero"}, yaxis={"type": "category"}
    )
    return Finding(note=f"{rows[0][0]} matters most ({number(rows[0][1])}).", figures=[drawn], table=_table(rows))


def _table(rows: list[tuple[str, float]]) -> Table:
    return Table(columns=["parameter", "importance"], rows=[list(row) for row in rows])
