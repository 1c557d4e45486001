"""The slots of a study, as its user sees and controls them while an engine runs it in whatever process."""

from __future__ import annotations

from meristem.store.slots import Slot, list_slots, request_aborts, resume_slots, suspend_slots
from meristem.store.store import Store


class SlotControl:
    """What may be done to the slots of a Study."""

    name: str
    _store: Store

    def slots(self) -> list[Slot]:
        """What each slot is doing: its state, its trial, its GPUs; of a study that is not running, as it was left.

        Raises:
            StudyError: The study was never run.
        """
        return list_slots(self._store, self.name)

    def suspend_slot(self, number: int) -> None:
        """Starts no more trials in a slot; the one that runs in it goes on. May be repeated.

        Suspensions are kept in the store: also the next run heeds them, until `resume_slot`.

        Raises:
            StudyError: The study is not running.
            InputError: There is no such slot.
        """
        suspend_slots(self._store, self.name, [number])

    def resume_slot(self, number: int) -> None:
        """Lets trials into a slot again. May be repeated, and while the study is not running.

        Raises:
            InputError: There is no such slot.
        """
        resume_slots(self._store, self.name, [number])

    def abort_slot(self, number: int, message: str = "aborted by hand") -> int:
        """Asks the engine to give up the trial that runs in a slot, so that another may start; gives its number.

        It ends as abandoned: nothing is learnt from it, it does not count as failed, and another takes its place in
        the budget. Where it has come to its end by itself meanwhile, its outcome counts.

        Raises:
            StudyError: The study is not running, or nothing runs in the slot.
            InputError: There is no such slot.
        """
        [trial] = request_aborts(self._store, self.name, [number], message)
        return trial
