"""What is logged to MLflow, within its limits; a server that is away; without MLflow itself."""

from __future__ import annotations

import logging
import posixpath
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import meristem as ms
from fakes import ScriptedExecutor, failed
from meristem.errors import InputError
from meristem.handlers import mlflow as handler
from meristem.handlers import shipping as shipping_file
from meristem.handlers.mlflow import MlflowLog
from meristem.handlers.mlflow_entry import LONGEST_PARAM, STUDY, Entry, Names, params_of
from meristem.handlers.mlflow_store import MlflowAway, MlflowRefused
from meristem.spool import Measurement
from meristem.study.protocols import Attempt

Store = dict[int, Entry]


class FakeMlflow:
    """Keeps entries as runs; away while `away`, refuses what `refuses` says."""

    def __init__(self) -> None:
        self.runs: Store = {}
        self.away = False
        self.refuses: Callable[[Entry], bool] = lambda entry: False
        self.written = 0

    def write(self, entry: Entry) -> None:
        if self.away:
            raise MlflowAway("connection refused")
        if self.refuses(entry):
            raise MlflowRefused("the run was deleted")
        self.written += 1
        known = self.runs.get(entry.number)
        self.runs[entry.number] = entry if known is None else known.then(entry)

    def unlogged(self, numbers: Sequence[int]) -> list[int]:
        if self.away:
            raise MlflowAway("connection refused")
        ended = {n for n, e in self.runs.items() if e.status in ("FINISHED", "FAILED", "KILLED")}
        return [n for n in numbers if n not in ended]

    def curve(self, number: int) -> list[tuple[int, float]]:
        return sorted({(p.step, p.value) for p in self.runs[number].points if p.key == "a"})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeMlflow:
    fake = FakeMlflow()
    monkeypatch.setattr(handler, "MlflowStore", lambda *args, **options: fake)
    monkeypatch.setattr(handler, "find_spec", lambda name: object())
    monkeypatch.setattr(handler, "_OPENING_SECONDS", 0.0)
    for name in ("_PACE_SECONDS", "_FIRST_RETRY_SECONDS", "_RETRY_AT_END_SECONDS"):
        monkeypatch.setattr(shipping_file, name, 0.02)
    return fake


def study_of(store: str | None = None) -> ms.Study:
    space = {"x": ms.Float(0, 1), "net.enum.train.model$0:f": ms.Choice(["a", "b" * 7000])}
    return ms.Study("s", space=space, objective="a", controller="random", seed=1, store=store)


def run(study: ms.Study, *handlers: Any, trials: int = 3, script: Any = None, **options: Any) -> ms.Study:
    def reporting(attempt: Attempt) -> Any:
        executor.measured[attempt.number] = [
            Measurement(metric="a", step=step, value=float(step), at=100.0 + step) for step in range(3)
        ]
        return script(attempt) if script else float(attempt.number)

    executor = ScriptedExecutor(reporting)
    return study.run(executor=executor, handlers=list(handlers) or [MlflowLog(wait=2)], trials=trials, **options)


def test_each_trial_is_a_run_with_parameters_curves_results_and_status(server: FakeMlflow) -> None:
    study = run(study_of(), script=lambda a: failed("no memory") if a.number == 2 else float(a.number))
    assert sorted(server.runs) == [STUDY, 1, 2, 3]
    assert [server.runs[n].status for n in range(4)] == ["FINISHED", "FINISHED", "FAILED", "FINISHED"]
    assert server.curve(3) == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert [p.value for p in server.runs[3].points if p.key == "final/a"] == [3.0]
    assert server.runs[2].tags["meristem.error"] == "no memory"
    assert server.runs[1].params["x"] == str(study.trials[0]["x"])
    assert server.runs[STUDY].tags["meristem.best"] == "3"


def test_a_server_that_is_away_is_told_once_and_gets_everything_when_it_is_back(
    server: FakeMlflow, caplog: pytest.LogCaptureFixture
) -> None:
    server.away = True
    back = threading.Timer(0.5, lambda: setattr(server, "away", False))
    back.start()
    with caplog.at_level(logging.WARNING, logger="meristem.handlers"):
        study = run(study_of(), MlflowLog(wait=20))
    back.join()
    assert study.status == "completed"
    assert [re.sub(r" at .*? cannot", " cannot", r.getMessage())[:36] for r in caplog.records] == [
        "MLflow cannot be used just now (conn"
    ]
    assert [server.runs[n].status for n in range(4)] == ["FINISHED"] * 4
    assert server.curve(2) == [(0, 0.0), (1, 1.0), (2, 2.0)]


