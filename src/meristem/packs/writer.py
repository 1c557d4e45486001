"""Packs objects and brings the packs to their place; what is known there already is not stored again.

Each thread fills a pack of its own. Small objects wait in batches, so that one question asks for
hundreds of them whether they are known, and one system call writes them. In a folder a pack is written
where it will be linked; elsewhere it is built in memory and uploaded in the background.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import NamedTuple, Self

from meristem.errors import InputError
from meristem.packs.chunking import ZEROS
from meristem.packs.compression import Compression
from meristem.packs.format import EMPTY_OBJECT, FOOTER, LONGEST, RAW, Row, decode_rows, name_of, pack_key
from meristem.packs.open_pack import OpenPack
from meristem.packs.pack_files import is_whole
from meristem.packs.place import Place

TARGET_BYTES = 32 << 20
_MOST_OBJECTS = 1 << 16  # of one pack: its index is held in memory
_BATCH_OBJECTS, _BATCH_BYTES = 256, 4 << 20
_SMALL = 64 << 10  # larger ones do not wait: asking for them costs little beside hashing them
_ZEROS_NAME = name_of(ZEROS)
_RENAMINGS = 8


class PackMade(NamedTuple):
    """A pack: its name, its size in bytes, how many objects it holds, and its index block."""

    name: str
    size: int
    objects: int
    block: bytes

    @property
    def rows(self) -> list[Row]:
        """Where each object lies in it, sorted by name."""
        return decode_rows(self.block)


class Names:
    """A list of many names that takes 32 bytes for each."""

    def __init__(self) -> None:
        self._raw = bytearray()

    def __len__(self) -> int:
        return len(self._raw) // 32

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self._raw), 32):
            yield self._raw[start : start + 32].hex()

    def add(self, names: Iterable[str]) -> None:
        self._raw += bytes.fromhex("".join(names))


class _Filling:
    """What one thread has put and not finished."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str, bytes | memoryview, str]] = []
        self.waiting_bytes = 0
        self.pack: OpenPack | None = None
        self.compression = Compression()


