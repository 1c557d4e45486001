"""Another place for a store's big bytes, which is chosen only once what versions need lies there: their packs are
looked for in one place alone."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping

from meristem.datasets.previews.wording import counted
from meristem.datasets.records import record_key
from meristem.datasets.where import place_url
from meristem.errors import InputError
from meristem.packs.format import pack_key
from meristem.packs.place import Place, open_place
from meristem.packs.places.database import DatabasePlace
from meristem.packs.places.folder import FolderPlace
from meristem.store.dataset_rows import DatasetRow
from meristem.store.store import Store

_DATASETS_AT_ONCE = 500


def choose_place(store: Store, url: str | None, *, copy: Callable[[int, int | None], object] | None = None) -> None:
    """Has the store keep big bytes at `url` from now on; None: at the usual place.

    Args:
        copy: Copy what versions need there first, and tell how many bytes are done, and of how many. None: they are
            there already.

    Raises:
        InputError: They are not, or nothing can be stored there.
    """
    if needed := {pack_key(pack.name): pack.size for pack in store.dataset_packs.live().packs}:
        urls = (store.blobs_url, store.default_blobs_url if url is None else url)
        old, new = (open_place(place_url(each), database=store.database) for each in urls)
        if absent := _absent(needed, old, new):
            if copy is None:
                raise _refused(store, old, new, absent)
            _copy(store, old, new, absent, copy)
    store.set_blobs_url(url)


def _absent(needed: Mapping[str, int], old: Place, new: Place) -> dict[str, int | None]:
    """Packs that are whole in the old place and not in the new one, with their size there; None: they are not there.

    What is lost in the old place, too, no copying brings back: it keeps nobody from moving.
    """
    there = {listed.key: listed.size for listed in new.keys("packs/")}
    absent = {key: there.get(key) for key, size in needed.items() if there.get(key) != size}
    if not absent:
        return {}
    here = {listed.key: listed.size for listed in old.keys("packs/")}
    return {key: size for key, size in absent.items() if here.get(key) == needed[key]}


def _refused(store: Store, old: Place, new: Place, absent: Mapping[str, int | None]) -> InputError:
    versions = [row.versions + row.drafts for row in _datasets(store)]
    held = f"{counted(sum(versions), 'version')} of {counted(sum(map(bool, versions)), 'dataset')}"
    if isinstance(old, DatabasePlace) or isinstance(new, DatabasePlace):
        how = "Repeat this with --copy, which copies them first."  # no other program knows them there
    elif isinstance(old, FolderPlace) and isinstance(new, FolderPlace):
        above = shlex.quote(str(new.folder.parent))
        # A copy that broke off leaves files that are too short, which -n would let lie.
        flags = "-rn" if all(size is None for size in absent.values()) else "-rf"
        line = f"mkdir -p {above} && cp {flags} {shlex.quote(str(old.folder))} {above}/"
        how = f"Copy them first: {line}; then repeat this. Or have it done: --copy."
    else:
        line = f"Copy {old.url} to {new.url} first, with aws s3 sync or rclone"
        how = f"{line}; then repeat this. Or have it done: --copy."
    packs = f"{counted(len(absent), 'pack')} of that {'is' if len(absent) == 1 else 'are'}"
    return InputError(
        f"{old.url} holds {held}, and {packs} not in {new.url}: since nothing is moved, and only the chosen "
        "place is read, they could no longer be read.",
        fix=how,
    )


def _datasets(store: Store) -> Iterator[DatasetRow]:
    after = None
    while page := store.datasets.list(limit=_DATASETS_AT_ONCE, after=after):
        yield from page
        after = (page[-1].project, page[-1].name)


def _copy(
    store: Store, old: Place, new: Place, absent: Mapping[str, int | None], tell: Callable[[int, int | None], object]
) -> None:
    keys = sorted(absent)
    done = 0
    total = sum(size for size in map(old.size, keys) if size)
    new.delete(key for key in keys if absent[key] is not None)
    for key in keys:
        content = old.read(key)
        new.put_new(key, content)
        done += len(content)
        tell(done, total)
    for numbered in store.datasets.numbers():
        key = record_key(*numbered)
        if old.size(key) is not None:
            new.put_new(key, old.read(key))
