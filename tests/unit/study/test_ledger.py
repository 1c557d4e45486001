"""Several processes on one study: each ledger knows in the end what the store knows, each thing once."""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.strategies import booleans, integers, sampled_from

import meristem as ms
from meristem.controllers.random import RandomController
from meristem.errors import IllegalMove
from meristem.events import trial_ended
from meristem.statuses import ENDED, TrialStatus
from meristem.store.rows import TrialRow
from meristem.store.store import Store
from meristem.study.intake import again, ended
from meristem.study.ledger import Ledger
from meristem.study.verdict import Verdict


class Ledgers(RuleBasedStateMachine):
    """Three ledgers on one store do what engines, askers and tellers do, in any order."""

    @initialize()
    def begin(self) -> None:
        self.store = Store(None)
        study = ms.Study("s", space={"x": ms.Float(0, 1)}, objective="a", controller="random", store=self.store, seed=1)
        row = self.store.studies.get("s")
        self.ledgers = [Ledger(self.store, row, study.definition) for _ in range(3)]
        self.controller = RandomController()
        self.study_id = row.id

    @rule(who=integers(0, 2), count=integers(1, 2))
    def propose(self, who: int, count: int) -> None:
        assert len(self.ledgers[who].propose(self.controller, count)) == count

    @rule(who=integers(0, 2))
    def enqueue(self, who: int) -> None:
        self.ledgers[who].enqueue({"x": 0.5}, {"by": "user"})

    @rule(who=integers(0, 2), which=integers(0, 3))
    def start(self, who: int, which: int) -> None:
        waiting = self.ledgers[who].waiting()
        if which < len(waiting):
            started = self.ledgers[who].start(waiting[which], slot=0, token=None)
            assert started is None or started.number in self.ledgers[who].open

    @rule(who=integers(0, 2), which=integers(0, 3), goes_on=booleans(), value=sampled_from([0.0, 1.0]))
    def end(self, who: int, which: int, goes_on: bool, value: float) -> None:
        ledger = self.ledgers[who]
        running = [row for row in ledger.open.values() if row.status == TrialStatus.RUNNING]
        if which >= len(running):
            return
        row = running[which]
        verdict = Verdict(status=TrialStatus.COMPLETED, metrics={"a": value}, loss=-value)
        after = again(row) if goes_on else ended(row, verdict, 1.0)
        event = trial_ended(row.number, row.attempt, "completed", again=goes_on)
        try:
            ledger.write([event], moves=[(row, after)])
        except IllegalMove:  # another was faster
            ledger.sync()

    @rule(who=integers(0, 2))
    def sync(self, who: int) -> None:
        ledger = self.ledgers[who]
        ledger.sync()
        self._agrees(ledger)

    def _agrees(self, ledger: Ledger) -> None:
        stored = {row.number: row for row in self.store.trials.list_page(self.study_id)}
        done = {n for n, row in stored.items() if row.status in ENDED}
        known = [o.number for o in ledger.history]
        assert sorted(known) == sorted(done)  # none is missing, none stands there twice
        assert {n: _where(r) for n, r in ledger.open.items()} == {
            n: _where(r) for n, r in stored.items() if n not in done
        }
        assert known == sorted(known, key=lambda n: stored[n].end_event or 0)
        best = self.store.trials.best(self.study_id)
        assert [row.number for row in ledger.leaders.rows] == [row.number for row in best]

    @invariant()
    def nothing_stands_twice(self) -> None:
        for ledger in getattr(self, "ledgers", []):
            known = [o.number for o in ledger.history]
            assert len(known) == len(set(known))
            assert not set(known) & set(ledger.open)


def _where(row: TrialRow) -> tuple[str, int]:
    return (str(row.status), row.attempt)


TestLedgers = Ledgers.TestCase
TestLedgers.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