class PackWriter:
    """Stores objects. Several threads may put at once; `flush` and `close` are called when none does.

    Args:
        place: Where packs are brought.
        known: Which of some names need not be stored, since a pack that counts holds them.
        before_upload: Called with each pack before it can be seen in its place. Where it returns False, a pack of
            that name may not be used: this one gets an object more and so another name, and is told of again.
        after_upload: Called with each pack once it lies there. `known` must know its objects from then on; the
            writer forgets them, and its memory does not grow with their number.
        uploads: How many packs are under way at once.
        target_bytes: About how large a pack becomes.
        mark: An object that each pack holds, so that those who share a place under other marks never make the same
            pack, which one of them may delete one day. Empty: none.

    The callbacks are called in threads of the writer, never two at once. An error of theirs, or of the
    place, is raised by the next `put` or `flush`, and from then on by every one.
    """

    def __init__(
        self,
        place: Place,
        known: Callable[[Sequence[str]], set[str]],
        before_upload: Callable[[PackMade], object],
        *,
        after_upload: Callable[[PackMade], object] | None = None,
        uploads: int = 4,
        target_bytes: int = TARGET_BYTES,
        mark: bytes = b"",
    ) -> None:
        self._place, self._known = place, known
        self._before_upload, self._after_upload = before_upload, after_upload
        self._target = target_bytes
        self._mark, self._mark_name = mark, name_of(mark)
        self.packs: list[PackMade] = []
        self.hits = Names()
        self.stored_bytes = 0
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._taken: set[str] = set()  # put, and not yet known to `known`
        self._own = threading.local()
        self._fillings: list[_Filling] = []
        self._room = threading.Semaphore(uploads)
        self._uploads = ThreadPoolExecutor(uploads, thread_name_prefix="meristem-packs")
        self._under_way: set[Future[None]] = set()
        self._failure: BaseException | None = None

    def put(self, content: bytes | memoryview, *, suffix: str = "", name: str | None = None) -> str:
        """Stores an object where it is not known yet, and returns its name.

        Args:
            content: A memoryview may be overwritten by the caller afterwards.
            suffix: Of the file that it is from; objects of one suffix are packed in similar ways.
            name: Its name, where the caller has hashed it already.

        Raises:
            PlaceUnavailable: It, or something before it, could not be stored.
        """
        if self._failure is not None:
            raise self._failure
        size = len(content)
        if not size:
            return EMPTY_OBJECT
        if size > LONGEST:
            raise InputError(f"An object is shorter than 4 GiB; this one has {size} bytes.", fix="Cut it into chunks.")
        if name is None:
            name = _ZEROS_NAME if content is ZEROS else name_of(content)
        with self._lock:
            if name in self._taken:
                return name
            self._taken.add(name)
        filling = self._filling()
        filling.waiting.append((name, content if size > _SMALL else bytes(content), suffix))
        filling.waiting_bytes += size
        if size > _SMALL or len(filling.waiting) >= _BATCH_OBJECTS or filling.waiting_bytes >= _BATCH_BYTES:
            self._guarded(self._store, filling)
        return name

    def flush(self) -> None:
        """Returns once everything that was put lies in its place. Errors as `put`."""
        if self._failure is not None:
            raise self._failure
        for filling in self._fillings:
            self._guarded(self._store, filling)
            self._guarded(self._finish, filling)
        wait(self._under_way)
        self._under_way.clear()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Drops what was not flushed; may be repeated."""
        self._fail(ValueError("This writer of packs is closed."))
        self._uploads.shutdown(wait=True)  # what has not begun sees the failure, and drops its pack
        for filling in self._fillings:
            filling.waiting.clear()
            if filling.pack:
                filling.pack.drop()
                filling.pack = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _filling(self) -> _Filling:
        filling: _Filling | None = getattr(self._own, "filling", None)
        if filling is None:
            filling = self._own.filling = _Filling()
            with self._lock:
                self._fillings.append(filling)
        return filling

    def _guarded(self, work: Callable[[_Filling], None], filling: _Filling) -> None:
        """Does part of a `put`; if it cannot, what it took is lost, and so is the writer."""
        try:
            work(filling)
        except BaseException as error:
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or error

    def _store(self, filling: _Filling) -> None:
        """Writes what waits and is not known."""
        batch, filling.waiting, filling.waiting_bytes = filling.waiting, [], 0
        if not batch:
            return
        known = self._known([name for name, _, _ in batch])
        if known:
            with self._lock:
                self.hits.add(known)
                self._taken -= known
        for name, content, suffix in batch:
            if name not in known:
                self._append(filling, name, content, suffix)
        if filling.pack:
            filling.pack.write()

    def _append(self, filling: _Filling, name: str, content: bytes | memoryview, suffix: str) -> None:
        stored, codec = filling.compression.pack(content, suffix)
        pack = filling.pack
        if pack and (pack.size + len(stored) > self._target or pack.objects >= _MOST_OBJECTS) and pack.objects:
            self._finish(filling)
        if filling.pack is None:
            filling.pack = OpenPack(self._place)
            if self._mark:
                filling.pack.add(self._mark_name, self._mark, len(self._mark), RAW)
        if name != self._mark_name:
            filling.pack.add(name, stored, len(content), codec)

    def _finish(self, filling: _Filling) -> None:
        """Has the thread's pack brought to its place, once there is room for one more that is under way."""
        pack, filling.pack = filling.pack, None
        if pack is None:
            return
        try:
            pack.write()
            self._room.acquire()
            future = self._uploads.submit(self._upload, pack)
        except BaseException:
            pack.drop()
            raise
        with self._lock:
            self._under_way = {other for other in self._under_way if not other.done()} | {future}

    def _upload(self, pack: OpenPack) -> None:
        try:
            if self._failure is None:
                self._bring(pack)
        except BaseException as error:
            self._fail(error)
        finally:
            pack.drop()  # its bytes; what lies in its place is not touched
            self._room.release()

    def _bring(self, pack: OpenPack) -> None:
        made, index = self._told(pack)
        content = pack.finish(index)
        key = pack_key(made.name)
        if self._place.size(key) is not None and not is_whole(self._place, made.name):
            self._place.delete([key])  # put_new would leave the damaged one
        self._place.put_new(key, content)
        if self._after_upload:
            with self._telling:
                self._after_upload(made)
        with self._lock:
            self.stored_bytes += made.size
            self.packs.append(made._replace(block=b"") if self._after_upload else made)
            if self._after_upload:
                self._taken.difference_update(pack.names())

    def _told(self, pack: OpenPack) -> tuple[PackMade, bytes]:
        """The pack under a name that may be used, and its index block."""
        for _ in range(_RENAMINGS):
            index = pack.index()
            made = PackMade(name_of(index), pack.size + len(index) + FOOTER.size, pack.objects, index)
            with self._telling:
                if self._before_upload(made) is not False:
                    return made, index
            salt = secrets.token_bytes(32)
            pack.add_salt(name_of(salt), salt)
        raise InputError(f"A pack was refused under {_RENAMINGS} names.")
