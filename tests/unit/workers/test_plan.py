"""A worker claims only what fits beside what runs, however the tasks that wait are chosen."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from meristem.needs import Needs, Offer, fits
from meristem.workers.plan import Capacity, deal_gpus, order_of_queues, slot_for, what_to_claim

needs = st.builds(
    Needs,
    cpus=st.sampled_from([0.0, 0.5, 1.0, 3.0, 8.0]),
    gpus=st.integers(0, 3),
    memory_bytes=st.sampled_from([0, 1 << 30, 5 << 30]),
    labels=st.sets(st.sampled_from(["a100", "fast"])).map(frozenset),
)
offers = st.builds(
    Offer,
    cpus=st.sampled_from([1.0, 4.0, 8.0, math.inf]),
    memory_bytes=st.sampled_from([2 << 30, 16 << 30, math.inf]),
    labels=st.sets(st.sampled_from(["a100", "fast"])).map(frozenset),
)
slots = st.lists(st.sampled_from([(), ("0",), ("0", "1")]), min_size=1, max_size=5)


def empty(slots_=((),), **offer) -> Capacity:
    return Capacity(offer=Offer(**offer), slots=slots_, running={})


def test_nothing_is_claimed_when_nothing_waits_or_no_slot_is_free():
    assert what_to_claim(empty(), []) is None
    busy = Capacity(offer=Offer(), slots=[()], running={0: Needs()})
    assert what_to_claim(busy, [Needs()]) is None


def test_only_needs_that_fit_are_claimed():
    order = what_to_claim(empty(cpus=4, labels=frozenset({"a100"})), [Needs(cpus=8), Needs(labels=frozenset({"a100"}))])
    assert order is not None
    assert order.needs == (Needs(labels=frozenset({"a100"})),)


def test_as_many_tasks_without_needs_are_claimed_as_slots_are_free():
    capacity = Capacity(offer=Offer(), slots=[(), (), ()], running={1: Needs()})
    order = what_to_claim(capacity, [Needs()])
    assert order is not None
    assert order.count == 2


def test_a_task_with_gpus_fits_only_where_one_slot_has_so_many():
    two_slots = empty(slots_=(("0",), ("1",)))
    assert what_to_claim(two_slots, [Needs(gpus=2)]) is None
    assert what_to_claim(empty(slots_=(("0", "1"),)), [Needs(gpus=2)]) is not None


def test_a_task_without_gpus_leaves_them_to_others():
    capacity = empty(slots_=(("0", "1"), (), ("2",)))
    assert slot_for(capacity, Needs()) == 1
    assert slot_for(capacity, Needs(gpus=1)) == 2


@given(offers, slots, st.lists(needs, min_size=1, max_size=4), st.data())
def test_whichever_of_the_claimed_tasks_come_they_fit_together(offer, slots_, waiting, data):
    order = what_to_claim(Capacity(offer=offer, slots=slots_, running={}), waiting)
    if order is None or order.count == 1:
        return
    running: dict[int, Needs] = {}
    for _ in range(order.count):
        now = Capacity(offer=offer, slots=slots_, running=running)
        chosen = data.draw(st.sampled_from(order.needs))
        assert fits(chosen, now.left)
        number = slot_for(now, chosen)
        assert number is not None
        running[number] = chosen


def test_queues_are_asked_by_preference_or_in_turn():
    assert order_of_queues(["a", "b", "c"], "b", fair=False) == ["a", "b", "c"]
    assert order_of_queues(["a", "b", "c"], "b", fair=True) == ["c", "a", "b"]
    assert order_of_queues(["a", "b"], None, fair=True) == ["a", "b"]


def test_gpus_are_dealt_out_over_slots():
    assert deal_gpus(["0", "1", "2"], 2) == [("0", "2"), ("1",)]
    assert deal_gpus([], 2) == [(), ()]
