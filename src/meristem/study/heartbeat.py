"""Keeps a study's lease while an engine runs it, and hears what others want of the study."""

from __future__ import annotations

import logging
import threading
from types import TracebackType

from meristem.errors import LeaseLost, MeristemError
from meristem.store.store import Store

log = logging.getLogger("meristem.study")

_BEAT_SECONDS = 1.0


class Heartbeat:
    """Renews a lease once a second from a thread of its own; a context manager.

    Attributes:
        token: Fencing number of the lease.
        last_event: The last event of the study's log, as of the last beat.
        stop_message: What another process said when it asked the study to stop.
    """

    def __init__(self, store: Store, study_id: int, token: int) -> None:
        self.token = token
        self.stop_message: str | None = None
        self._store, self._study_id = store, study_id
        self._lost: LeaseLost | None = None
        self.last_event = 0
        self._news = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="meristem-heartbeat", daemon=True)

    def raise_if_lost(self) -> None:
        """Raises LeaseLost when another engine has taken the study over."""
        if self._lost is not None:
            raise self._lost

    def wait_for_news(self, seconds: float) -> None:
        """Waits until others did something to the study, at most so long."""
        self._news.wait(seconds)
        self._news.clear()

    def _beat(self) -> None:
        while not self._over.wait(_BEAT_SECONDS):
            try:
                pulse = self._store.leases.renew(self._study_id, self.token)
            except LeaseLost as error:
                self._lost = error
                self._news.set()
                return
            except MeristemError as error:  # the store is away: the engine itself waits for it
                log.debug("The lease could not be renewed: %s", error)
            else:
                is_new = (pulse.stop_message, pulse.last_event) != (self.stop_message, self.last_event)
                self.stop_message, self.last_event = pulse.stop_message, pulse.last_event
                if is_new:
                    self._news.set()

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self._store.leases.release(self._study_id, self.token)
        except MeristemError as failure:  # it will expire by itself
            log.debug("The lease could not be given back: %s", failure)
