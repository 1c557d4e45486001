"""An attempt tells its end whatever goes wrong in it, and a worker does not wait for one that cannot."""

from __future__ import annotations

import queue
from types import SimpleNamespace
from typing import Any

import pytest

from meristem.errors import QueueNotFound
from meristem.needs import Needs, Offer
from meristem.statuses import Cause, TaskStatus
from meristem.store.store import Store
from meristem.store.task_rows import Claim
from meristem.workers.attempt import Attempt, Over
from meristem.workers.ending import Ended
from meristem.workers.settings import Settings
from meristem.workers.worker import Worker

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


class Process:
    """A warm process that answers at once, in the words given."""

    def __init__(self, message: str | None) -> None:
        self._message = message

    def wait(self, seconds: float) -> bool:
        return True

    def kill(self) -> None:
        raise RuntimeError("it cannot be killed")

    def collect(self) -> Ended:
        return Ended(code=1, message=self._message)


class Slot:
    gpus = ()

    def __init__(self, message: str | None = None) -> None:
        self._message = message

    def own_process(self) -> Process:
        return Process(self._message)

    def recover(self) -> None:
        raise RuntimeError("no process can be started")


def claim_of(**source: Any) -> Claim:
    return Claim(
        number=1, id="a" * 16, project="p", name="t", queue="q", attempt=1, fence=1,
        needs=Needs(), source={"entry": "function", **source}, environment={}, parameters={},
    )  # fmt: skip


@pytest.fixture
def settings(tmp_path):
    return Settings(offer=Offer(cpus=1, memory_bytes=1 << 30, gpus=0), slots=[()], folder=tmp_path, secrets=["hunter2"])


def told(settings: Settings, monkeypatch: pytest.MonkeyPatch, message: str | None) -> Over:
    """What an attempt tells whose function ended with `message`."""
    monkeypatch.setattr("meristem.workers.attempt.FunctionCall", lambda process, call: process)
    heard: queue.SimpleQueue[Over] = queue.SimpleQueue()
    attempt = Attempt(
        claim_of(), Slot(message), SimpleNamespace(), settings,
        session="s", folder=settings.folder / "attempt", tell=heard.put,
    )  # fmt: skip
    attempt.start()
    return heard.get(timeout=5)


def test_an_end_is_told_though_nothing_can_be_cleared_up_after_it(settings, monkeypatch):
    over = told(settings, monkeypatch, "no good")
    assert over.verdict is not None
    assert (over.verdict.status, over.verdict.cause) == (TaskStatus.FAILED, Cause.CODE_FAILED)
    assert over.verdict.message == "no good"


def test_a_message_with_half_a_surrogate_pair_is_told_masked(settings, monkeypatch):
    over = told(settings, monkeypatch, "bad \ud800 hunter2")
    assert over.verdict is not None
    assert over.verdict.message == "bad \\ud800 ****"


def test_a_message_that_cannot_be_masked_is_not_told_and_the_end_is(settings, monkeypatch):
    def breaks(text, secrets):
        raise RuntimeError

    monkeypatch.setattr("meristem.workers.attempt.masked", breaks)
    over = told(settings, monkeypatch, "hunter2")
    assert over.verdict is not None
    assert over.verdict.status is TaskStatus.FAILED
    assert "cannot be shown" in (over.verdict.message or "")


def test_a_worker_fails_a_task_whose_thread_ended_without_a_word(settings):
    worker = Worker(Store("sqlite://"), ["q"], settings)
    claim = claim_of()
    worker._running[0] = SimpleNamespace(alive=False, claim=claim)
    worker._collect()
    assert not worker._running
    [over] = worker._ends
    assert over.claim is claim
    assert over.verdict is not None
    assert over.verdict.cause is Cause.NOT_PREPARED


def test_a_worker_goes_on_with_the_queues_that_are_left(settings):
    store = Store("sqlite://")
    for name in ("a", "b"):
        store.queues.ensure(name)
    worker = Worker(store, ["a", "b"], settings)
    worker._register()
    first = worker.session
    store.queues.delete("a")
    worker._register()
    assert worker.session != first
    assert list(store.workers.get(worker.session).queues) == ["b"]


def test_a_worker_does_not_begin_where_one_of_its_queues_is_missing(settings):
    store = Store("sqlite://")
    store.queues.ensure("a")
    with pytest.raises(QueueNotFound):
        Worker(store, ["a", "b"], settings)._register()
