"""A place, its index and what keeps the two together, as tests need them; and a place that is far away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from meristem.errors import NotInPlace, PackDamaged, PlaceUnavailable
from meristem.packs.index import LocalIndex
from meristem.packs.pack_files import read_index
from meristem.packs.place import Listed, Place, open_place
from meristem.packs.reader import PackReader
from meristem.packs.writer import PackMade, PackWriter


class Room:
    """Packs in a place, followed by an index: as the room `datasets` does it with the list of packs in the store."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.index = place, LocalIndex(folder)
        self.told: list[PackMade] = []
        self.refreshes = 0

    def writer(self, **changes: Any) -> PackWriter:
        given = {"known": self.index.known, "before_upload": self.told.append, "after_upload": self.follow}
        return PackWriter(self.place, **(given | changes))

    def reader(self) -> PackReader:
        return PackReader(self.place, self.index, self.refresh)

    def follow(self, made: PackMade) -> None:
        self.index.add_packs([(made.name, len(self.told), made.block)])

    def refresh(self) -> None:
        self.refreshes += 1
        there = {Path(listed.key).stem for listed in self.place.keys("packs/")}
        self.index.drop_packs(set(self.index.packs()) - there)
        for pack in there:
            with suppress(PackDamaged):
                self.index.add_packs([(pack, 1, read_index(self.place, pack))])

    def put(self, contents: Iterable[bytes], **changes: Any) -> list[str]:
        with self.writer(**changes) as writer:
            names = [writer.put(content) for content in contents]
            writer.flush()
        return names


class FarPlace:
    """A place in memory, where several reads at once pay; `fail` makes it refuse what is put."""

    reads_at_once = 8
    url = "far:"

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.ranges: list[tuple[str, int, int]] = []
        self.fail = False

    def put_new(self, key: str, content: bytes | Path) -> bool:
        if self.fail:
            raise PlaceUnavailable("The far place is away.")
        assert isinstance(content, bytes)
        return self.contents.setdefault(key, content) is content

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        if key not in self.contents:
            raise NotInPlace(key, self.url)
        content = self.contents[key][start:]
        return content if length is None else content[:length]

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.ranges += [(key, *each) for each in ranges]
        return [self.read(key, start, length) for start, length in ranges]

    def size(self, key: str) -> int | None:
        return len(self.contents[key]) if key in self.contents else None

    def keys(self, prefix: str) -> Iterator[Listed]:
        return (Listed(key, len(content), 0.0) for key, content in self.contents.items() if key.startswith(prefix))

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.contents.pop(key, None)


def a_room(folder: Path, *, far: bool = False) -> Room:
    """An empty room below `folder`."""
    return Room(FarPlace() if far else open_place(folder / "place"), folder / "index")
