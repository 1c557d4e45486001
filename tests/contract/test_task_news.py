"""News of many tasks at once, on every store."""

from __future__ import annotations

import math

from meristem.statuses import Cause, TaskStatus
from meristem.store.output_rows import Curve, Point, Positions, Shipment
from meristem.store.store import Store
from meristem.store.tables import NO_STEP
from meristem.store.task_news import Look
from meristem.store.task_rows import Ending, NewTask


def running(store: Store, number: int = 1) -> int:
    row = store.tasks.create(NewTask(id=f"a{number:015x}", project="p", name="n"))
    store.tasks.start_by_hand(row.number, "session")
    return row.number


def report(store: Store, number: int, given: dict[int, float], *, title: str = "loss", at: float = 1.0) -> None:
    fence = store.tasks.get(number).fence
    before = store.task_outputs.positions(number, fence)
    curve = Curve(
        title=title, series=title, steps=[*given], values=[*given.values()], at=[at] * len(given), count=len(given)
    )
    after = Positions(report=before.report + 1)
    store.task_outputs.ship(
        Shipment(number=number, fence=fence, worker="session", before=before, after=after, curves=[curve])
    )


def points(look: Look) -> dict[tuple[int, str], list[tuple[int | None, float]]]:
    return {(one.number, one.title): [(p.step, p.value) for p in one.points] for one in look.news}


def test_each_point_of_each_task_is_told_once(store: Store) -> None:
    first, second = running(store, 1), running(store, 2)
    report(store, first, {1: 0.5, 2: 0.4})
    look = store.task_news.look([first, second])
    assert points(look) == {(first, "loss"): [(1, 0.5), (2, 0.4)]}
    assert {number: state.status for number, state in look.states.items()} == dict.fromkeys(
        (first, second), TaskStatus.RUNNING
    )
    report(store, first, {3: 0.3}, at=2.0)
    report(store, second, {1: 9.0})
    report(store, second, {1: 7.0}, title="accuracy")
    look = store.task_news.look([first, second], look.seen)
    assert points(look) == {
        (first, "loss"): [(3, 0.3)], (second, "loss"): [(1, 9.0)], (second, "accuracy"): [(1, 7.0)]
    }  # fmt: skip
    assert points(store.task_news.look([first, second], look.seen)) == {}


def test_the_last_step_with_another_value_is_news_and_a_final_value_comes_last(store: Store) -> None:
    number = running(store)
    report(store, number, {1: 0.5})
    look = store.task_news.look([number])
    report(store, number, {1: 0.4}, at=2.0)
    report(store, number, {NO_STEP: 0.1}, at=3.0)
    look = store.task_news.look([number], look.seen)
    assert points(look) == {(number, "loss"): [(1, 0.4), (None, 0.1)]}
    report(store, number, {2: 0.3}, at=4.0)
    assert points(store.task_news.look([number], look.seen)) == {(number, "loss"): [(2, 0.3)]}


def test_what_is_not_a_number_is_told_as_such_and_titles_may_be_left_out(store: Store) -> None:
    number = running(store)
    report(store, number, {1: math.nan})
    report(store, number, {1: 50.0}, title=":monitor")
    (one,) = store.task_news.look([number], without_titles=[":monitor"]).news
    assert one.title == "loss"
    assert math.isnan(one.points[0].value)
    assert one.points == [Point(1, one.points[0].value, 1.0)]


def test_an_end_comes_with_its_reason_and_deleted_tasks_are_missing(store: Store) -> None:
    failed, gone = running(store, 1), store.tasks.create(NewTask(id="b" * 16, project="p", name="n")).number
    ending = Ending(number=failed, fence=1, status=TaskStatus.FAILED, cause=Cause.CODE_FAILED, message="no luck")
    store.claims.finish("session", [ending])
    store.tasks.delete(gone)
    look = store.task_news.look([failed, gone])
    assert list(look.states) == [failed]
    assert (look.states[failed].cause, look.states[failed].message) == (Cause.CODE_FAILED, "no luck")
    assert store.task_news.look([]) == Look()


def test_more_scalars_than_one_statement_takes_are_all_told(store: Store) -> None:
    number = running(store)
    curves = [Curve(title=f"m{i}", series=f"m{i}", steps=[0], values=[float(i)], at=[1.0], count=1) for i in range(700)]
    store.task_outputs.ship(
        Shipment(number=number, fence=1, worker="session", before=Positions(), after=Positions(report=1), curves=curves)
    )
    look = store.task_news.look([number])
    assert len(look.news) == 700
    assert points(store.task_news.look([number], look.seen)) == {}


def test_single_values_of_many_tasks_are_read_at_once(store: Store) -> None:
    first, second = running(store, 1), running(store, 2)
    report(store, first, {1: 0.5, 2: 0.7})
    report(store, second, {1: 3.0}, title="accuracy")
    found = store.task_news.values([first, second], [("loss", "loss"), ("accuracy", "accuracy")])
    assert (found[first]["loss", "loss"].last, found[first]["loss", "loss"].min) == (0.7, 0.5)
    assert found[second]["accuracy", "accuracy"].last == 3.0
    assert store.task_news.values([first], []) == {}
