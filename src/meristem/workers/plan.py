"""What a worker claims next: which kinds of tasks fit, how many at once, from which queue first (pure)."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from meristem.needs import Needs, Offer, fits


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a worker has, and what of it is taken.

    Attributes:
        offer: CPUs, memory and labels of the whole worker.
        slots: The GPU ids of each slot; `()` for a slot without.
        running: What the task in each busy slot needs.
    """

    offer: Offer
    slots: Sequence[tuple[str, ...]]
    running: Mapping[int, Needs]

    @property
    def free_slots(self) -> list[int]:
        """Those with the fewest GPUs first, so that tasks that need none leave GPUs to others."""
        free = [number for number in range(len(self.slots)) if number not in self.running]
        return sorted(free, key=lambda number: (len(self.slots[number]), number))

    @property
    def left(self) -> Offer:
        """CPUs and memory that no task has; `gpus` are those of the largest free slot."""
        left = self.offer
        for needs in self.running.values():
            left = left.without(needs)
        gpus = max((len(self.slots[number]) for number in self.free_slots), default=0)
        return Offer(cpus=left.cpus, memory_bytes=left.memory_bytes, labels=left.labels, gpus=gpus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to claim: up to `count` tasks whose needs are among `needs`."""

    needs: tuple[Needs, ...]
    count: int


def what_to_claim(capacity: Capacity, waiting: Collection[Needs]) -> Order | None:
    """The next claim, or None where nothing that waits fits.

    The count is so small that whichever of the waiting tasks come, all of them fit; the worker asks again after it.
    """
    if not capacity.free_slots:
        return None
    left = capacity.left
    fitting = tuple(needs for needs in waiting if fits(needs, left))
    return Order(needs=fitting, count=_how_many(capacity, left, fitting)) if fitting else None


def slot_for(capacity: Capacity, needs: Needs) -> int | None:
    """The free slot with the fewest GPUs that has those that `needs` asks for; None where there is none."""
    return next((n for n in capacity.free_slots if len(capacity.slots[n]) >= needs.gpus), None)


def order_of_queues(queues: Sequence[str], last: str | None, *, fair: bool) -> list[str]:
    """In which order queues are asked: by preference, or fairly, the one after that which gave the last task first."""
    if not fair or last not in queues:
        return list(queues)
    after = queues.index(last) + 1
    return [*queues[after:], *queues[:after]]


def deal_gpus(gpus: Sequence[str], slots: int) -> list[tuple[str, ...]]:
    """GPUs dealt out over slots in turn; where there are fewer, some slots get none."""
    return [tuple(gpus[number::slots]) for number in range(slots)]


def _how_many(capacity: Capacity, left: Offer, fitting: Sequence[Needs]) -> int:
    most_gpus = max(needs.gpus for needs in fitting)
    count = float(sum(len(capacity.slots[number]) >= most_gpus for number in capacity.free_slots))
    for amount, most in (
        (left.cpus + 1e-9, max(needs.cpus for needs in fitting)),
        (left.memory_bytes, max(needs.memory_bytes for needs in fitting)),
    ):
        if most and math.isfinite(amount):
            count = min(count, amount // most)
    return max(1, int(count))
