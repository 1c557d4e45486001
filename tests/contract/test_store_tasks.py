"""What every store must do with tasks, queues and workers, on SQLite in memory and in a file, and on PostgreSQL."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from meristem.errors import (
    InputError,
    QueueNotFound,
    QueueRefused,
    TaskNotFound,
    TaskRefused,
    WorkerLost,
    WorkerNotFound,
)
from meristem.events import TaskEventKind
from meristem.needs import Needs, Offer
from meristem.statuses import Cause, QueueStatus, TaskStatus, WorkerStatus
from meristem.store.store import Store
from meristem.store.task_rows import Claim, Ending, Held, NewTask, NewWorker, TaskFilter, TaskRow

_ids = (f"a{number:015x}" for number in itertools.count())
ANY = [Needs()]
GPU = Needs(gpus=1)


def new(name: str = "digits", **fields: Any) -> NewTask:
    return NewTask(**{"id": next(_ids), "project": "demo", "name": name, **fields})


def draft(store: Store, name: str = "digits", **fields: Any) -> int:
    return store.tasks.create(new(name, **fields)).number


def waiting(store: Store, *names: str, queue: str = "q", priority: int = 0, **fields: Any) -> list[int]:
    store.queues.ensure(queue)
    numbers = [draft(store, name, **fields) for name in names]
    store.queues.enqueue(numbers, queue, priority=priority)
    return numbers


def worker(store: Store, name: str = "w", *, queues: Sequence[str] = ("q",), lease: float = 30.0) -> str:
    found = NewWorker(id=next(_ids), name=name, queues=queues, offer=Offer(gpus=1, labels=frozenset({"a100"})))
    store.workers.register(found, lease=timedelta(seconds=lease))
    return found.id


def take(store: Store, session: str, count: int = 1, needs: Sequence[Needs] = ANY) -> list[Claim]:
    return store.claims.claim(session, ["q"], needs, count)


def done(claim: Claim, status: TaskStatus = TaskStatus.COMPLETED, **fields: Any) -> Ending:
    return Ending(number=claim.number, fence=claim.fence, status=status, **fields)


def held(claim: Claim) -> Held:
    return Held(number=claim.number, fence=claim.fence)


def story(store: Store, number: int) -> list[TaskEventKind]:
    return [event.kind for event in store.task_log.of(number)]


def test_a_task_comes_back_as_it_was_made(store: Store) -> None:
    fields: dict[str, Any] = {
        "tags": ["b", "a", "ä"], "comment": "Ünï\n\U0001f331", "source": {"commit": "c0ffee"}, "needs": GPU,
        "environment": {"python": "3.11"}, "parameters": {"General/lr": 0.1, "General/on": True, "Args/x": None},
    }  # fmt: skip
    made = store.tasks.create(new("étude 研究", **fields))
    back = store.tasks.get(made.number)
    assert back == made
    assert (back.name, back.status, back.tags) == ("étude 研究", TaskStatus.CREATED, ("a", "b", "ä"))
    assert (back.parameters, back.source, back.needs) == (fields["parameters"], fields["source"], GPU)
    assert back.comment == fields["comment"]


def test_making_a_task_again_means_the_one_that_is_there(store: Store) -> None:
    one = new()
    assert store.tasks.create_many([one, new(), one]) == [1, 2, 1]
    assert store.tasks.create(one).number == 1
    assert store.tasks.counts() == {"created": 2}


def test_tasks_are_found_by_number_id_and_beginning_of_the_id(store: Store) -> None:
    made = store.tasks.create(NewTask(id="abcd000000000000", project="p", name="n"))
    store.tasks.create(NewTask(id="abcd100000000000", project="p", name="n"))
    for ref in (made.number, str(made.number), f"#{made.number}", made.id, "abcd0", "ABCD0"):
        assert store.tasks.get(ref).number == made.number
    with pytest.raises(TaskNotFound, match="several ids begin so"):
        store.tasks.get("abcd")
    for ref in ("abc", "99", "nonsense", "", "9" * 400, "%", "'; --"):
        assert store.tasks.find(ref) is None


def test_tasks_are_listed_newest_first_and_filtered(store: Store) -> None:
    numbers = [draft(store, f"t{i}", tags=["even"] if i % 2 == 0 else ["odd", "x"]) for i in range(4)]
    other = draft(store, "T9_%", project="other", parent=numbers[0])
    listed = [row.number for row in store.tasks.list()]
    assert listed == [other, *reversed(numbers)]
    assert [row.number for row in store.tasks.list(limit=2, before=numbers[3])] == [numbers[2], numbers[1]]

    def matching(**which: Any) -> list[int]:
        return [row.number for row in store.tasks.list(TaskFilter(**which))]

    assert matching(project="other") == matching(parent=numbers[0]) == matching(name="t9_%") == [other]
    assert matching(tags=["x", "odd"]) == [numbers[3], numbers[1]]
    assert matching(statuses=["running"]) == matching(tags=["x", "even"]) == []
    assert store.tasks.counts(TaskFilter(project="demo")) == {"created": 4}


def test_a_draft_is_edited_and_its_history_kept(store: Store) -> None:
    number = draft(store, parameters={"General/lr": 0.1, "General/old": 1}, source={"commit": "a", "diff": "d"})
    row = store.tasks.edit(
        number, parameters={"General/lr": 0.2}, remove=["General/old"], source={"commit": "b", "diff": None},
        needs=GPU, name="new", add_tags=["t"], max_attempts=5,
    )  # fmt: skip
    assert row.parameters == {"General/lr": 0.2}
    assert row.source == {"commit": "b"}
    assert (row.needs, row.name, row.tags, row.max_attempts) == (GPU, "new", ("t",), 5)
    assert story(store, number) == ["task_created", "task_edited"]
    assert store.task_log.of(number)[1].payload["parameters"] == {"General/lr": 0.2}


def test_what_a_task_runs_by_is_changed_only_while_it_is_a_draft(store: Store) -> None:
    (number,) = waiting(store, "a")
    with pytest.raises(TaskRefused, match="queued and cannot be edited"):
        store.tasks.edit(number, parameters={"General/lr": 0.2})
    assert store.tasks.edit(number, add_tags=["later"], comment="fine").tags == ("later",)


def test_a_clone_is_a_draft_with_other_parameters(store: Store) -> None:
    number = draft(store, tags=["t"], parameters={"General/lr": 0.1, "General/n": 3}, needs=GPU)
    copy = store.tasks.clone(number, id=next(_ids), parameters={"General/lr": 0.2})
    assert copy.parameters == {"General/lr": 0.2, "General/n": 3}
    assert (copy.parent, copy.tags, copy.needs, copy.status) == (number, ("t",), GPU, TaskStatus.CREATED)


def test_tasks_start_by_priority_then_in_order(store: Store) -> None:
    low = waiting(store, "a", "b", "c")
    high = waiting(store, "d", "e", priority=5)
    session = worker(store)
    assert [c.number for c in take(store, session, 4)] == [*high, low[0], low[1]]
    assert [c.number for c in take(store, session, 4)] == [low[2]]
    assert take(store, session) == []


def test_a_list_is_enqueued_in_the_order_given(store: Store) -> None:
    store.queues.create("q")
    a, b, c = (draft(store) for _ in range(3))
    store.queues.enqueue([c, a, b], "q")
    assert [row.number for row in store.queues.waiting("q")] == [c, a, b]
    assert [claim.number for claim in take(store, worker(store), 3)] == [c, a, b]


def test_a_claim_says_all_that_is_needed_to_run_the_task(store: Store) -> None:
    (number,) = waiting(store, "a", parameters={"General/lr": 0.5}, source={"entry": "script"}, needs=GPU)
    (claim,) = take(store, worker(store), needs=[GPU, Needs()])
    assert (claim.number, claim.attempt, claim.fence, claim.queue, claim.needs) == (number, 1, 1, "q", GPU)
    assert (claim.parameters, claim.source) == ({"General/lr": 0.5}, {"entry": "script"})
    row = store.tasks.get(number)
    assert (row.status, row.queue, row.attempt) == (TaskStatus.RUNNING, "q", 1)
    assert row.started_at is not None


def test_a_worker_gets_only_tasks_that_fit_it(store: Store) -> None:
    waiting(store, "gpu", needs=GPU, priority=9)
    (plain,) = waiting(store, "plain")
    session = worker(store)
    assert set(map(str, store.claims.waiting_needs(["q"]))) == {str(GPU), str(Needs())}
    assert [claim.number for claim in take(store, session, 5)] == [plain]
    assert store.claims.waiting_needs(["q"]) == [GPU]
    assert store.claims.waiting_needs(["other"]) == []


def test_queues_are_served_in_order_of_preference(store: Store) -> None:
    (second,) = waiting(store, "a", queue="second", priority=100)
    (first,) = waiting(store, "b", queue="first")
    session = worker(store)
    claims = store.claims.claim(session, ["first", "missing", "second"], ANY, 2)
    assert [claim.number for claim in claims] == [first, second]


def test_a_paused_queue_gives_nothing_and_a_draining_one_takes_nothing(store: Store) -> None:
    (number,) = waiting(store, "a")
    session = worker(store)
    assert store.queues.pause("q").status is QueueStatus.PAUSED
    assert take(store, session) == []
    more = draft(store)
    store.queues.drain("q")
    with pytest.raises(QueueRefused, match="draining"):
        store.queues.enqueue([more], "q")
    assert [claim.number for claim in take(store, session)] == [number]
    store.queues.resume("q")
    store.queues.enqueue([more], "q")
    assert [claim.number for claim in take(store, session)] == [more]


def test_enqueueing_is_all_or_nothing_and_says_what_is_wrong(store: Store) -> None:
    store.queues.create("q")
    a, b = draft(store), draft(store)
    store.queues.enqueue([b], "q")
    with pytest.raises(TaskRefused, match=f"Task {b} is queued and cannot be enqueued"):
        store.queues.enqueue([a, b], "q")
    with pytest.raises(TaskNotFound):
        store.queues.enqueue([a, 999], "q")
    with pytest.raises(QueueNotFound, match="Did you mean 'q'"):
        store.queues.enqueue([a], "qq")
    with pytest.raises(InputError, match="priority"):
        store.queues.enqueue([a], "q", priority=10**9)
    assert store.tasks.get(a).status is TaskStatus.CREATED


def test_a_delayed_task_starts_only_after_its_moment(store: Store) -> None:
    store.queues.create("q")
    number = draft(store)
    store.queues.enqueue([number], "q", delay=timedelta(seconds=0.3))
    session = worker(store)
    assert store.workers.sweep().due == 0
    assert take(store, session) == []
    assert (store.queues.get("q").waiting, store.queues.get("q").delayed) == (0, 1)
    time.sleep(0.35)
    assert store.workers.sweep().due == 1
    assert [claim.number for claim in take(store, session)] == [number]


def test_tasks_are_moved_and_reordered(store: Store) -> None:
    a, b, c, d = waiting(store, "a", "b", "c", "d")

    def order() -> list[int]:
        return [row.number for row in store.queues.waiting("q")]

    store.queues.move(d, to="front")
    assert order() == [d, a, b, c]
    store.queues.move(d, before=c)
    assert order() == [a, b, d, c]
    store.queues.move(a, to="back")
    assert order() == [b, d, c, a]
    store.queues.move(a, priority=3)
    assert order() == [a, b, d, c]
    store.queues.create("other")
    store.queues.move(b, queue="other")
    assert order() == [a, d, c]
    assert [row.number for row in store.queues.waiting("other")] == [b]
    with pytest.raises(TaskRefused):
        store.queues.move(draft(store), to="front")


def test_a_task_is_moved_before_one_that_shares_its_moment(store: Store) -> None:
    store.queues.create("q")
    numbers = [draft(store) for _ in range(4)]
    store.queues.enqueue(numbers, "q")  # one statement: one moment
    store.queues.move(numbers[0], before=numbers[3])
    assert [row.number for row in store.queues.waiting("q")] == [numbers[1], numbers[2], numbers[0], numbers[3]]


def test_a_task_taken_out_of_its_queue_is_a_draft_again(store: Store) -> None:
    (number,) = waiting(store, "a")
    store.queues.dequeue(number)
    assert store.tasks.get(number).status is TaskStatus.CREATED
    assert take(store, worker(store)) == []
    with pytest.raises(TaskRefused, match="created and cannot be dequeued"):
        store.queues.dequeue(number)


def test_an_end_is_kept_with_its_result(store: Store) -> None:
    a, b = waiting(store, "a", "b")
    session = worker(store)
    first, second = take(store, session, 2)
    failed = done(second, TaskStatus.FAILED, cause=Cause.CODE_FAILED, message="ValueError: \0 no")
    ended = store.claims.finish(session, [done(first, result={"accuracy": 0.9}), failed])
    assert ended == {a: TaskStatus.COMPLETED, b: TaskStatus.FAILED}
    assert store.tasks.get(a).result == {"accuracy": 0.9}
    row = store.tasks.get(b)
    assert (row.cause, row.message) == (Cause.CODE_FAILED, "ValueError: \\0 no")
    assert row.ended_at is not None
    assert store.task_log.of(b)[-1].payload == {
        "status": "failed", "attempt": 1, "cause": "code_failed", "message": "ValueError: \\0 no",
    }  # fmt: skip


def test_an_end_that_is_repeated_is_accepted_once(store: Store) -> None:
    (number,) = waiting(store, "a")
    session = worker(store)
    (claim,) = take(store, session)
    for _ in range(2):
        assert store.claims.finish(session, [done(claim)]) == {number: TaskStatus.COMPLETED}
    assert story(store, number).count(TaskEventKind.TASK_ENDED) == 1


def test_a_worker_whose_lease_ran_out_loses_its_task_and_its_late_end_is_refused(store: Store) -> None:
    (number,) = waiting(store, "a")
    late = worker(store, "late", lease=0.05)
    (old,) = take(store, late)
    time.sleep(0.1)
    swept = store.workers.sweep()
    assert (swept.workers, swept.requeued) == (["late"], [number])
    row = store.tasks.get(number)
    assert (row.status, row.cause, row.charged) == (TaskStatus.QUEUED, Cause.MACHINE_LOST, 1)
    assert store.claims.finish(late, [done(old)])[number] is TaskStatus.QUEUED  # not completed: it was refused
    other = worker(store, "other")
    (claim,) = take(store, other)
    assert (claim.attempt, claim.fence) == (2, old.fence + 1)
    assert store.claims.finish(late, [done(old)]) == {}
    assert store.claims.finish(other, [done(claim, result=1)]) == {number: TaskStatus.COMPLETED}
    assert store.tasks.get(number).result == 1
    with pytest.raises(WorkerLost):
        store.workers.renew(late)
    assert take(store, late) == []
    assert story(store, number)[2:] == ["task_started", "task_requeued", "task_started", "task_ended"]
    assert store.task_log.of(number)[3].payload["worker"] == "late"


def test_a_task_that_loses_its_machine_too_often_fails(store: Store) -> None:
    (number,) = waiting(store, "a", max_attempts=2)
    for _ in range(2):
        take(store, worker(store, lease=0.02))
        time.sleep(0.05)
        store.workers.sweep()
    row = store.tasks.get(number)
    assert (row.status, row.cause, row.attempt) == (TaskStatus.FAILED, Cause.MACHINE_LOST, 2)
    assert "2 such attempts" in str(row.message)


def test_a_task_handed_back_keeps_its_place_and_is_not_charged(store: Store) -> None:
    a, _ = waiting(store, "a", "b", max_attempts=1)
    session = worker(store)
    (claim,) = take(store, session)
    assert store.claims.hand_back(session, [held(claim)], message="draining") == {a: TaskStatus.QUEUED}
    assert store.claims.hand_back(session, [held(claim)]) == {}
    (again,) = take(store, session)
    assert (again.number, again.attempt) == (a, 2)
    assert store.tasks.get(a).charged == 0


def test_running_out_of_memory_is_worth_another_attempt_and_failing_code_is_not(store: Store) -> None:
    a, b = waiting(store, "a", "b")
    session = worker(store)
    first, second = take(store, session, 2)
    ended = store.claims.finish(
        session,
        [
            done(first, TaskStatus.FAILED, cause=Cause.OUT_OF_MEMORY, message="killed"),
            done(second, TaskStatus.FAILED, cause=Cause.CODE_FAILED),
        ],
    )
    assert ended == {a: TaskStatus.QUEUED, b: TaskStatus.FAILED}


def test_the_pulse_tells_of_aborts_lost_and_unknown_attempts(store: Store) -> None:
    a, b, c = waiting(store, "a", "b", "c")
    session = worker(store)
    first, second, third = take(store, session, 3)
    assert store.claims.request_abort(a, "too slow") is TaskStatus.RUNNING
    store.claims.finish(session, [done(third)])
    pulse = store.workers.renew(session, [held(first), held(third)], usage={"cpu": 0.5})
    assert pulse.aborts == {a: "too slow"}
    assert pulse.lost == [held(third)]
    assert pulse.unknown == [held(second)]
    assert store.workers.get(session).usage == {"cpu": 0.5}
    assert store.workers.get(session).running == (a, b)
    assert c == third.number


def test_what_is_asked_again_because_its_answer_was_lost_is_done_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = store.database._patiently
    monkeypatch.setattr(store.database, "_patiently", lambda attempt: (once(attempt), once(attempt))[1])
    first, second = draft(store), draft(store)
    store.queues.ensure("q")
    store.queues.enqueue([first, second], "q")
    store.queues.enqueue([third := draft(store)], "q", at_front=True)
    assert [row.number for row in store.queues.waiting("q")] == [third, first, second]
    session = worker(store)
    ended = store.claims.finish(session, [done(claim) for claim in take(store, session)])  # the first claim was lost
    assert list(ended.values()) == [TaskStatus.COMPLETED]
    store.claims.hand_back(session, store.workers.renew(session).unknown)
    enqueued = [story(store, number).count(TaskEventKind.TASK_ENQUEUED) for number in (first, second, third)]
    assert enqueued == [1, 1, 1]
    assert sum(story(store, number).count(TaskEventKind.TASK_ENDED) for number in (first, second, third)) == 1


def test_a_task_that_waits_is_aborted_at_once(store: Store) -> None:
    (number,) = waiting(store, "a")
    assert store.claims.request_abort(number, "no longer needed") is TaskStatus.ABORTED
    assert take(store, worker(store)) == []
    with pytest.raises(TaskRefused, match="aborted"):
        store.claims.request_abort(number, "again")
    with pytest.raises(TaskNotFound):
        store.claims.request_abort(999, "x")


def test_a_task_whose_end_was_asked_for_is_not_run_again_when_its_worker_dies(store: Store) -> None:
    (number,) = waiting(store, "a")
    take(store, worker(store, lease=0.02))
    store.claims.request_abort(number, "enough")
    time.sleep(0.05)
    store.workers.sweep()
    row = store.tasks.get(number)
    assert (row.status, row.message) == (TaskStatus.ABORTED, "enough")


def test_a_draining_worker_claims_nothing_and_one_that_ends_gives_back(store: Store) -> None:
    a, _ = waiting(store, "a", "b")
    session = worker(store, "w1")
    take(store, session)
    assert store.workers.drain("w1") == ["w1"]
    assert take(store, session) == []
    assert store.workers.renew(session).draining
    store.workers.end(session, "drained")
    row = store.tasks.get(a)
    assert (row.status, row.cause, row.charged) == (TaskStatus.QUEUED, Cause.PREEMPTED, 0)
    assert store.workers.list() == []
    assert store.workers.get("w1").status is WorkerStatus.ENDED
    with pytest.raises(WorkerNotFound):
        store.workers.drain("w1")


def test_workers_are_listed_with_what_they_offer_and_run(store: Store) -> None:
    session = worker(store, "w1")
    (found,) = store.workers.list()
    assert (found.id, found.queues, found.offer.gpus, found.offer.labels) == (session, ("q",), 1, frozenset({"a100"}))
    assert 25 < found.lease_seconds <= 30
    assert found.offer.cpus == float("inf")


def test_a_script_started_by_hand_ends_and_is_never_put_into_a_queue(store: Store) -> None:
    a, b = draft(store), draft(store)
    session = worker(store, lease=0.2)
    fence = store.tasks.start_by_hand(a, session)
    assert store.tasks.start_by_hand(a, session) == fence
    store.tasks.start_by_hand(b, session)
    ending = Ending(number=a, fence=fence, status=TaskStatus.COMPLETED)
    assert store.claims.finish(session, [ending]) == {a: TaskStatus.COMPLETED}
    time.sleep(0.25)
    assert store.workers.sweep().failed == [b]
    assert store.tasks.get(b).cause is Cause.MACHINE_LOST


def test_a_reset_task_is_a_draft_and_its_old_attempt_counts_no_more(store: Store) -> None:
    (number,) = waiting(store, "a")
    session = worker(store)
    (claim,) = take(store, session)
    with pytest.raises(TaskRefused, match="running and cannot be reset"):
        store.tasks.reset(number)
    store.claims.finish(session, [done(claim, result=3)])
    row = store.tasks.reset(number)
    assert (row.status, row.attempt, row.result, row.queue) == (TaskStatus.CREATED, 0, None, None)
    store.queues.enqueue([number], "q")
    (again,) = take(store, session)
    assert again.fence > claim.fence
    assert store.claims.finish(session, [done(claim)]) == {}


def test_a_published_task_is_read_only(store: Store) -> None:
    (number,) = waiting(store, "a")
    with pytest.raises(TaskRefused, match="queued and cannot be published"):
        store.tasks.publish(number)
    session = worker(store)
    store.claims.finish(session, [done(*take(store, session))])
    assert store.tasks.publish(number).published_at == store.tasks.publish(number).published_at
    for change in (store.tasks.reset, store.tasks.delete, lambda n: store.tasks.edit(n, add_tags=["x"])):
        with pytest.raises(TaskRefused, match="published"):
            change(number)


def test_a_deleted_task_is_gone(store: Store) -> None:
    number = draft(store, tags=["t"])
    store.tasks.delete(number)
    assert store.tasks.find(number) is None
    assert store.task_log.of(number) == []
    (queued,) = waiting(store, "a")
    with pytest.raises(TaskRefused, match="queued"):
        store.tasks.delete(queued)


def test_queues_are_made_once_and_deleted_when_empty(store: Store) -> None:
    store.queues.create("gpu", "big ones")
    assert store.queues.ensure("gpu").description == "big ones"
    with pytest.raises(QueueRefused, match="exists already"):
        store.queues.create("gpu")
    for name in ("", " x", "a/b", "x" * 200, 3):
        with pytest.raises(InputError, match="no name for a queue"):
            store.queues.create(name)  # type: ignore[arg-type]
    waiting(store, "a", queue="gpu")
    with pytest.raises(QueueRefused, match="1 tasks that wait or run"):
        store.queues.delete("gpu")
    store.queues.create("empty")
    store.queues.delete("empty")
    with pytest.raises(QueueNotFound):
        store.queues.get("empty")


def test_a_queue_tells_how_much_is_in_it(store: Store) -> None:
    waiting(store, "a", "b", "c")
    take(store, worker(store))
    (found,) = store.queues.list()
    assert (found.waiting, found.delayed, found.running) == (2, 0, 1)
    assert found.oldest_seconds is not None
    assert 0 <= found.oldest_seconds < 30


def test_the_log_is_read_by_cursor_without_gaps(store: Store) -> None:
    numbers = waiting(store, "a", "b")
    session = worker(store)
    store.claims.finish(session, [done(claim) for claim in take(store, session, 2)])
    cursor, seen = (0, 0), []
    while events := store.task_log.list_after(cursor, limit=3):
        seen += events
        cursor = events[-1].cursor
    assert [(event.kind, event.task) for event in seen] == [
        (TaskEventKind.TASK_CREATED, numbers[0]),
        (TaskEventKind.TASK_CREATED, numbers[1]),
        (TaskEventKind.TASK_ENQUEUED, numbers[0]),
        (TaskEventKind.TASK_ENQUEUED, numbers[1]),
        (TaskEventKind.TASK_STARTED, numbers[0]),
        (TaskEventKind.TASK_STARTED, numbers[1]),
        (TaskEventKind.TASK_ENDED, numbers[0]),
        (TaskEventKind.TASK_ENDED, numbers[1]),
    ]
    assert store.task_log.end() == cursor


def test_many_tasks_are_made_and_enqueued_at_once(store: Store) -> None:
    store.queues.create("q")
    numbers = store.tasks.create_many([new(f"t{i}") for i in range(2500)])
    store.queues.enqueue(numbers, "q")
    assert store.queues.get("q").waiting == 2500
    session = worker(store)
    assert [claim.number for claim in take(store, session, 2500)] == numbers


def test_task_rows_are_values(store: Store) -> None:
    assert isinstance(store.tasks.get(draft(store)), TaskRow)


def test_a_listener_hears_of_tasks_and_of_words_to_its_worker_also_after_its_connection_broke(
    postgres_url: str,
) -> None:
    store = Store(postgres_url)
    store.queues.create("q")
    session = worker(store)
    listener = store.wakeups.listen([store.queues.get("q").id], session)
    assert not listener.wait(0.05)
    (number,) = waiting(store, "a")
    assert listener.wait(5)
    take(store, session)
    store.claims.request_abort(number, "enough")
    assert listener.wait(5)
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'"
    store.database.read(lambda c: c.exec_driver_sql(others).all())
    assert listener.wait(5)  # it broke: something may have been missed
    assert listener.fileno() is None
    deadline = time.monotonic() + 10
    while not listener.mend():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not listener.mend()
    assert not listener.wait(0.05)
    waiting(store, "b")
    assert listener.wait(5)
    listener.close()
    store.close()


def test_tasks_may_be_moved_before_one_another_as_often_as_one_likes(store: Store) -> None:
    last, *others = waiting(store, *(f"t{i}" for i in range(60)))
    expected: list[int] = []
    for number in others:
        store.queues.move(number, before=last)
        expected.append(number)
    assert [row.number for row in store.queues.waiting("q")] == [*expected, last]


def test_workers_are_found_by_name_among_thousands_and_the_last_of_a_name_counts(store: Store) -> None:
    first, second = worker(store, "same"), worker(store, "same")
    for _ in range(3):
        worker(store, "other")
    assert [found.id for found in store.workers.list(ref="other", limit=2)] != [first, second]
    assert {found.id for found in store.workers.list(ref="same")} == {first, second}
    assert store.workers.get(first).id == first
    assert store.workers.drain("same") == ["same", "same"]


def test_claims_and_ends_read_no_whole_table_though_nothing_was_analysed(postgres_url: str) -> None:
    store = Store(postgres_url)
    waiting(store, "first")
    session = worker(store)
    store.claims.finish(session, [done(claim) for claim in take(store, session)])  # planned now, while all is empty
    store.queues.enqueue(store.tasks.create_many([new() for _ in range(3000)]), "q")

    def whole_reads() -> int:
        store.database.statement("SELECT pg_stat_force_next_flush()", {})
        counted = "SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relname IN ('tasks', 'task_definitions')"
        return int(store.database.statement(counted, {})[0][0])

    before = whole_reads()
    for _ in range(5):
        store.claims.finish(session, [done(claim) for claim in take(store, session, 10)])
    assert whole_reads() == before
    assert store.tasks.counts()["completed"] == 51
    store.close()


def test_a_sweep_tells_how_many_workers_live(store: Store) -> None:
    worker(store, "a")
    worker(store, "b")
    worker(store, "lost", lease=-1.0)
    assert (store.workers.sweep().living, store.workers.sweep().living) == (2, 2)


def test_a_lease_that_ran_out_while_the_server_was_down_begins_anew_with_the_server(postgres_url: str) -> None:
    store = Store(postgres_url)
    session = worker(store)
    old = (
        "UPDATE workers SET lease_expires_at = extract(epoch from now()) - 1, seen_at = extract(epoch from now()) - {}"
    )

    def lease_of(seconds: float) -> None:
        store.database.write(lambda connection: connection.exec_driver_sql(old.format(seconds)))

    lease_of(1_000_000.0)  # longer than this server has been up
    assert store.workers.sweep().workers == ()
    store.workers.renew(session)
    lease_of(1.001)  # that much has passed since its start
    assert store.workers.sweep().workers == ["w"]
    store.close()