def test_what_was_not_logged_is_said_and_logged_by_the_next_run(
    server: FakeMlflow, caplog: pytest.LogCaptureFixture
) -> None:
    server.away = True
    study = study_of()
    with caplog.at_level(logging.WARNING, logger="meristem.handlers"):
        run(study, MlflowLog(wait=0))
    assert "What 3 trials came to is not, or not all, in MLflow" in caplog.text
    server.away = False
    run(study)
    assert [server.runs[n].status for n in range(4)] == ["FINISHED"] * 4
    assert server.curve(1) == [(0, 0.0), (1, 1.0), (2, 2.0)]


def test_a_next_run_logs_nothing_again_that_is_logged(server: FakeMlflow) -> None:
    study = run(study_of())
    before = {n: entry.points for n, entry in server.runs.items() if n != STUDY}
    run(study, trials=4)
    assert {n: server.runs[n].points for n in before} == before
    assert server.runs[4].status == "FINISHED"


def test_one_trial_that_is_refused_does_not_keep_others_from_being_logged(
    server: FakeMlflow, caplog: pytest.LogCaptureFixture
) -> None:
    server.refuses = lambda entry: entry.number == 2
    with caplog.at_level(logging.WARNING, logger="meristem.handlers"):
        assert run(study_of()).status == "completed"
    assert sorted(server.runs) == [STUDY, 1, 3]
    assert "does not take what trial 2 came to" in caplog.text
    assert "What 1 trials came to is not, or not all" in caplog.text


def test_a_long_outage_takes_no_more_memory_than_allowed_and_loses_nothing(
    server: FakeMlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "_MOST_POINTS", 4)
    server.away = True
    most = 0

    class Look(ms.Handler):
        def trial_ended(self, event: Any, run: Any) -> None:
            nonlocal most
            assert log._shipping is not None
            most = max(most, log._shipping.points)
            if event.trial.number == 5:
                server.away = False

    log = MlflowLog(wait=20)
    run(study_of(), log, Look(), trials=6)
    assert most <= 4 + 2 * 4  # what waits, and what one trial adds at its end
    for number in range(1, 7):
        assert server.runs[number].status == "FINISHED"
        assert server.curve(number) == [(0, 0.0), (1, 1.0), (2, 2.0)]


def test_news_that_come_while_a_write_fails_are_joined_to_what_failed(server: FakeMlflow) -> None:
    def fails_once(entry: Entry) -> None:
        if not server.written:
            server.written = 1
            shipping.put(Entry(number=1, tags={"second": "2"}))
            raise MlflowAway("gone")
        FakeMlflow.write(server, entry)

    shipping = shipping_file.Shipping("MLflow", fails_once, server.unlogged)
    shipping.put(Entry(number=1, tags={"first": "1"}))
    assert shipping.idle(within=10)
    assert shipping.close() == []
    assert server.runs[1].tags == {"first": "1", "second": "2"}


def test_a_trial_that_is_tried_again_goes_on_in_its_run(server: FakeMlflow) -> None:
    run(study_of(), script=lambda a: failed() if a.attempt == 1 else 1.0, trials=1, retries=1)
    assert sorted(server.runs) == [STUDY, 1]
    assert server.runs[1].status == "FINISHED"
    assert server.runs[1].tags["meristem.attempt"] == "2"


def test_a_server_that_hangs_does_not_hold_the_study(server: FakeMlflow) -> None:
    release = threading.Event()
    server.write = lambda entry: release.wait(20)  # type: ignore[method-assign]
    began = time.monotonic()
    assert run(study_of(), MlflowLog(tracking_uri="http://far", wait=0.3)).status == "completed"
    assert time.monotonic() - began < 10
    release.set()


def test_without_mlflow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'meristem\[mlflow\]'"):
        MlflowLog()


@pytest.mark.parametrize("args", [{"tracking_uri": ""}, {"experiment": 3}, {"wait": -1}, {"wait": "long"}])
def test_arguments_that_make_no_sense_are_refused(args: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"mlflow got .*Give"):
        MlflowLog(**args)


def test_long_values_are_cut_and_names_are_given_back() -> None:
    params, tags = params_of({"a$b": "x" * 7000, "ok": [1, None]}, Names())
    assert len(params["a_b"]) == LONGEST_PARAM
    assert params["ok"] == "[1, null]"
    assert tags == {"meristem.cut": "a_b", "meristem.names": '{"a_b": "a$b"}'}


@given(st.lists(st.text(min_size=1, max_size=300), unique=True))
def test_any_names_are_taken_by_mlflow_and_stay_apart(given_names: list[str]) -> None:
    names = Names(given_names)
    logged = [names.of(name) for name in given_names]
    assert len(set(logged)) == len(given_names)
    for name in logged:  # the checks of mlflow/utils/validation.py
        assert re.fullmatch(r"[/\w.\- :]*", name)
        assert posixpath.normpath(name) == name
        assert not name.startswith(("/", ".."))
        assert name != "."
        assert len(name) <= 250
    assert [names.of(name) for name in given_names] == logged
