"""The built-in handlers, each in a run of a study."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import meristem as ms
from fakes import ScriptedExecutor, failed
from meristem.errors import InputError
from meristem.handlers.end_when import EndWhen
from meristem.handlers.handler import Handler
from meristem.handlers.keep_best import KeepBest
from meristem.handlers.log_jsonl import LogJsonl
from meristem.handlers.progress import Progress
from meristem.handlers.stats import Stats
from meristem.handlers.stop_at import StopAt
from meristem.handlers.stop_when_stalled import StopWhenStalled
from meristem.spool import Measurement
from meristem.study.protocols import Attempt


def run(script: Any, *handlers: Any, objective: str = "a", trials: int = 6, **options: Any) -> ms.Study:
    study = ms.Study("s", space={"x": ms.Float(0, 1)}, objective=objective, controller="random", seed=1)
    executor = script if isinstance(script, ScriptedExecutor) else ScriptedExecutor(script)
    return study.run(executor=executor, handlers=list(handlers), trials=trials, **options)


def with_folder(score: Any) -> Any:
    def script(attempt: Attempt) -> Any:
        attempt.folder.mkdir(parents=True, exist_ok=True)
        (attempt.folder / "model").write_text(str(attempt.number))
        return score(attempt)

    return script


def folders(study: ms.Study) -> list[str]:
    return sorted(p.name for p in study.folder.iterdir() if p.is_dir() and not p.is_symlink())


def test_keep_best_keeps_the_best_folders_and_a_link_to_the_best() -> None:
    study = run(with_folder(lambda a: [3.0, 9.0, 1.0, 8.0, 2.0, 7.0][a.number - 1]), KeepBest(keep=2))
    assert folders(study) == ["00002", "00004"]
    assert (study.folder / "best" / "model").read_text() == "2"


def test_keep_best_may_keep_all_and_only_link_to_the_best() -> None:
    study = run(with_folder(lambda a: [3.0, 9.0, 1.0][a.number - 1]), KeepBest(keep=None), trials=3)
    assert folders(study) == ["00001", "00002", "00003"]
    assert (study.folder / "best" / "model").read_text() == "2"


def test_keep_best_knows_that_a_loss_is_to_be_small() -> None:
    study = run(with_folder(lambda a: float(a.number)), KeepBest(keep=1), objective="-a")
    assert folders(study) == ["00001"]


def test_keep_best_link_is_valid_whenever_a_trial_has_ended() -> None:
    seen: list[bool] = []

    class Look(Handler):
        def trial_ended(self, event: Any, run: Any) -> None:
            seen.append((run.folder / "best" / "model").exists())

    run(with_folder(lambda a: float(a.number)), KeepBest(keep=1), Look())
    assert seen == [True] * 6


def test_keep_best_goes_on_after_a_resume() -> None:
    study = run(with_folder(lambda a: 10.0 - a.number), KeepBest(keep=2), trials=3)
    script = ScriptedExecutor(with_folder(lambda a: 8.5 if a.number == 4 else 0.0))
    study.run(executor=script, handlers=[KeepBest(keep=2)], trials=5)
    assert folders(study) == ["00001", "00004"]
    assert (study.folder / "best" / "model").read_text() == "1"


@pytest.mark.parametrize(("keep_failed", "kept"), [(True, ["00001", "00002"]), (False, ["00001"])])
def test_keep_best_keeps_folders_of_failed_trials_as_told(keep_failed: bool, kept: list[str]) -> None:
    script = with_folder(lambda a: failed() if a.number == 2 else 1.0)
    assert folders(run(script, KeepBest(keep=1, keep_failed=keep_failed), trials=2)) == kept


@pytest.mark.parametrize(("objective", "threshold", "ended"), [("a", 3, 3), ("-a", -4, 4), ("a", 99, 6)])
def test_stop_at_stops_once_the_best_is_good_enough(objective: str, threshold: float, ended: int) -> None:
    sign = -1 if objective == "-a" else 1
    study = run(lambda a: sign * float(a.number), StopAt(threshold), objective=objective)
    assert len(study.trials) == ended


def test_stop_at_stops_at_once_when_an_earlier_run_was_good_enough() -> None:
    study = run(lambda a: 5.0, trials=2)
    executor = ScriptedExecutor()
    study.run(executor=executor, handlers=[StopAt(4)], trials=10)
    assert executor.started == []


def test_stop_when_stalled_stops_after_trials_without_improvement() -> None:
    assert len(run(lambda a: -abs(a.number - 2.0), StopWhenStalled(3), trials=50).trials) == 5
    assert len(run(lambda a: -abs(a.number - 2.0), StopWhenStalled(3, at_least=9), trials=50).trials) == 9


@pytest.mark.parametrize(
    "make",
    [
        lambda: KeepBest(keep=0),
        lambda: StopAt(float("nan")),
        lambda: StopAt("high"),  # type: ignore[arg-type]
        lambda: StopWhenStalled(0),
        lambda: StopWhenStalled(3, at_least=-1),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make: Any) -> None:
    with pytest.raises(InputError, match=r"got .*=.*Give a"):
        make()


def test_log_jsonl_writes_one_valid_json_object_for_each_event(tmp_path: Path) -> None:
    executor = ScriptedExecutor(lambda a: failed() if a.number == 1 else float("nan") if a.number == 2 else 1.0)
    executor.measured[3] = [Measurement(metric="a", step=0, value=float("inf"), at=1.0)]
    run(executor, LogJsonl(str(tmp_path / "sub" / "log.jsonl")), trials=3)
    text = (tmp_path / "sub" / "log.jsonl").read_text()
    lines = [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
    kinds = [line["event"] for line in lines]
    assert kinds[:2] == ["StudyStarted", "SpaceAvailable"]
    assert kinds.count("TrialStarted") == kinds.count("TrialEnded") == 3
    assert kinds[-1] == "StudyEnded"
    assert [line["value"] for line in lines if line["event"] == "MeasurementReported"] == ["inf"]
    assert next(line["error"] for line in lines if line["event"] == "TrialEnded") == "broken"


def test_stats_count_by_slot_what_was_started_finished_and_left() -> None:
    class StopAtFour(Handler):
        def trial_ended(self, event: Any, run: Any) -> None:
            if run.ended == 4:
                run.stop("enough")

    out = io.StringIO()
    stats = Stats(console=Console(file=out, width=80))
    run(lambda a: None if a.number == 2 else 1.0, stats, StopAtFour(), parallel=2, trials=9)
    slots = stats.summary()["slots"]
    assert (slots[0]["started"], slots[0]["finished"], slots[0]["unfinished"]) == (4, 4, 0)
    assert (slots[1]["started"], slots[1]["finished"], slots[1]["unfinished"]) == (1, 0, 1)
    assert 0 < stats.summary()["utilisation"] <= 1
    assert "slots busy" in out.getvalue()


def shown(terminal: bool, **options: Any) -> str:
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=terminal)
    run(lambda a: failed() if a.number == 2 else float(a.number), Progress(console=console), **options)
    return out.getvalue()


def test_progress_tells_plain_lines_where_there_is_no_terminal() -> None:
    text = shown(False)
    assert "s: 1/6 trials, best a 1 (trial 1), 0 running, about 0:00:0" in text
    assert "s: completed: all 6 trials are done; 6/6 trials, best a 6 (trial 6), 0 running, 1 failed" in text
    assert "\x1b" not in text


def test_progress_shows_a_bar_on_a_terminal() -> None:
    text = shown(True)
    assert "6/6" in text
    assert "\x1b" in text


def test_progress_without_a_number_of_trials_counts_what_is_done() -> None:
    assert "s: completed" in shown(False, trials=None, seconds=0.05)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"name": "target_reached", "args": {"value": 6}}, "6"),
        ({"name": "no_improvement", "args": {"window": 3, "min_trials": 4}}, "trials"),
        ({"name": "regret_bound", "args": {"within": 1e9, "min_trials": 6}}, "probably no point"),
    ],
)
def test_end_when_ends_a_study_by_a_rule(rule: Any, told: str) -> None:
    study = run(lambda a: float(min(a.number, 6)), EndWhen(rule), trials=40)
    assert study.status == "stopped"
    assert 6 <= len(study.trials) < 40
    assert told in str(study.events()[-1].payload["message"])
