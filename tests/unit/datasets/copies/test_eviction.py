from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.unit.datasets.copies.versions import Memory, content

from meristem.datasets.copies import evict, eviction, list_copies, local_copy, release
from meristem.datasets.copies.locks import share, try_alone


def make(memory: Memory, cache: Path, name: str, *, age: float, size: int = 1000) -> Path:
    copy = local_copy(memory.files({name: name.encode() * size}), memory, cache=cache)
    release(copy)
    used = time.time() - age
    os.utime(cache / "copies/locks" / f"{copy.name}.used", (used, used))
    return copy


def test_copies_that_were_not_used_for_longest_go_first(memory: Memory, cache: Path) -> None:
    old, middle, young = (make(memory, cache, name, age=age) for name, age in zip("abc", (30, 20, 10), strict=True))
    assert [copy.key for copy in evict(cache, 2500)] == [old.name]
    assert (middle.exists(), young.exists()) == (True, True)
    assert [copy.key for copy in evict(cache, 0)] == [middle.name, young.name]
    assert not any((cache / "copies/records").iterdir())
    assert not any((cache / "copies/locks").iterdir())


def test_using_a_copy_keeps_it(memory: Memory, cache: Path) -> None:
    old = make(memory, cache, "a", age=30)
    make(memory, cache, "b", age=20)
    release(local_copy(memory.files({"a": b"a" * 1000}), memory, cache=cache))
    evict(cache, 1500)
    assert [copy.key for copy in list_copies(cache)] == [old.name]


def test_a_copy_in_use_stays_also_above_the_limit(memory: Memory, cache: Path) -> None:
    old = make(memory, cache, "a", age=30)
    make(memory, cache, "b", age=20)
    held = local_copy(memory.files({"a": b"a" * 1000}), memory, cache=cache)
    os.utime(cache / "copies/locks" / f"{old.name}.used", (1, 1))
    evict(cache, 0)
    assert [(copy.key, copy.held) for copy in list_copies(cache)] == [(held.name, True)]
    assert content(held) == {"a": b"a" * 1000}
    release(held)
    evict(cache, 0)
    assert not held.exists()


def test_files_that_copies_share_count_once(memory: Memory, cache: Path) -> None:
    files = {f"f{number}": bytes([number]) * 1000 for number in range(10)}
    for number in range(3):
        release(local_copy(memory.files({**files, "f0": b"!" * number}), memory, cache=cache))
    assert evict(cache, 10_500) == []
    assert len(evict(cache, 9_002)) == 2  # what only they have is 1,000 and 1 byte: the oldest goes, then the next


def test_a_limit_is_kept_by_the_copy_that_exceeds_it(memory: Memory, cache: Path) -> None:
    old = make(memory, cache, "a", age=30)
    new = local_copy(memory.files({"b": b"b" * 1000}), memory, cache=cache, limit_bytes=1500)
    assert not old.exists()
    assert new.exists()


def test_what_killed_processes_left_goes_after_a_day(memory: Memory, cache: Path) -> None:
    make(memory, cache, "a", age=0)
    incoming = cache / "copies/incoming"
    for name in ("gone-1", "begun", "young"):
        (incoming / name / "sub").mkdir(parents=True)
        (incoming / name / "sub").chmod(0o555)
    long_ago = time.time() - 200_000
    os.utime(incoming / "begun", (long_ago, long_ago))
    at_work = share(cache / "copies/locks/begun.used")
    try:
        evict(cache, 1 << 30)
        assert sorted(path.name for path in incoming.iterdir()) == ["begun", "young"]
    finally:
        os.close(at_work)
    evict(cache, 1 << 30)
    assert [path.name for path in incoming.iterdir()] == ["young"]


def test_a_copy_that_somebody_took_after_the_look_stays(
    memory: Memory, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = local_copy(memory.files({"a": b"a"}), memory, cache=cache)
    monkeypatch.setattr(eviction, "is_held", lambda path: False)
    assert evict(cache, 0) == []
    assert copy.exists()


def test_who_waited_for_a_lock_file_that_was_deleted_meanwhile_locks_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = try_alone(path)
    assert first is not None
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(share, path)
        while not waiting.running():
            time.sleep(0.001)
        time.sleep(0.02)  # until it waits; should it not yet, the test passes all the same
        path.unlink()
        os.close(first)
        second = waiting.result()
    assert try_alone(path) is None
    os.close(second)
