"""The format page tells enough to read versions without Meristem: its script, of at most 60 lines, does."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import blake3
import pytest

from meristem.datasets.dataset import Dataset
from meristem.datasets.records import record_key
from meristem.manifests.entry import Entry, Kind
from meristem.manifests.node import encode, row_of
from meristem.packs.format import HEADER as PACK_HEADER
from meristem.packs.format import RAW, Row, encode_footer, encode_index, name_of, pack_key

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "explanation" / "datasets.md"
SCRIPT = ROOT / "docs" / "explanation" / "read_dataset.py"
# Neither the editable install of this environment nor any other: only the two libraries that the page names.
ALONE = """
import runpy, sys
script, libraries, *sys.argv[1:] = sys.argv[1:]
sys.path.append(libraries)
sys.modules["meristem"] = None
runpy.run_path(script, run_name="__main__")
"""
Read = Callable[[str, Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERISTEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MERISTEM_STORE", str(tmp_path / "store.db"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store-blobs" / "datasets"


@pytest.fixture
def read(place: Path) -> Read:
    def run(version: str, folder: Path) -> subprocess.CompletedProcess[str]:
        libraries = Path(blake3.__file__).parents[1]
        command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", ALONE]
        arguments = [str(SCRIPT), str(libraries), str(place), version, str(folder)]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)

    return run


def content_of(folder: Path) -> dict[bytes, object]:
    """What lies in a folder, by path: bytes and the executable bit, a link's target, or None of an empty folder."""
    found: dict[bytes, object] = {}
    for above, folders, names in os.walk(os.fsencode(folder)):
        for name in [*names, *(name for name in folders if os.path.islink(os.path.join(above, name)))]:
            path = os.path.join(above, name)
            key = os.path.relpath(path, os.fsencode(folder))
            if os.path.islink(path):
                found[key] = os.readlink(path)
            else:
                with open(path, "rb") as file:
                    found[key] = (file.read(), bool(os.stat(path).st_mode & 0o100))
        if not names and not folders:
            found[os.path.relpath(above, os.fsencode(folder))] = None
    return found


def make_folder(folder: Path) -> Path:
    """Files of every kind that a version may hold."""
    chance = random.Random(7)
    (folder / "many").mkdir(parents=True)
    for number in range(400):  # several nodes of a manifest
        (folder / "many" / f"{number}.txt").write_text(f"row {number}\n" * 40)
    (folder / "large.bin").write_bytes(chance.randbytes(3_000_000))
    (folder / "zeros.bin").write_bytes(bytes(5_000_000))
    (folder / "table.csv").write_text("".join(f"{n},{n * n}\n" for n in range(60_000)))
    (folder / "random.bin").write_bytes(chance.randbytes(5_000))
    (folder / "empty").write_bytes(b"")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "nothing" / "here").mkdir(parents=True)
    (folder / "new\nline").write_text("a name of two lines")
    (folder / "数据 é.txt").write_text("unicode")
    (folder / "😀").write_text("beyond the first plane")
    with open(os.path.join(os.fsencode(folder), b"latin \xe9.txt"), "wb") as file:
        file.write(b"no UTF-8")
    (folder / ("n" * 255)).write_text("long")
    (folder / "to file").symlink_to("many/3.txt")
    (folder / "to folder").symlink_to("many")
    (folder / "many" / "up").symlink_to("../large.bin")
    (folder / "dangling").symlink_to("not there")
    return folder


def finalized(folder: Path, project: str = "tests", name: str = "all kinds") -> Dataset:
    made = Dataset.create(project, name)
    made.add_files(folder)
    made.finalize()
    return made


def test_the_script_has_at_most_60_lines() -> None:
    assert len(SCRIPT.read_text().splitlines()) <= 60


def test_the_page_shows_the_script_as_it_is() -> None:
    shown = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert SCRIPT.read_text() in shown


def test_the_script_writes_what_a_copy_of_meristem_holds(tmp_path: Path, read: Read) -> None:
    source = make_folder(tmp_path / "source")
    finalized(source)
    copy = Dataset.get("tests", "all kinds").get_mutable_local_copy(tmp_path / "copy")
    done = read("tests/all kinds@1.0.0", tmp_path / "read")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert content_of(tmp_path / "read") == content_of(copy) == content_of(source)


