"""Hopeless trials are stopped by what they report, on any executor; the study's record says why."""

from __future__ import annotations

from typing import Any

import pytest

import meristem as ms
from fakes import ListController, ScriptedExecutor
from meristem.errors import ComponentFailed, InputError
from meristem.objective import Goals
from meristem.spool import Measurement
from meristem.store.rows import TrialRow
from meristem.store.store import Store
from meristem.study.early_stopping import EarlyStopping

SPACE = {"x": ms.Int(1, 20)}
POINTS = [{"x": x} for x in range(1, 21)]


def make_study(store: Store | None = None, objective: str = "-loss") -> ms.Study:
    return ms.Study("s", space=SPACE, objective=objective, controller=ListController(POINTS), store=store, seed=1)


class Curves(ScriptedExecutor):
    """Each trial reports its loss, which is its number, at steps 1 to 4, one a poll; then it ends with it."""

    def __init__(self) -> None:
        super().__init__()
        self.step: dict[int, int] = {}

    def poll(self, timeout: Any) -> Any:
        for number in list(self.running):
            step = self.step[number] = self.step.get(number, 0) + 1
            if step <= 4 and number not in self._asked:
                self.measured[number] = [Measurement(metric="loss", value=float(number), step=step)]
                return [ms.Report(number=number, measurements=self.measured.pop(number))]
        return super().poll(timeout)

    def _outcome(self, attempt: Any) -> Any:
        found = super()._outcome(attempt)
        if found is not None and found.status == ms.OutcomeStatus.COMPLETED:
            return ms.Outcome(status=ms.OutcomeStatus.COMPLETED, score=float(attempt.number))
        return found


def test_a_hopeless_trial_is_stopped_and_its_reason_stands_with_it() -> None:
    study = make_study()
    study.run(executor=Curves(), trials=8, early_stopping={"name": "median", "args": {"min_curves": 3}}, handlers=[])
    stopped = [t for t in study.trials if t.status == "stopped"]
    assert [t.number for t in stopped] == [4, 5, 6, 7, 8]
    assert all("stopped early: " in (t.error or "") for t in stopped)
    assert stopped[0].metrics == {"loss": 4.0}
    assert study.best.number == 1


def test_curves_of_earlier_runs_count_after_a_resume() -> None:
    store = Store(None)
    rule = {"name": "median", "args": {"min_curves": 3}}
    make_study(store).run(executor=Curves(), trials=3, early_stopping=rule, handlers=[])
    study = make_study(store)
    study.run(executor=Curves(), trials=4, early_stopping=rule, handlers=[])
    assert study.get_trial(4).status == "stopped"


def test_a_controller_may_bring_its_own_rule() -> None:
    class Impatient:
        def why_stop(self, curve: Any, others: Any) -> str | None:
            return "enough" if curve.last_step >= 2 else None

    controller = ListController(POINTS)
    controller.stopping = Impatient()  # type: ignore[attr-defined]
    study = ms.Study("s", space=SPACE, objective="-loss", controller=controller)
    study.run(executor=Curves(), trials=2, handlers=[])
    assert [t.error for t in study.trials] == ["stopped early: enough"] * 2


def test_a_weighted_sum_is_judged_once_all_of_it_is_there() -> None:
    seen: list[tuple[float, ...]] = []

    class Watch:
        def why_stop(self, curve: Any, others: Any) -> str | None:
            seen.append(curve.losses)
            return None

    study = make_study(objective="2*a - b")
    executor = ScriptedExecutor(lambda a: {"a": 1.0, "b": 0.0})
    executor.measured[1] = [
        Measurement(metric="a", value=1.0, step=1),
        Measurement(metric="b", value=0.5, step=1),
        Measurement(metric="a", value=2.0, step=2),
    ]
    study.run(executor=executor, trials=1, early_stopping=Watch(), handlers=[])
    assert seen == [(-1.5,)]


def test_several_objectives_cannot_be_stopped_early_and_nonsense_is_refused() -> None:
    with pytest.raises(InputError, match="several objectives"):
        make_study(objective="a, -b").run(executor=ScriptedExecutor(), trials=1, early_stopping="median")
    with pytest.raises(InputError, match="Did you mean 'median'"):
        make_study().run(executor=ScriptedExecutor(), trials=1, early_stopping="medain")


def test_a_rule_that_raises_is_told_by_name() -> None:
    class Broken:
        def why_stop(self, curve: Any, others: Any) -> str | None:
            raise RuntimeError("oops")

    with pytest.raises(ComponentFailed, match="stopping rule Broken raised: RuntimeError: oops"):
        make_study().run(executor=Curves(), trials=2, early_stopping=Broken(), handlers=[])
    with pytest.raises(InputError, match="Give an object"):
        make_study().run(executor=Curves(), trials=2, early_stopping=Broken, handlers=[])


def test_a_study_whose_trials_report_no_curve_says_that_nothing_can_be_judged(caplog: pytest.LogCaptureFixture) -> None:
    make_study().run(executor=ScriptedExecutor(), trials=3, early_stopping="median", handlers=[])
    assert [r.message for r in caplog.records if "nothing to judge by" in r.message] != []


class Watching:
    """A rule that notes what it is shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[tuple[float, ...], list[bool]]] = []

    def why_stop(self, curve: Any, others: Any) -> str | None:
        self.seen.append((curve.losses, [other.running for other in others]))
        return None


def measured(metric: str, value: float, step: int | None = 1) -> Measurement:
    return Measurement(metric=metric, value=value, step=step)


def test_trials_that_ended_in_an_earlier_run_are_no_longer_running() -> None:
    rule, goals = Watching(), Goals.parse("-loss")
    rows = [TrialRow(number=1, status="completed", parameters={})]
    early = EarlyStopping(rule, goals, rows, [(1, measured("loss", 3.0))])
    early.start(TrialRow(number=2, status="running", parameters={}))
    early.why_stop(2, [measured("loss", 1.0)])
    assert rule.seen == [((1.0,), [False])]


def test_reports_of_other_metrics_and_final_values_ask_no_rule() -> None:
    rule = Watching()
    early = EarlyStopping(rule, Goals.parse("-loss"))
    early.start(TrialRow(number=1, status="running", parameters={}))
    early.why_stop(1, [measured("seconds", 1.0), measured("loss", 1.0, None)])
    assert rule.seen == []
    assert not early.heard()


def test_another_attempt_begins_with_nothing_of_the_one_before() -> None:
    rule = Watching()
    early = EarlyStopping(rule, Goals.parse("a - b"))
    row = TrialRow(number=1, status="running", parameters={})
    early.start(row)
    early.why_stop(1, [measured("b", 5.0)])
    early.start(row)
    early.why_stop(1, [measured("a", 1.0)])
    assert rule.seen == []
