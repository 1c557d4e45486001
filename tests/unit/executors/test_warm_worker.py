"""The worker's side of the warm pool, driven over its connection from this process."""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import cloudpickle
import pytest

from meristem.executors.warm_worker import SETUP, STOP, TRIAL, Worker
from meristem.spool import REPORT_VARIABLE, SpoolReader


def setup(function):
    sent = function if isinstance(function, bytes) else cloudpickle.dumps(function)
    return SETUP + pickle.dumps({"path": sys.path, "argv": ["script"], "cwd": os.getcwd(), "function": sent})


def trial(folder, number=1, **parameters):
    given = {"study": "s", "number": number, "attempt": 1, "parameters": parameters, "slot": 0, "gpus": ()}
    return TRIAL + pickle.dumps({**given, "place": folder})


@pytest.fixture
def engine(monkeypatch):
    """The engine's end of a connection to a worker that runs in a thread."""
    monkeypatch.setenv(REPORT_VARIABLE, "")
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    ours, theirs = Pipe()
    gone = threading.Event()
    thread = threading.Thread(target=Worker(theirs, engine_gone=gone.set).run)
    thread.start()
    yield ours
    ours.close()
    thread.join(5)
    assert gone.is_set()
    assert not thread.is_alive()
    theirs.close()


def answer(engine):
    assert engine.poll(5), "no answer"
    return engine.recv()


def test_the_function_that_came_first_serves_every_trial(engine, tmp_path):
    engine.send_bytes(setup(lambda trial: trial["x"] * 2))
    for x in (1, 2, 3):
        engine.send_bytes(trial(tmp_path, x=x))
        assert answer(engine) == ("completed", x * 2, None, None)


def test_reports_are_in_the_spool_before_the_answer_comes(engine, tmp_path):
    def train(trial):
        trial.report(1, loss=2.0)
        return 1.0

    engine.send_bytes(setup(train))
    engine.send_bytes(trial(tmp_path / "new"))
    assert answer(engine)[0] == "completed"
    assert [m.value for m in SpoolReader(tmp_path / "new" / "report.jsonl").read()] == [2.0]


def test_a_stop_reaches_the_next_report_and_leaves_a_stop_file_for_child_processes(engine, tmp_path):
    def train(trial):
        assert trial.folder.is_dir()
        while not trial.stop_asked():
            pass
        trial.report(loss=1.0)

    engine.send_bytes(setup(train))
    engine.send_bytes(trial(tmp_path / "1"))
    while not (tmp_path / "1").is_dir():
        pass
    engine.send_bytes(STOP)
    assert answer(engine)[0] == "stopped"
    assert SpoolReader(tmp_path / "1" / "report.jsonl").read()


def test_a_stop_that_came_too_late_does_not_hit_the_next_trial(engine, tmp_path):
    engine.send_bytes(setup(lambda trial: float(trial.stop_asked())))
    engine.send_bytes(STOP)
    engine.send_bytes(trial(tmp_path))
    assert answer(engine) == ("completed", 0.0, None, None)


def test_a_function_that_cannot_be_loaded_fails_every_trial(engine, tmp_path):
    engine.send_bytes(setup(b"c no_such_module\nf\n."))
    for number in (1, 2):
        engine.send_bytes(trial(tmp_path, number))
        status, _, error, details = answer(engine)
        assert status == "failed"
        assert "cannot be loaded in its worker process" in error
        assert "no_such_module" in details


def test_output_that_was_closed_by_the_training_harms_no_trial(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    engine.send_bytes(setup(lambda trial: 1.0))
    engine.send_bytes(trial(tmp_path))
    assert answer(engine)[0] == "completed"


def test_a_broken_connection_ends_the_worker():
    ours, theirs = socket.socketpair()
    gone = threading.Event()
    connection = Connection(theirs.detach())
    ours.sendall(b"\0\0")  # half a message
    ours.close()
    worker = Worker(connection, engine_gone=gone.set)
    worker._listen()
    assert gone.is_set()
    connection.close()
