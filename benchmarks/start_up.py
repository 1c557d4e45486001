"""How long it takes until something can be done: imports, help, and the warm pool's rate."""

from __future__ import annotations

from engine_cost import SPACE, trivial
from measuring import MERISTEM, Clock, Measured, median_of, printed_by, wall_of

import meristem as ms

_TIMED = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"
SLOTS = 2


def measure_start(repeats: int) -> list[Measured]:
    note = f"median of {repeats} fresh processes"

    def imported(statement: str) -> float:
        return median_of(repeats, lambda: float(printed_by(_TIMED.format(statement))))

    return [
        Measured(what="import meristem", value=imported("import meristem"), unit="s", at_most=0.3, note=note),
        Measured(
            what="from meristem import Study", value=imported("from meristem import Study"), unit="s", note=note
        ),
        Measured(
            what="meristem --help", value=median_of(repeats, lambda: wall_of([MERISTEM, "--help"])), unit="s",
            at_most=0.5, note=f"whole process; {note}",
        ),
    ]  # fmt: skip


def measure_pool(trials: int) -> list[Measured]:
    study = ms.Study("pool", space=SPACE, objective="-loss", controller="random", seed=0)
    with Clock() as clock:
        study.run(trivial, trials=trials, parallel=SLOTS, handlers=[])
    ends = sorted(trial.ended_at or 0.0 for trial in study.trials)
    warm = ends[len(ends) // 10 :]
    note = f"{trials:,} trivial trials, each in a process, {SLOTS} slots, store in memory"
    return [
        Measured(
            what="warm pool", value=(len(warm) - 1) / (warm[-1] - warm[0]), unit="trials/s", at_least=300.0,
            note=f"{note}; once warm (the last 90 %)",
        ),
        Measured(
            what="warm pool, with its start", value=trials / clock.wall, unit="trials/s", note=note
        ),
    ]  # fmt: skip
