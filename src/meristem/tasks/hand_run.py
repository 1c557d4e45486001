"""One attempt that was started by hand: its task in the store, from its spool folder.

Makes the task, counts it as running, ships, ends it. Every call may be repeated, by this process or by the next one
that holds the folder's lock. `shipper` makes them beside a running script, `importing` for a folder that is complete.
"""

from __future__ import annotations

import os
import platform
import time
from datetime import timedelta
from pathlib import Path

from meristem.errors import AttemptLost, TaskNotFound, WorkerLost
from meristem.needs import Offer
from meristem.statuses import TASK_ENDED, Cause, TaskStatus
from meristem.store.store import Store
from meristem.store.task_rows import Ending, Held, NewTask, NewWorker, TaskRow
from meristem.tasks.report_records import Ended, Remote, stored_files
from meristem.tasks.shipped import BY_HAND, Note, new_session, read_note, write_note
from meristem.tasks.shipping import Shipping, file_in
from meristem.tasks.spool_folder import SpoolFolder, TaskFile

LEASE = timedelta(seconds=30)


class HandRun:
    """The attempt whose spool is `folder`, in `store`. The caller holds the folder's lock.

    Attributes:
        task: What task.json says.
        note: What outlives this process.
        row: The task in the store, as it stood when the attempt was taken up.
        abort_message: What somebody said who asked for its end.
    """

    def __init__(self, folder: SpoolFolder, store: Store) -> None:
        self.folder = folder
        self.task: TaskFile = folder.read_task()
        self.row: TaskRow | None = None
        self.abort_message: str | None = None
        self._store = store
        self._shipping: Shipping | None = None
        shown = store.place
        note = read_note(folder.path)
        self.note = note if note and note.store == shown else Note(store=shown, session=new_session())

    @property
    def shipping(self) -> Shipping:
        assert self._shipping is not None, "take_up() comes first"
        return self._shipping

    def take_up(self) -> TaskRow:
        """Has the task in the store, running as this attempt, and goes on from what is there; or finds it ended.

        Raises:
            AttemptLost: The task was reset, deleted, or given to a worker meanwhile.
        """
        row = self._find_or_make()
        if row.status is TaskStatus.CREATED and not self.note.started:
            self._register()
            self._store.tasks.start_by_hand(row.number, self.note.session)
        elif row.worker != self.note.session and not (_given_up(row) and str(row.worker).startswith(BY_HAND)):
            raise AttemptLost(row.number, row.fence)
        elif row.status not in TASK_ENDED or _given_up(row):
            self._hold(row)
        if not self.note.started:
            self.note.started = True
            write_note(self.folder.path, self.note)
        self.row = row = self._store.tasks.get(row.number)
        self.abort_message = row.abort_message or self.abort_message
        if self._shipping is None or (self._shipping.fence, self._shipping.worker) != (row.fence, row.worker):
            self._shipping = Shipping(
                self.folder.path, self._store, row.number, row.fence, worker=str(row.worker), parameters_yield=False
            )
        return row

    @property
    def has_ended(self) -> bool:
        return self.row is not None and self.row.status in TASK_ENDED

    def renew(self) -> None:
        """Keeps the attempt alive in the store; one that was given up meanwhile is taken up again, as by `take_up`."""
        held = Held(number=self.shipping.number, fence=self.shipping.fence)
        try:
            pulse = self._store.workers.renew(self.note.session, [held], lease=LEASE)
        except WorkerLost:
            self.take_up()
            return
        if pulse.lost:
            self.take_up()

    def look_for_abort(self) -> str | None:
        """What somebody said who asked for the end of this attempt; None where nobody did."""
        found = self._store.by_hand.abort_message(self.shipping.number, self.shipping.fence)
        self.abort_message = found or self.abort_message
        return self.abort_message

    def finish(self, status: TaskStatus, cause: Cause | None, message: str | None) -> None:
        """Ends the attempt. All that it reported must be in the store by now. Errors: `take_up`."""
        number, fence = self.shipping.number, self.shipping.fence
        ending = Ending(number=number, fence=fence, status=status, cause=cause, message=message)
        if number not in self._store.claims.finish(self.note.session, [ending]):
            self.take_up()
            again = Ending(number=number, fence=self.shipping.fence, status=status, cause=cause, message=message)
            self._store.claims.finish(self.note.session, [again])
        self._date()
        self._store.workers.end(self.note.session)

    def discard(self) -> None:
        """Takes the task out of the store: its script has done nothing. Where another has it by now, it stays."""
        row = None if self.note.number is None else self._store.tasks.find(self.note.number)
        if row is None or row.worker != self.note.session:
            return
        if row.status is TaskStatus.RUNNING:
            ending = Ending(number=row.number, fence=row.fence, status=TaskStatus.ABORTED, cause=Cause.ABORTED)
            self._store.claims.finish(self.note.session, [ending])
        self._store.workers.end(self.note.session)
        self._store.tasks.delete(row.number)

    def leave_to_workers(self, remote: Remote) -> None:
        """Ends the attempt, makes the task a draft with all that was captured, and puts it into a queue.

        Raises:
            QueueNotFound, QueueRefused: The queue does not take it; it stays a draft.
        """
        self.note.queue, self.note.priority = remote.queue, remote.priority
        write_note(self.folder.path, self.note)
        assert self.note.number is not None
        row = self._store.tasks.get(self.note.number)
        mine = row.worker == self.note.session
        if mine and row.status is TaskStatus.RUNNING:
            left = f"left to the workers of queue {remote.queue}"
            status, cause = TaskStatus.ABORTED, Cause.ABORTED
            ending = Ending(number=row.number, fence=row.fence, status=status, cause=cause, message=left)
            self._store.claims.finish(str(row.worker), [ending])
            row = self._store.tasks.get(row.number)
        if mine and row.status in TASK_ENDED:
            row = self._store.tasks.reset(row.number)
        self._store.workers.end(self.note.session)
        if row.status is TaskStatus.CREATED:
            self._store.queues.enqueue([row.number], remote.queue, priority=remote.priority)

    def mark(self, state: str) -> None:
        self.note.state = state
        write_note(self.folder.path, self.note)

    def _date(self) -> None:
        """Counts back from now, as far as this machine's clock tells: the store's clock may differ."""
        now = time.time()
        said = self.shipping.ended
        ended = said.at if said else max((_changed(f) for f in (self.folder.report, self.folder.console)), default=now)
        started_ago = timedelta(seconds=now - (self.task.created_at or now))
        ended_ago = timedelta(seconds=min(now - (ended or now), started_ago.total_seconds()))
        times = {"started_ago": started_ago, "ended_ago": ended_ago}
        self._store.by_hand.set_times(self.shipping.number, self.shipping.fence, **times)

    def _find_or_make(self) -> TaskRow:
        write_note(self.folder.path, self.note)  # whoever comes after this process ships as the same session
        if self.note.number is not None:
            try:
                return self._store.tasks.get(self.note.number)
            except TaskNotFound:
                raise AttemptLost(self.note.number, 0) from None
        row = self._store.tasks.create(self._new_task())
        self.note.number = row.number
        write_note(self.folder.path, self.note)
        return row

    def _new_task(self) -> NewTask:
        parent = self._store.tasks.find(self.task.parent) if self.task.parent else None

        def keep(file: str) -> tuple[str, int]:
            path = file_in(self.folder.path, file)
            return self._store.blobs.put(path), path.stat().st_size

        return NewTask(
            id=self.task.id,
            project=self.task.project,
            name=self.task.name,
            kind=self.task.kind,
            comment=self.task.comment,
            tags=self.task.tags,
            source=stored_files(self.task.source, keep),
            environment=self.task.environment,
            parameters=self.task.parameters,
            parent=parent.number if parent else None,
        )

    def _hold(self, row: TaskRow) -> None:
        try:
            self._store.workers.renew(self.note.session, lease=LEASE)
            lost = row.worker != self.note.session or _given_up(row)
        except WorkerLost:
            lost = True
        if not lost:
            return
        # A session of its own each time: the last one may have been lost before it took anything over.
        self.note.lost, self.note.session = row.worker, new_session()
        write_note(self.folder.path, self.note)
        self._register()
        assert self.note.lost is not None
        self._store.by_hand.revive(row.number, lost=self.note.lost, session=self.note.session)

    def _register(self) -> None:
        host = platform.node()
        new = NewWorker(
            id=self.note.session,
            name=f"by hand on {host}",
            queues=(),
            offer=Offer(cpus=0, memory_bytes=0),
            facts={"by_hand": True, "host": host, "pid": self.task.pid, "shipper_pid": os.getpid()},
        )
        self._store.workers.register(new, lease=LEASE)


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _given_up(row: TaskRow) -> bool:
    return row.status is TaskStatus.FAILED and row.cause is Cause.MACHINE_LOST


def verdict(
    ended: Ended | None, exit_status: int | None, abort_message: str | None
) -> tuple[TaskStatus, Cause | None, str | None]:
    """How an attempt ended whose process is gone, or said so: status, cause, message.

    Args:
        ended: What the training said itself.
        exit_status: Of its process, 0 to 255; None where that is not known, as after a kill.
        abort_message: Set: somebody had asked for its end.
    """
    if ended and ended.status is TaskStatus.COMPLETED and not (ended.at_exit and exit_status):
        return TaskStatus.COMPLETED, None, ended.message or None
    if abort_message is not None:
        return TaskStatus.ABORTED, Cause.ABORTED, abort_message
    if ended and ended.status is TaskStatus.ABORTED:
        return TaskStatus.ABORTED, Cause.ABORTED, ended.message
    if ended and ended.status is TaskStatus.FAILED:
        return TaskStatus.FAILED, Cause.CODE_FAILED, ended.message
    if exit_status is None:
        return TaskStatus.FAILED, Cause.CODE_FAILED, "The process ended without a word: it was killed."
    if exit_status == 0:
        return TaskStatus.COMPLETED, None, None
    return TaskStatus.FAILED, Cause.CODE_FAILED, f"The script exited with status {exit_status}."