def test_the_script_reads_later_versions_whole(tmp_path: Path, read: Read) -> None:
    source = make_folder(tmp_path / "source")
    finalized(source)
    (source / "many" / "7.txt").write_text("changed")
    (source / "large.bin").unlink()
    with Dataset.get("tests", "all kinds", writable_copy=True) as draft:
        draft.sync_folder(source)
    assert read("tests/all kinds@1.0.1", tmp_path / "read").returncode == 0
    assert content_of(tmp_path / "read") == content_of(source)


@pytest.mark.parametrize("project", ["a/b", "...", "数据" * 40, "p" * 290, "~ %2E?"])
def test_the_script_finds_projects_of_any_name(project: str, tmp_path: Path, read: Read) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("content")
    finalized(tmp_path / "source", project, "名 .n")
    done = read(f"{project}/名 .n@1.0.0", tmp_path / "read")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "read" / "file").read_text() == "content"


def test_an_empty_version_is_an_empty_folder(tmp_path: Path, read: Read) -> None:
    Dataset.create("tests", "nothing").finalize()
    assert read("tests/nothing@1.0.0", tmp_path / "read").returncode == 0
    assert list((tmp_path / "read").iterdir()) == []


def test_a_flipped_bit_is_found_and_another_copy_of_the_object_taken(tmp_path: Path, place: Path, read: Read) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_bytes(random.Random(1).randbytes(9_000))
    made = finalized(tmp_path / "source")
    for pack in place.glob("packs/*/*.pack"):
        content = bytearray(pack.read_bytes())
        content[100] ^= 1
        pack.chmod(0o644)
        pack.write_bytes(content)
    done = read("tests/all kinds@1.0.0", tmp_path / "damaged")
    assert done.returncode == 1
    assert "no pack has object" in done.stderr
    made.verify(heal=True, sources=[tmp_path / "source"])
    assert read("tests/all kinds@1.0.0", tmp_path / "healed").returncode == 0
    assert content_of(tmp_path / "healed") == content_of(tmp_path / "source")


HOSTILE = {
    "a path that climbs": [["../out", "f", 4, name_of(b"evil")]],
    "an absolute path": [["/tmp/out", "f", 4, name_of(b"evil")]],
    "a link that leads out": [["way", "l", 0, "/tmp"]],
    "a link that leads out by way of another": [["a", "l", 0, "b/.."], ["b", "l", 0, "."]],
    "a file below a link": [["way", "l", 0, "."], ["way/out", "f", 4, name_of(b"evil")]],
    "one path twice": [["out", "f", 4, name_of(b"evil")], ["out", "f", 4, name_of(b"evil")]],
    "another size": [["out", "f", 5, name_of(b"evil")]],
    "a kind that nobody knows": [["out", "p", 4, name_of(b"evil")]],
}


@pytest.mark.parametrize("what", HOSTILE)
def test_manifests_made_by_hand_are_refused(what: str, tmp_path: Path, place: Path, read: Read) -> None:
    rows = HOSTILE[what]
    node = json.dumps({"level": 0, "rows": rows}).encode()
    put_by_hand(place, [b"evil", node], root=name_of(node), entries=len(rows), size=sum(row[2] for row in rows))
    (tmp_path / "below").mkdir()
    done = read("by/hand@1.0.0", tmp_path / "below" / "read")
    assert done.returncode != 0
    assert {path.name for path in (tmp_path / "below").iterdir()} <= {"read"}
    assert not any(path.is_symlink() and what.startswith("a link") for path in (tmp_path / "below").rglob("way"))


def test_a_pack_by_hand_that_is_right_is_read(tmp_path: Path, place: Path, read: Read) -> None:
    node, _ = encode(0, [row_of(Entry("out", Kind.FILE, 4, name_of(b"good")))])
    put_by_hand(place, [b"good", node], root=name_of(node), entries=1, size=4)
    assert read("by/hand@1.0.0", tmp_path / "read").returncode == 0
    assert (tmp_path / "read" / "out").read_bytes() == b"good"


def put_by_hand(place: Path, objects: list[bytes], *, root: str, entries: int, size: int) -> None:
    offset, rows = len(PACK_HEADER), []
    for content in objects:
        rows.append(Row(name_of(content), offset, len(content), len(content), RAW))
        offset += len(content)
    index = encode_index(rows)
    pack = place / pack_key(name_of(index))
    pack.parent.mkdir(parents=True)
    pack.write_bytes(PACK_HEADER + b"".join(objects) + index + encode_footer(index, offset))
    record = place / record_key("by", "hand", "1.0.0")
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"format": 1, "root": root, "entries": entries, "bytes": size}))
