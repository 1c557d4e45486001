"""A bucket of an object store as a place: S3 and what speaks like it, Google, Azure, or memory.

A content is put by one request on the condition that nothing lies there, so that it is seen whole or not at all, and
of two writers one wins. Each put carries a mark of its own: where the answer was lost and the put is asked again, the
mark tells whether what now lies there is ours.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from meristem.errors import NotInPlace, PlaceUnavailable
from meristem.packs.place import Listed, check_key
from meristem.packs.places.bucket_errors import missing_bucket, no_bucket, no_conditions, out_of_range, understood
from meristem.packs.places.buckets import open_bucket

T = TypeVar("T")
log = logging.getLogger("meristem.packs")

PATIENCE = timedelta(seconds=30)
_MARK = "meristemwriter"  # letters alone: Azure allows no others in a name
_GAP_BYTES = 128 << 10  # reading so much in vain costs less than a request
_DELETED_AT_ONCE = 1000
_LONGEST_PAUSE_SECONDS = 5.0
_FIRST_CONTACT = timedelta(seconds=5)  # a place that never answered is more likely wrong than away
_process: list[int] = []  # the one that first used an object store


class ObjectStorePlace:
    """Contents as objects of a bucket.

    Args:
        url: s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or memory://name. The bucket exists already.
        patience: How long a request is repeated while the store is away, throttles or fails.

    Raises:
        InputError: The URL or a setting of the environment cannot be used.
    """

    reads_at_once = 8

    def __init__(self, url: str, *, patience: timedelta = PATIENCE) -> None:
        self._bucket = open_bucket(url, patience)
        self._patience = patience
        self._answered = False  # ever: then it exists and lets us in
        self._conditions = True  # whether the server knows puts that replace nothing
        self._away = False  # as told in the log

    @property
    def url(self) -> str:
        return self._bucket.url

    def put_new(self, key: str, content: bytes | Path) -> bool:
        path, mark, body = self._path(key), secrets.token_hex(8), self._body(content)

        def put() -> bool:
            if not self._conditions:
                return self._put_unconditionally(path, mark, body)
            try:
                obstore.put(self._bucket.writes, path, body, mode="create", attributes={_MARK: mark})
            except (AlreadyExistsError, PreconditionError) as error:
                lies_there = self._mark(path)
                if lies_there is None:  # a delete crossed us
                    raise _Crossed("status code: 409") from error
                return lies_there == mark
            return True

        try:
            return self._patiently(key, "written", put)
        except PlaceUnavailable as error:
            if not (self._conditions and error.__cause__ is not None and no_conditions(error.__cause__)):
                raise
        self._conditions = False
        log.warning(
            "%s knows no conditional puts: whether something lies there is asked before. "
            "Let no two programs write the same version there at once.",
            self.url,
        )
        return self._patiently(key, "written", put)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        path = self._path(key)
        if length is not None and length <= 0:
            return self._nothing(key)
        return self._patiently(key, "read", lambda: self._part(path, start, length))

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        if any(start < 0 for start, _ in ranges):
            return [self.read(key, start, length) for start, length in ranges]
        path, spans = self._path(key), _spans(ranges)
        if not spans:
            return [self._nothing(key) for _ in ranges[:1]] * len(ranges)
        got = self._patiently(key, "read", lambda: self._spans(path, spans))
        parts = [b""] * len(ranges)
        for (begin, _, wanted), span in zip(spans, got, strict=True):
            for number in wanted:
                start, length = ranges[number]
                parts[number] = bytes(span[start - begin : start - begin + length])
        return parts

    def size(self, key: str) -> int | None:
        path = self._path(key)
        try:
            return self._patiently(key, "read", lambda: obstore.head(self._bucket.reads, path)["size"])
        except NotInPlace:
            return None

    def keys(self, prefix: str) -> Iterator[Listed]:
        folder = f"{self._bucket.prefix}{prefix}".rpartition("/")[0]
        last: str | None = None
        while page := self._patiently(prefix, "read", lambda: self._page(folder, last)):  # noqa: B023 (called at once)
            last = page[-1].key
            for listed in page:
                key = listed.key.removeprefix(self._bucket.prefix)
                if key.startswith(prefix):
                    yield Listed(key, listed.size, listed.modified)

    def delete(self, keys: Iterable[str]) -> None:
        paths = [self._path(key) for key in keys]
        for start in range(0, len(paths), _DELETED_AT_ONCE):
            self._delete(paths[start : start + _DELETED_AT_ONCE])

    def _delete(self, paths: list[str]) -> None:
        try:
            self._patiently("", "written", lambda: obstore.delete(self._bucket.writes, paths))
        except NotInPlace:  # of providers that delete one by one, and stop at the first that has gone
            if len(paths) > 1:
                for path in paths:
                    self._delete([path])

    def _path(self, key: str) -> str:
        return self._bucket.prefix + check_key(key)

    def _body(self, content: bytes | Path) -> bytes:
        if not isinstance(content, Path):
            return content
        try:
            return content.read_bytes()
        except OSError as error:
            raise PlaceUnavailable(f"{content} cannot be read to be stored in {self.url}: {error}.") from error

    def _put_unconditionally(self, path: str, mark: str, body: bytes) -> bool:
        lies_there = self._mark(path)
        if lies_there is not None:
            return lies_there == mark
        obstore.put(self._bucket.writes, path, body, use_multipart=False, attributes={_MARK: mark})
        return True

    def _mark(self, path: str) -> str | None:
        """The mark of what lies at `path`; None: nothing does."""
        try:
            found = obstore.get(self._bucket.reads, path, options={"head": True})
        except FileNotFoundError as error:
            if no_bucket(error):
                raise
            return None
        return str(found.attributes.get(_MARK, ""))

    def _nothing(self, key: str) -> bytes:
        if self.size(key) is None:
            raise NotInPlace(key, self.url)
        return b""

    def _part(self, path: str, start: int, length: int | None) -> bytes:
        try:
            return self._asked_part(path, start, length)
        except BaseError as error:
            if start < 0 and self._bucket.scheme == "az":
                pass  # knows no "last n bytes"
            elif not out_of_range(error):
                raise
        size = obstore.head(self._bucket.reads, path)["size"]
        begin = max(0, size + start) if start < 0 else start
        end = size if length is None else min(size, begin + length)
        if begin >= end:
            return b""
        return bytes(obstore.get_range(self._bucket.reads, path, start=begin, end=end))

    def _asked_part(self, path: str, start: int, length: int | None) -> bytes:
        store = self._bucket.reads
        if start < 0:
            last = bytes(obstore.get(store, path, options={"range": {"suffix": -start}}).bytes())
            # Of what is shorter than that, all is its end.
            return last if length is None else last[:length]
        if length is not None:
            return bytes(obstore.get_range(store, path, start=start, length=length))
        if start:
            return bytes(obstore.get(store, path, options={"range": {"offset": start}}).bytes())
        return bytes(obstore.get(store, path).bytes())

    def _spans(self, path: str, spans: Sequence[_Span]) -> list[memoryview]:
        starts, ends = [begin for begin, _, _ in spans], [end for _, end, _ in spans]
        try:
            found = obstore.get_ranges(self._bucket.reads, path, starts=starts, ends=ends, coalesce=0)
        except BaseError as error:
            if not out_of_range(error):
                raise
            return [memoryview(self._part(path, begin, end - begin)) for begin, end, _ in spans]
        return [memoryview(part) for part in found]

    def _page(self, folder: str, after: str | None) -> list[Listed]:
        pages = obstore.list(self._bucket.reads, prefix=folder or None, offset=after, chunk_size=1000)
        return [
            Listed(found["path"], found["size"], found["last_modified"].timestamp()) for found in next(iter(pages), [])
        ]

    def _patiently(self, key: str, verb: str, work: Callable[[], T]) -> T:
        """Does `work`, again while that may help: at least three times, and for as long as our patience lasts."""
        _check_process()
        begun, pause, tries = time.monotonic(), 0.2, 0
        while True:
            tries += 1
            try:
                found = work()
            except FileNotFoundError as error:
                self._check_bucket(error)
                raise NotInPlace(key, self.url) from error
            except (BaseError, _Crossed) as error:
                problem = understood(error, self._bucket, verb)
                if not problem.transient or no_conditions(error) or self._given_up(begun, tries):
                    # What obstore says may hold a signed URL.
                    raise problem from (None if "sig=" in str(error) else error)
                self._tell_that_it_is_away(problem, begun)
            else:
                self._tell_that_it_is_back()
                return found
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _given_up(self, begun: float, tries: int) -> bool:
        waited = timedelta(seconds=time.monotonic() - begun)
        if not self._answered:
            return waited > min(self._patience, _FIRST_CONTACT)
        return tries >= 3 and waited > self._patience

    def _check_bucket(self, error: FileNotFoundError) -> None:
        """Raises where it is the bucket that is missing: asked for a size alone, a server does not say so."""
        if no_bucket(error):
            raise missing_bucket(self._bucket) from error
        if not self._answered:
            self._answered = True  # or this would be asked for ever
            try:
                self._patiently("", "read", lambda: self._page(self._bucket.prefix.rstrip("/"), None))
            except PlaceUnavailable:
                self._answered = False
                raise

    def _tell_that_it_is_away(self, problem: PlaceUnavailable, begun: float) -> None:
        if self._answered and not self._away and time.monotonic() - begun > 2:
            self._away = True
            log.warning("%s Waiting for it.", problem.what)

    def _tell_that_it_is_back(self) -> None:
        self._answered = True
        if self._away:
            self._away = False
            log.warning("%s is back.", self.url)


class _Crossed(Exception):
    """A put met something that was gone a moment later."""


_Span = tuple[int, int, list[int]]  # begin, end, numbers of the ranges that lie in it


def _spans(ranges: Sequence[tuple[int, int]]) -> list[_Span]:
    """What to ask for: ranges with small gaps between them as one."""
    spans: list[_Span] = []
    for number in sorted(range(len(ranges)), key=ranges.__getitem__):
        start, length = ranges[number]
        if length <= 0:
            continue
        if spans and start - spans[-1][1] <= _GAP_BYTES:
            begin, end, wanted = spans.pop()
            spans.append((begin, max(end, start + length), [*wanted, number]))
        else:
            spans.append((start, start + length, [number]))
    return spans


def _check_process() -> None:
    """Refuses to work in a process that was forked from one that used an object store: it would wait for ever."""
    if not _process:
        _process.append(os.getpid())
    elif _process[0] != os.getpid():
        raise PlaceUnavailable(
            "Object stores cannot be used in this process.",
            "It was forked from one that had used one, and the threads for that were left behind.",
            'Start processes afresh (multiprocessing.set_start_method("spawn"), DataLoader(…, '
            'multiprocessing_context="spawn")), or read from a local copy.',
        )
