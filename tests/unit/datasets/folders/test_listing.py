"""The entries of a folder come in the order of a manifest."""

from __future__ import annotations

import stat
from array import array

from hypothesis import given
from hypothesis import strategies as st

from meristem.datasets.folders.listing import entries_of
from meristem.datasets.folders.records import SELF, SELF_FACTS, Record
from meristem.datasets.folders.stat_cache import key_of
from meristem.manifests.entry import sort_key

# Characters around "/", and bytes that are no UTF-8 beside characters that sort otherwise as text than as bytes.
parts = st.text("-./0a\udcff\U0001f600".replace("/", ""), min_size=1, max_size=2).filter(lambda s: s not in (".", ".."))
paths = st.lists(st.lists(parts, min_size=1, max_size=4).map("/".join), unique=True, max_size=30)


@given(paths, st.sampled_from(["", "p/", "p-/q/"]))
def test_entries_are_sorted_by_the_bytes_of_their_paths(listed: list[str], prefix: str) -> None:
    folders = {path.rpartition("/")[0] for path in listed} | {""}
    folders |= {folder[:i] for folder in folders for i, letter in enumerate(folder) if letter == "/"}
    files = [path for path in listed if path not in folders]
    empty = files[::3]
    files = [path for path in files if path not in empty]
    by_folder: dict[str, list[str]] = {folder: [] for folder in folders}
    for path in files:
        folder, _, name = path.rpartition("/")
        by_folder[folder].append(name)
    records = [(folder, _record(names)) for folder, names in by_folder.items()]
    records += [(folder, _record([SELF])) for folder in empty]
    records.sort(key=lambda pair: key_of(pair[0]))

    found = [entry.path for entry in entries_of(iter(records), empty, prefix)]

    assert found == sorted((prefix + path for path in files + empty), key=sort_key)


def _record(names: list[str]) -> Record:
    facts = [SELF_FACTS if name == SELF else (1, 2, 3, 4, stat.S_IFREG) for name in names]
    made = Record.unread(names, array("q", [number for each in facts for number in each]))
    for i, name in enumerate(names):
        made.set_content(i, b"d" if name == SELF else b"f" + bytes(32))
    return made
