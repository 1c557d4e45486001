"""What every store must do with packs of objects, so that garbage collection removes nothing that somebody needs."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest

from meristem.errors import StoreUnavailable
from meristem.events import DatasetEventKind
from meristem.statuses import VersionStatus
from meristem.store.dataset_rows import (
    EpochMoved,
    PackCondemned,
    PacksGone,
    PackState,
    RootRow,
    RootsMoved,
    VersionRow,
)
from meristem.store.store import Store

EMPTY = "e" * 64
A, B, C = "a" * 64, "b" * 64, "c" * 64
KINDS_THERE = (PackState.INCOMING, PackState.LIVE)


def draft(store: Store, name: str = "digits") -> VersionRow:
    return store.datasets.begin(store.datasets.ensure("demo", name).id, root=EMPTY)


def stored(store: Store, row: VersionRow, *packs: str, root: str = "r") -> None:
    """Has a draft refer to what lies in new packs."""
    for pack in packs:
        store.dataset_packs.intend(row.id, pack, 100, 3)
    revision = store.datasets.version(row.id).revision
    epoch = store.dataset_packs.live().epoch
    store.datasets.checkpoint(row.id, revision=revision, epoch=epoch, root=root, packs=packs)


def condemn(store: Store, *packs: str, made: Sequence[str] = ()) -> set[str]:
    roots = store.datasets.roots()
    return store.dataset_packs.condemn(packs, epoch=roots.epoch, cursor=roots.cursor, made=made)


def test_a_pack_is_looked_into_once_a_draft_refers_to_it(store: Store) -> None:
    row = draft(store)
    store.dataset_packs.intend(row.id, A, 100, 3)
    store.dataset_packs.intend(row.id, A, 100, 3)
    assert store.dataset_packs.live() == (0, [])
    [pack] = store.dataset_packs.of_draft(row.id)
    assert (pack.name, pack.size, pack.objects, pack.draft, pack.state) == (A, 100, 3, row.id, PackState.INCOMING)
    stored(store, row, A)
    [pack] = store.dataset_packs.live().packs
    assert (pack.name, pack.state) == (A, PackState.LIVE)
    assert store.dataset_packs.of_draft(row.id) == [pack]


def test_a_reader_of_packs_misses_none_whatever_the_order_in_which_they_were_intended(store: Store) -> None:
    one, other = draft(store), draft(store)
    for pack in (A, B):
        store.dataset_packs.intend(one.id, pack, 1, 1)
    store.dataset_packs.intend(other.id, C, 1, 1)
    stored(store, other, C)
    [seen] = store.dataset_packs.live().packs
    assert seen.serial is not None
    stored(store, one, B, A)
    stored(store, other, C)  # live before: not told again
    later = store.dataset_packs.live(after=seen.serial).packs
    assert [pack.name for pack in later] == [B, A]
    assert len({pack.serial for pack in store.dataset_packs.live().packs}) == 3


def test_packs_of_open_drafts_are_never_condemned(store: Store) -> None:
    row = draft(store)
    store.dataset_packs.intend(row.id, B, 100, 3)
    stored(store, row, A)
    assert condemn(store, A, B) == set()
    assert store.dataset_packs.live().epoch == 0
    store.datasets.discard(row.id)
    assert condemn(store, A, B) == {A, B}
    assert store.dataset_packs.live().epoch == 1
    assert store.dataset_packs.live() == (1, [])
    [told] = [event for event in store.dataset_log.list_after() if event.kind is DatasetEventKind.PACKS_CONDEMNED]
    assert told.payload == {"packs": 2, "bytes": 200, "epoch": 1}


def test_a_pack_that_two_drafts_made_belongs_to_both(store: Store) -> None:
    one, other = draft(store), draft(store)
    store.dataset_packs.intend(one.id, A, 1, 1)
    store.dataset_packs.intend(other.id, A, 1, 1)
    store.datasets.discard(one.id)
    assert condemn(store, A) == set()
    assert [pack.name for pack in store.dataset_packs.of_draft(other.id)] == [A]
    store.datasets.discard(other.id)
    assert condemn(store, A) == {A}


def test_a_writer_who_looked_before_packs_were_condemned_must_look_again(store: Store) -> None:
    gone = draft(store)
    stored(store, gone, A)
    store.datasets.discard(gone.id)
    writer = draft(store)
    seen = store.dataset_packs.live()
    assert [pack.name for pack in seen.packs] == [A]
    condemn(store, A)
    with pytest.raises(EpochMoved) as caught:
        store.datasets.checkpoint(writer.id, revision=0, epoch=seen.epoch, root="needs A")
    assert caught.value.epoch == 1
    with pytest.raises(PacksGone):
        store.datasets.checkpoint(writer.id, revision=0, epoch=1, root="needs A", packs=[A])
    assert store.datasets.version(writer.id).root == EMPTY


def test_roots_that_come_while_marking_are_marked_too(store: Store) -> None:
    gone = draft(store)
    stored(store, gone, A, B)
    store.datasets.discard(gone.id)
    roots = store.datasets.roots()
    assert roots.rows == []
    writer = draft(store)
    store.datasets.checkpoint(writer.id, revision=0, epoch=0, root="needs A")
    with pytest.raises(RootsMoved) as caught:
        store.dataset_packs.condemn([A, B], epoch=0, cursor=roots.cursor)
    assert caught.value.cursor == store.datasets.roots().cursor
    shown: list[RootRow] = []

    def spare(rows: Sequence[RootRow]) -> list[str]:
        shown.extend(rows)
        return [A]

    assert store.dataset_packs.condemn([A, B], epoch=0, cursor=roots.cursor, spare=spare) == {B}
    assert [row.root for row in shown] == ["needs A"]
    assert [pack.name for pack in store.dataset_packs.live().packs] == [A]


def test_a_collection_ends_however_busy_writers_are(store: Store, store_url: str) -> None:
    gone = draft(store)
    stored(store, gone, A, B)
    store.datasets.discard(gone.id)
    roots = store.datasets.roots()
    writer = draft(store)
    shown: list[str] = []

    def spare(rows: Sequence[RootRow]) -> list[str]:
        shown.extend(row.root for row in rows)
        assert len(store.dataset_packs.live().packs) == 2  # marking may look into packs
        if len(shown) < 21:
            revision = len(shown) - 1
            store.datasets.checkpoint(writer.id, revision=revision, epoch=0, root=f"r{len(shown)}")
        elif store_url.startswith("sqlite:///"):  # by now writers wait
            other = Store(store_url, patience=timedelta(seconds=0.05))
            with pytest.raises(StoreUnavailable):
                other.datasets.checkpoint(writer.id, revision=20, epoch=0, root="late")
            other.close()
        return [A] if len(shown) == 1 else []

    assert store.dataset_packs.condemn([A, B], epoch=0, cursor=roots.cursor, spare=spare) == {B}
    assert shown == [EMPTY, *(f"r{number}" for number in range(1, 21))]


def test_each_change_of_what_is_needed_comes_after_the_cursor(store: Store) -> None:
    row = draft(store)
    cursor = store.datasets.roots().cursor

    def since() -> list[tuple[str, str | None, tuple[str, ...]]]:
        nonlocal cursor
        shown: list[RootRow] = []

        def spare(rows: Sequence[RootRow]) -> list[str]:
            shown.extend(rows)
            return []

        epoch = store.datasets.roots().epoch
        assert store.dataset_packs.condemn(["none"], epoch=epoch, cursor=cursor, spare=spare) == set()
        cursor = store.datasets.roots().cursor
        return [(root.root, root.preview, root.logs) for root in shown]

    assert since() == []
    store.datasets.checkpoint(row.id, revision=0, epoch=0, root="r1")
    assert since() == [("r1", None, ())]
    store.datasets.log(row.id, "t", "s", "plot", "o", epoch=0)
    assert since() == [("r1", None, ("o",))]
    store.datasets.set_preview(row.id, "p", epoch=0)
    assert since() == [("r1", "p", ("o",))]
    store.datasets.rebase(row.id, revision=1, epoch=0, root="r2", parents=[])
    assert since() == [("r2", "p", ("o",))]
    final = store.datasets.finalize(row.id, revision=2, epoch=0, root="r3")
    assert since() == [("r3", "p", ("o",))]
    store.datasets.begin(final.dataset, parents=[final.id])
    assert since() == [("r3", None, ())]
    store.datasets.tag(final.id, ["x"])
    store.datasets.publish(final.id)
    assert since() == []
    assert len(store.datasets.roots().rows) == 2
    store.datasets.delete(final.id, force=True)
    # The draft that was begun from it may still be merged, for which it is needed.
    assert [root.version for root in store.datasets.roots().rows] == [final.id, final.id + 1]
    store.datasets.discard(final.id + 1)
    assert store.datasets.roots().rows == []


def test_packing_anew_replaces_packs_with_one_stroke(store: Store) -> None:
    row = draft(store)
    stored(store, row, A)
    store.datasets.finalize(row.id, revision=1, epoch=0, root="r")
    store.dataset_packs.intend(None, B, 10, 1)
    assert condemn(store, A, made=[B]) == {A}
    assert [pack.name for pack in store.dataset_packs.live().packs] == [B]


def test_two_collections_at_once_do_not_undo_each_other(store: Store) -> None:
    row = draft(store)
    stored(store, row, A)
    store.datasets.discard(row.id)
    store.dataset_packs.intend(None, B, 10, 1)  # by the one
    roots = store.datasets.roots()
    assert condemn(store, A, B) == {A, B}  # by the other, which takes it for something left over
    with pytest.raises(EpochMoved):
        store.dataset_packs.condemn([A], epoch=roots.epoch, cursor=roots.cursor, made=[B])
    roots = store.datasets.roots()
    with pytest.raises(PacksGone):
        store.dataset_packs.condemn([A], epoch=roots.epoch, cursor=roots.cursor, made=[B])


def test_the_name_of_a_condemned_pack_is_never_used_again(store: Store) -> None:
    row = draft(store)
    stored(store, row, A)
    store.datasets.discard(row.id)
    condemn(store, A)
    again = draft(store)
    for _ in range(2):
        with pytest.raises(PackCondemned):
            store.dataset_packs.intend(again.id, A, 1, 1)
        store.dataset_packs.forget([A])
    assert store.dataset_packs.names(PackState.FORGOTTEN) == {A}
    assert store.dataset_packs.of_draft(again.id) == []


def test_condemned_packs_are_deleted_after_a_while(store: Store) -> None:
    row = draft(store)
    stored(store, row, A, B)
    store.datasets.discard(row.id)
    condemn(store, A)
    assert [pack.name for pack in store.dataset_packs.condemned()] == [A]
    assert store.dataset_packs.condemned(older_than=timedelta(hours=1)) == []
    store.dataset_packs.forget([A, B])  # B is not condemned
    assert store.dataset_packs.condemned() == []
    assert store.dataset_packs.names(PackState.LIVE) == {B}


class Writer:
    """Adds objects (numbers) to versions as the data layer does: what is in no pack it stores in a new one."""

    def __init__(self, store: Store, contents: dict[str, frozenset[int]], seed: int) -> None:
        self.store, self.contents, self.random = store, contents, random.Random(seed)
        self.row = draft(store, f"by-{seed}")
        self.needed: frozenset[int] = frozenset()
        self.packs: list[str] = []
        self.look()

    def look(self) -> None:
        self.epoch, packs = self.store.dataset_packs.live()
        self.known = {number for pack in packs for number in self.contents[pack.name]}

    def store_missing(self) -> None:
        own = {number for pack in self.packs for number in self.contents[pack]}
        if missing := self.needed - self.known - own:
            name = f"{self.random.getrandbits(256):064x}"
            self.contents[name] = frozenset(missing)
            self.store.dataset_packs.intend(self.row.id, name, len(missing), len(missing))
            self.packs.append(name)

    def step(self) -> None:
        self.needed = frozenset(self.random.sample(range(30), 4))
        self.store_missing()
        while True:
            try:
                self.write()
                break
            except EpochMoved:
                self.look()
                self.store_missing()
            except PacksGone as gone:
                self.packs = [pack for pack in self.packs if pack not in gone.names]
                self.store_missing()
        self.packs = []
        if self.random.random() < 0.3:
            self.look()

    def write(self) -> None:
        root = ",".join(map(str, sorted(self.needed)))
        given = {"revision": self.row.revision, "epoch": self.epoch, "root": root, "packs": self.packs}
        if self.random.random() < 0.6:
            self.store.datasets.checkpoint(self.row.id, **given)
            self.row = self.store.datasets.version(self.row.id)
            return
        final = self.store.datasets.finalize(self.row.id, branch=True, **given)
        if self.random.random() < 0.7:
            self.store.datasets.delete(final.id)
        self.row = self.store.datasets.begin(final.dataset, root=EMPTY)


def numbers_of(root: str) -> set[int]:
    return set() if root == EMPTY else {int(number) for number in root.split(",")}


def collect(store: Store, contents: dict[str, frozenset[int]], between: list[Writer]) -> bool:
    """One garbage collection, with writers writing between its steps."""
    seen = store.datasets.roots()
    packs = sorted(store.dataset_packs.names(*KINDS_THERE))
    for writer in between:
        writer.step()
    marked = {number for row in seen.rows for number in numbers_of(row.root)}

    def spare(rows: Sequence[RootRow]) -> list[str]:
        late = {number for row in rows for number in numbers_of(row.root)}
        return [pack for pack in packs if contents[pack] & late]

    going = [pack for pack in packs if not contents[pack] & marked]
    try:
        return bool(store.dataset_packs.condemn(going, epoch=seen.epoch, cursor=seen.cursor, spare=spare))
    except EpochMoved:
        return False


def missing(store: Store, contents: dict[str, frozenset[int]]) -> list[str]:
    """Roots of versions, which do not change, and need an object that is in no live pack."""
    before = store.datasets.roots().rows
    there = {number for pack in store.dataset_packs.live().packs for number in contents[pack.name]}
    kept = {row.version for row in store.datasets.roots().rows}  # not deleted meanwhile by a writer at work
    finals = [row for row in before if row.version in kept and row.status is VersionStatus.FINAL]
    return [row.root for row in finals if not numbers_of(row.root) <= there]


def missing_of_drafts(store: Store, contents: dict[str, frozenset[int]]) -> list[str]:
    """As `missing`, of drafts, where nobody writes."""
    there = {number for pack in store.dataset_packs.live().packs for number in contents[pack.name]}
    return [row.root for row in store.datasets.roots().rows if not numbers_of(row.root) <= there]


@pytest.mark.parametrize("seed", range(2))
def test_nothing_that_is_needed_is_condemned_however_writers_and_collections_alternate(store: Store, seed: int) -> None:
    contents: dict[str, frozenset[int]] = {}
    writers = [Writer(store, contents, 10 * seed + i) for i in range(3)]
    order = random.Random(seed)
    collected = 0
    for _ in range(25):
        order.choice(writers).step()
        collected += collect(store, contents, order.sample(writers, order.randrange(3)))
        assert missing(store, contents) == missing_of_drafts(store, contents) == []
    assert collected > 1


def test_writers_and_collections_at_once_lose_nothing(store: Store) -> None:
    contents: dict[str, frozenset[int]] = {}
    writers = [Writer(store, contents, seed) for seed in range(3)]
    failures: list[Exception] = []
    enough = threading.Event()

    def write(writer: Writer) -> None:
        try:
            for _ in range(60):
                if enough.wait(0.003):  # and others get the lock of SQLite, which is not fair
                    return
                writer.step()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    collected = 0
    while any(thread.is_alive() for thread in threads):
        collected += collect(store, contents, [])
        assert missing(store, contents) == []
        if collected > 2:
            enough.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert missing_of_drafts(store, contents) == []
