"""What a script prints is kept as it was printed, and the streams stay what they were."""

from __future__ import annotations

import io
import logging
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.tasks.reporting.console import ConsoleLog


class Script:
    """A script's streams, whose output is copied; `screen` has what it printed."""

    def __init__(self, monkeypatch, path, limit_bytes=None):
        self.screen = io.BytesIO()
        self.stream = io.TextIOWrapper(io.BufferedWriter(self.screen), encoding="utf-8", errors="surrogateescape")
        monkeypatch.setattr(sys, "stdout", self.stream)
        monkeypatch.setattr(sys, "stderr", self.stream)
        self._path = path
        self._console = ConsoleLog(path, limit_bytes=limit_bytes)
        self._console.start()

    def printed(self):
        self.stream.flush()
        return self.screen.getvalue()

    def kept(self):
        self._console.close()
        return self._path.read_bytes()


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Called within the test: pytest has streams of its own for each part of one."""
    made = []

    def begin():
        made.append(Script(monkeypatch, tmp_path / "console.log"))
        return made[0]

    yield begin
    made[0]._console.close()


def test_prints_are_kept_in_order_whatever_layer_they_go_through(start):
    script = start()
    print("text ü")
    sys.stdout.buffer.write(b"\xff\xfe\n")
    sys.stdout.writelines(["a\n", "b\n"])
    sys.stdout.buffer.writelines([b"c\n"])
    print("flushed", flush=True)
    sys.stdout.write("d\n")
    assert script.kept() == "text ü\n".encode() + b"\xff\xfe\na\nb\nc\nflushed\nd\n"


def test_nothing_is_kept_twice_when_a_buffer_overflows_or_is_flushed(start):
    script = start()
    for i in range(3000):
        print(f"line {i}")
        if i % 100 == 0:
            sys.stdout.flush()
    assert script.kept() == script.printed()


@given(st.lists(st.one_of(st.text(st.characters(codec="utf-8")), st.binary(), st.none()), max_size=20))
def test_all_that_is_printed_is_kept(tmp_path_factory, pieces):
    with pytest.MonkeyPatch.context() as patch:
        script = Script(patch, tmp_path_factory.mktemp("spool") / "console.log")
        print(end="start")
        for piece in pieces:
            if piece is None:
                sys.stdout.flush()
            elif isinstance(piece, str):
                print(piece)
            else:
                sys.stdout.flush()
                sys.stdout.buffer.write(piece)
        assert script.kept() == script.printed()


def test_carriage_returns_stay(start):
    script = start()
    print("10 %\r20 %\r", end="")
    assert script.kept() == b"10 %\r20 %\r"


def test_what_has_no_utf8_form_breaks_no_print(start):
    script = start()
    print("\udcff")
    assert script.printed() == b"\xff\n"
    assert script.kept() == b"\\udcff\n"


def test_a_logging_handler_that_holds_the_stream_is_heard(monkeypatch, tmp_path):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    handler = logging.StreamHandler(stream)  # made before the task
    monkeypatch.setattr(sys, "stderr", stream)
    console = ConsoleLog(tmp_path / "console.log")
    console.start()
    logger = logging.Logger("training")
    logger.addHandler(handler)
    logger.warning("careful")
    console.close()
    assert (tmp_path / "console.log").read_bytes() == b"careful\n"


def test_the_stream_is_the_same_object_and_is_given_back(start):
    script = start()
    assert sys.stdout is script.stream
    assert (sys.stdout.encoding, sys.stdout.errors) == ("utf-8", "surrogateescape")
    print("within")
    assert script.kept() == b"within\n"
    assert not {"write", "flush", "reconfigure"} & vars(script.stream).keys()
    print("afterwards")
    assert script.printed() == b"within\nafterwards\n"
    assert script.kept() == b"within\n"


def test_long_output_keeps_its_beginning_and_its_end(monkeypatch, tmp_path):
    script = Script(monkeypatch, tmp_path / "console.log", limit_bytes=1000)
    for i in range(100_000):
        print(f"line {i}")
    kept = script.kept()
    assert len(kept) < 300_000
    assert kept.startswith(script.printed()[:1000])
    assert kept.endswith(b"line 99998\nline 99999\n")
    assert b"bytes are left out here" in kept


def test_a_stream_that_takes_no_attributes_is_left_alone(monkeypatch, tmp_path):
    class Fixed:
        __slots__ = ()

        def write(self, text):
            return len(text)

    monkeypatch.setattr(sys, "stdout", Fixed())
    monkeypatch.setattr(sys, "stderr", None)
    console = ConsoleLog(tmp_path / "console.log")
    console.start()
    assert sys.stdout.write("abc") == 3
    console.close()


def test_prints_of_many_threads_are_all_kept(start):
    script = start()

    def work(thread):
        for i in range(300):
            sys.stdout.write(f"{thread}-{i}\n")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(script.kept().split()) == sorted(f"{t}-{i}".encode() for t in range(4) for i in range(300))
