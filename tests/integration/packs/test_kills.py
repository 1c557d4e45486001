"""Processes that write packs are killed at random moments: every pack that can be seen is whole."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from meristem.packs.index import LocalIndex
from meristem.packs.pack_files import is_whole, read_index
from meristem.packs.place import open_place
from meristem.packs.writer import PackWriter

_WRITER = """
import itertools, os, sys
from pathlib import Path
from meristem.packs.index import LocalIndex
from meristem.packs.place import open_place
from meristem.packs.writer import PackWriter

place, index = open_place(sys.argv[1]), LocalIndex(Path(sys.argv[2]))
print("begun", flush=True)
while True:
    with PackWriter(place, index.known, lambda made: None, target_bytes=200_000,
                    after_upload=lambda made: index.add_packs([(made.name, 1, made.block)])) as writer:
        for _ in range(200):
            writer.put(os.urandom(3000))
        writer.flush()
"""


def test_after_kill_9_every_pack_is_whole_and_writing_goes_on(tmp_path: Path) -> None:
    place, chance = open_place(tmp_path / "place"), random.Random(11)
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path / "place"), str(tmp_path / "index")], stdout=subprocess.PIPE
        )
        with process:
            assert process.stdout
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)

    packs = [Path(listed.key).stem for listed in place.keys("packs/")]
    assert len(packs) > 5
    assert all(is_whole(place, pack) for pack in packs)
    index = LocalIndex(tmp_path / "index")
    assert set(index.packs()) <= set(packs)
    index.add_packs((pack, 1, read_index(place, pack)) for pack in packs)
    with PackWriter(place, index.known, lambda made: None) as writer:
        writer.put(b"after all that")
        writer.flush()


def test_a_disk_that_is_full_keeps_nothing_half(tmp_path: Path) -> None:
    """The limit on the size of files stands for the disk: the system refuses in the middle of a write."""
    script = """
import os, resource, signal, sys
from meristem.errors import PlaceUnavailable
from meristem.packs.place import open_place
from meristem.packs.writer import PackWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    with PackWriter(open_place(sys.argv[1]), lambda names: set(), lambda made: None) as writer:
        for _ in range(2000):
            writer.put(os.urandom(3000))
        writer.flush()
except PlaceUnavailable as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "place")], capture_output=True, text=True)

    assert "cannot be written" in done.stdout, done.stderr
    assert [path for path in (tmp_path / "place").rglob("*") if path.is_file()] == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_gigabyte_of_zeros_takes_no_memory(tmp_path: Path) -> None:
    script = r"""
import re, sys
from meristem.packs.chunking import cut
from meristem.packs.place import open_place
from meristem.packs.writer import PackWriter
with open(sys.argv[1], "rb", buffering=0) as file, PackWriter(
    open_place(sys.argv[2]), lambda names: set(), lambda made: None) as writer:
    names = {writer.put(chunk) for chunk in cut(file, 1 << 30)}
    writer.flush()
    peak = re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())  # of this process alone
    print(len(names), writer.stored_bytes < 1000, int(peak[1]) // 1024)
"""
    (tmp_path / "sparse").touch()
    with open(tmp_path / "sparse", "r+b") as file:
        file.truncate(1 << 30)

    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "sparse"), str(tmp_path / "place")],
        capture_output=True,
        text=True,
        check=True,
    )

    names, small, megabytes = done.stdout.split()
    assert (names, small) == ("1", "True")
    assert int(megabytes) < 120
