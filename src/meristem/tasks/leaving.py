"""Before a script leaves its task to workers: can it be left to them?"""

from __future__ import annotations

from meristem.errors import InputError, QueueRefused
from meristem.statuses import QueueStatus
from meristem.store.opening import open_store
from meristem.tasks.modes import Wanted, is_offline


def check_queue(wanted: Wanted, queue: str) -> None:
    """Looks whether the queue takes tasks, while the script is still there to hear that it does not.

    Raises:
        QueueNotFound, QueueRefused: The queue does not exist, or takes no tasks now.
        InputError: The task is kept offline.
    """
    if is_offline(wanted):
        raise InputError(
            "execute_remotely() needs a store, and this task is kept offline.",
            fix="Leave out offline=True (or MERISTEM_OFFLINE), or import the folder and enqueue the task then.",
        )
    found = open_store(wanted.store, make=True).queues.get(queue)
    if found.status is QueueStatus.DRAINING:
        fix = f"Choose another, or open it again: meristem queue resume {queue}."
        raise QueueRefused(f"Queue {queue!r} is being drained: it takes no tasks.", fix=fix)
