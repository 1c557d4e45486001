"""Object stores that throttle, fail and cut connections; several writers; what is said when nothing helps."""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from flaky_s3 import FlakyProxy
from meristem.errors import NotInPlace, PlaceUnavailable
from meristem.packs.places import object_store
from meristem.packs.places.object_store import ObjectStorePlace
from s3_server import S3Server

SHORT = timedelta(seconds=1)
EVERYTHING = dict.fromkeys(("slow_down", "too_many", "error", "reset", "lost", "failed_late", "cut"), 0.06)


@pytest.fixture
def proxy(s3_server: S3Server, s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlakyProxy]:
    """Before the server of `s3`, still without faults."""
    with FlakyProxy(s3_server.url, seed=7) as opened:
        monkeypatch.setenv("AWS_ENDPOINT_URL", opened.url)
        yield opened


def test_everything_arrives_right_though_four_of_ten_requests_fail(proxy: FlakyProxy, s3: str) -> None:
    contents = {f"packs/{n:02}/x.pack": random.Random(n).randbytes(20_000 + n) for n in range(30)}
    proxy.faults = EVERYTHING
    place = ObjectStorePlace(s3)

    with ThreadPoolExecutor(4) as threads:
        won = list(threads.map(place.put_new, contents, contents.values()))
        read = list(threads.map(place.read, contents))
        ranges = list(threads.map(lambda key: place.read_ranges(key, [(5, 10), (19_000, 5_000)]), contents))

    assert won == [True] * 30  # also where the answer to the put was lost
    assert read == list(contents.values())
    assert ranges == [[content[5:15], content[19_000:24_000]] for content in contents.values()]
    assert {listed.key for listed in place.keys("packs/")} == set(contents)
    place.delete(contents)
    assert list(place.keys("")) == []
    assert set(proxy.done) == {*EVERYTHING, "passed"}


def test_a_put_whose_answer_was_lost_is_known_as_ours(proxy: FlakyProxy, s3: str) -> None:
    place = ObjectStorePlace(s3)
    place.put_new("versions/a", b"0")
    proxy.faults = {"lost": 0.5}

    assert [place.put_new(f"versions/{n}", b"1") for n in range(6)] == [True] * 6
    assert [place.put_new(f"versions/{n}", b"2") for n in range(6)] == [False] * 6
    assert proxy.done["lost"] > 3


def test_a_long_list_goes_on_where_it_broke_off(proxy: FlakyProxy, s3: str, s3_server: S3Server) -> None:
    place = ObjectStorePlace(s3)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: place.put_new(f"packs/{n}", b""), range(1005)))
    proxy.faults = {"cut": 0.5}

    assert sorted(int(listed.key[6:]) for listed in place.keys("packs/")) == list(range(1005))


def test_of_two_processes_that_put_one_key_exactly_one_wins(proxy: FlakyProxy, s3: str) -> None:
    spawning = multiprocessing.get_context("spawn")
    with spawning.Pool(2, _remember, (spawning.Barrier(2),)) as pool:
        first, second = pool.starmap(_put_all, [(s3, 0), (s3, 1)], chunksize=1)
        pool.close()
        pool.join()

    assert [a != b for a, b in zip(first, second, strict=True)] == [True] * 50
    place = ObjectStorePlace(s3)
    assert [place.read(f"versions/{n}") for n in range(50)] == [b"0" if won else b"1" for won in first]
    assert 0 < sum(first) < 50  # they did meet


def test_of_threads_that_put_one_key_exactly_one_wins(proxy: FlakyProxy, s3: str) -> None:
    place, start = ObjectStorePlace(s3), threading.Barrier(2)

    def put(me: int) -> list[bool]:
        won = []
        for n in range(50):
            start.wait()
            won.append(place.put_new(f"versions/{n}", str(me).encode()))
        return won

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(put, range(2))

    assert [a != b for a, b in zip(first, second, strict=True)] == [True] * 50


def test_a_server_without_conditional_puts_is_asked_before_and_that_is_told_once(
    s3_server: S3Server, s3: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with FlakyProxy(s3_server.url, conditions=False) as old:
        monkeypatch.setenv("AWS_ENDPOINT_URL", old.url)
        place = ObjectStorePlace(s3)
        with caplog.at_level(logging.WARNING, "meristem.packs"):
            assert place.put_new("packs/a", b"1")
            assert not place.put_new("packs/a", b"2")
            assert place.put_new("packs/b", b"3")

    assert place.url == s3
    assert [record.message.split(":")[0] for record in caplog.records if "conditional" in record.message] == ["s3"]


def test_a_missing_bucket_is_named(s3: str) -> None:
    place = ObjectStorePlace("s3://no-such-bucket/x", patience=SHORT)

    for work in (
        lambda: place.size("a"),
        lambda: place.read("a"),
        lambda: place.put_new("a", b""),
        lambda: list(place.keys("")),
        lambda: place.delete(["a"]),
    ):
        with pytest.raises(PlaceUnavailable, match=r"'no-such-bucket' of .* does not exist") as refused:
            work()
        assert not refused.value.transient


def test_access_denied_is_told_without_keys(proxy: FlakyProxy, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    proxy.faults = {"denied": 1.0}

    for work in (lambda place: place.size("a"), lambda place: place.put_new("a", b"")):
        with pytest.raises(PlaceUnavailable, match="access is denied") as refused:
            work(ObjectStorePlace(s3))
        assert "AWS_ACCESS_KEY_ID" in refused.value.fix
        assert "very-secret" not in f"{refused.value}{refused.value.__cause__}"


def test_throttling_without_end_is_given_up_and_told(proxy: FlakyProxy, s3: str) -> None:
    place = ObjectStorePlace(s3, patience=SHORT)
    place.put_new("a", b"")
    proxy.faults = {"slow_down": 1.0}

    with pytest.raises(PlaceUnavailable, match="slow down") as refused:
        place.read("a")

    assert refused.value.transient


@pytest.mark.timeout(20)
def test_a_server_that_never_answered_is_not_waited_for_long(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "_FIRST_CONTACT", SHORT)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and never listens
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")

        with pytest.raises(PlaceUnavailable, match="cannot be reached") as refused:
            ObjectStorePlace(s3).read("a")

    assert refused.value.transient


def test_a_server_that_comes_back_is_waited_for(proxy: FlakyProxy, s3: str) -> None:
    place = ObjectStorePlace(s3)
    place.put_new("a", b"content")
    proxy.faults = {"reset": 1.0}
    threading.Timer(1.5, lambda: proxy.faults.clear()).start()

    assert place.read("a") == b"content"


def test_what_another_one_deleted_is_missing_and_not_an_outage(proxy: FlakyProxy, s3: str) -> None:
    place = ObjectStorePlace(s3)
    place.put_new("a", b"content")
    ObjectStorePlace(s3).delete(["a"])

    with pytest.raises(NotInPlace):
        place.read("a", 2, 3)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_is_refused_instead_of_waiting_for_ever(s3: str) -> None:
    place = ObjectStorePlace(s3)
    place.put_new("a", b"content")

    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(20)  # it must not outlive the test
        try:
            place.read("a")
        except PlaceUnavailable as error:
            os._exit(7 if "spawn" in error.fix else 1)
        os._exit(0)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


_start: list[Any] = []


def _remember(barrier: Any) -> None:
    _start.append(barrier)


def _put_all(url: str, me: int) -> list[bool]:
    place, won = ObjectStorePlace(url), []
    for n in range(50):
        _start[0].wait(60)
        won.append(place.put_new(f"versions/{n}", str(me).encode()))
    return won
