"""What becomes of a task whose attempt was given up, and the whole life of tasks against a model."""

from __future__ import annotations

import secrets
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from meristem.errors import TaskRefused, WorkerLost
from meristem.events import TaskEventKind
from meristem.needs import Needs, Offer
from meristem.statuses import TASK_ENDED, TASK_MOVES, Cause, TaskStatus
from meristem.store.attempts import after_giving_up
from meristem.store.store import Store
from meristem.store.task_rows import Claim, Ending, Held, NewTask, NewWorker

QUEUED, FAILED, ABORTED = TaskStatus.QUEUED, TaskStatus.FAILED, TaskStatus.ABORTED


@pytest.mark.parametrize(
    ("cause", "facts", "expected"),
    [
        (Cause.MACHINE_LOST, {}, (QUEUED, 1)),
        (Cause.MACHINE_LOST, {"charged": 2}, (FAILED, 3)),
        (Cause.MACHINE_LOST, {"from_queue": False}, (FAILED, 1)),
        (Cause.MACHINE_LOST, {"aborting": True}, (ABORTED, 1)),
        (Cause.OUT_OF_MEMORY, {"charged": 1}, (QUEUED, 2)),
        (Cause.PREEMPTED, {"charged": 2}, (QUEUED, 2)),
        (Cause.CODE_FAILED, {}, (FAILED, 0)),
        (Cause.NOT_PREPARED, {}, (FAILED, 0)),
    ],
)
def test_lost_machines_are_worth_another_attempt_and_failing_code_is_not(
    cause: Cause, facts: dict[str, object], expected: tuple[TaskStatus, int]
) -> None:
    usual = {"from_queue": True, "aborting": False, "charged": 0, "max_attempts": 3}
    assert after_giving_up(cause, **{**usual, **facts}) == expected  # type: ignore[arg-type]


class LifeOfTasks(RuleBasedStateMachine):
    """Workers claim, finish, hand back, die and write late; each life of a task has one end."""

    tasks, claims = Bundle("tasks"), Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.store.queues.create("q")
        self.sessions: list[str] = []
        self.stood: dict[int, TaskStatus] = {}
        self.lives: dict[int, int] = {}

    @rule(target=tasks, priority=st.integers(-1, 1))
    def enqueue(self, priority: int) -> int:
        number = self.store.tasks.create(NewTask(id="a" + secrets.token_hex(8)[1:], project="p", name="n")).number
        self.store.queues.enqueue([number], "q", priority=priority)
        self.lives[number] = 1
        return number

    @rule()
    def register(self) -> None:
        session = secrets.token_hex(8)
        self.store.workers.register(NewWorker(id=session, name="w", queues=["q"], offer=Offer()))
        self.sessions.append(session)

    @rule(target=claims, which=st.integers(0, 5))
    def claim(self, which: int) -> tuple[str, Claim] | None:
        if not self.sessions:
            return None
        session = self.sessions[which % len(self.sessions)]
        waiting = self.store.queues.waiting("q")
        found = self.store.claims.claim(session, ["q"], [Needs()], 1)
        if not found:
            return None
        assert found[0].number == waiting[0].number  # the first of those that waited
        return (session, found[0])

    @rule(claimed=claims, status=st.sampled_from(sorted(TASK_ENDED)))
    def finish(self, claimed: tuple[str, Claim] | None, status: TaskStatus) -> None:
        if claimed is None:
            return
        session, claim = claimed
        before = self.store.tasks.get(claim.number)
        counts = before.status is TaskStatus.RUNNING and before.fence == claim.fence
        ending = Ending(number=claim.number, fence=claim.fence, status=status)
        stands = self.store.claims.finish(session, [ending])
        if counts:
            assert stands == {claim.number: status}
            assert self.store.tasks.get(claim.number).status is status
        else:
            after = self.store.tasks.get(claim.number)
            assert (after.status, after.fence, after.result) == (before.status, before.fence, before.result)

    @rule(claimed=claims)
    def hand_back(self, claimed: tuple[str, Claim] | None) -> None:
        if claimed is not None:
            session, claim = claimed
            self.store.claims.hand_back(session, [Held(number=claim.number, fence=claim.fence)])

    @rule(which=st.integers(0, 5))
    def die(self, which: int) -> None:
        if not self.sessions:
            return
        session = self.sessions.pop(which % len(self.sessions))
        try:
            self.store.workers.renew(session, lease=timedelta(seconds=-1))
        except WorkerLost:
            return
        self.store.workers.sweep()

    @rule(number=tasks)
    def abort(self, number: int) -> None:
        before = self.store.tasks.get(number).status
        if before in TASK_ENDED:
            with pytest.raises(TaskRefused):
                self.store.claims.request_abort(number, "enough")
            return
        after = self.store.claims.request_abort(number, "enough")
        assert after is (TaskStatus.ABORTED if before is TaskStatus.QUEUED else TaskStatus.RUNNING)

    @rule(number=tasks)
    def run_again(self, number: int) -> None:
        if self.store.tasks.get(number).status in TASK_ENDED:
            self.store.tasks.reset(number)
            self.every_move_is_legal()
            self.store.queues.enqueue([number], "q")
            self.lives[number] += 1

    @invariant()
    def every_move_is_legal(self) -> None:
        for number in self.lives:
            status, before = self.store.tasks.get(number).status, self.stood.get(number)
            assert before in (None, status) or status in TASK_MOVES[before]
            self.stood[number] = status

    @invariant()
    def every_task_stands_where_its_history_says(self) -> None:
        for number, lives in self.lives.items():
            row = self.store.tasks.get(number)
            told = Counter(event.kind for event in self.store.task_log.of(number))
            ended = row.status in TASK_ENDED
            assert told[TaskEventKind.TASK_ENDED] == lives - (not ended)  # one end for each life
            assert row.fence == told[TaskEventKind.TASK_STARTED] + told[TaskEventKind.TASK_RESET]

    def teardown(self) -> None:
        self.store.close()


LifeOfTasks.TestCase.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
TestLifeOfTasks = LifeOfTasks.TestCase
