"""Searches of an MMAR: runs, jobs, what is kept, what goes wrong."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import meristem as ms
from meristem.errors import InputError, TooManyFailures
from meristem.executors import mmar as mmar_module
from meristem.mmar.tune import tune
from meristem.study.protocols import Attempt, Outcome

from .made import CONFIG, DESIGN_PAGE, automl, jobs_in, make_mmar


def test_the_configuration_of_the_design_page_runs_as_written(tmp_path: Path) -> None:
    design = json.loads(json.dumps(DESIGN_PAGE))
    design["handlers"][0]["args"]["stop_threshold"] = 2.0  # never: all ten are tried
    mmar = make_mmar(tmp_path / "spleen mmar é", automl=design)
    study = tune(mmar, {"run_id": "first", "workers": "0:1"}, seed=3)
    run = mmar / "automl/first"
    assert study.counts() == {"completed": 10}
    kept = jobs_in(run)
    assert len(kept) == 3
    best = study.best
    assert (run / "best").resolve() == best.folder
    assert best.folder is not None
    assert best.folder.name in kept
    assert best.folder.name.endswith(f"_J{best.number}")
    made = [line.split("_") for line in (run / ".jobs").read_text().split()]
    for worker in ("W1", "W2"):  # the jobs of each worker are counted
        assert [int(seq) for name, seq, _ in made if name == worker] == list(
            range(1, sum(n == worker for n, _, _ in made) + 1)
        )
    assert sorted(int(job[1:]) for _, _, job in made) == list(range(1, 11))


def test_a_job_has_its_own_mmar_with_the_values_put_in_and_the_original_stays(tmp_path: Path) -> None:
    mmar = make_mmar(tmp_path / "m", automl=automl(2))
    before = {p: p.read_bytes() for p in mmar.rglob("*") if p.is_file()}
    study = tune(mmar, {"run_id": "r", "workers": "0,1:2,3"}, seed=1)
    for trial in study.trials:
        assert trial.folder is not None
        config = json.loads((trial.folder / "config/config_train.json").read_text())
        assert config["learning_rate"] == trial.parameters["lr.float.$0:learning_rate"]
        assert "search" not in config
        assert (trial.folder / "gpus.txt").read_text().strip() == ("0,1" if trial.slot == 0 else "2,3")
        assert (trial.folder / "models/model.pt").read_text().startswith("weights")
        assert "training with" in (trial.folder / "log.txt").read_text()
        assert trial.metrics["mean_dice"] == pytest.approx(1 - (config["learning_rate"] - 0.3) ** 2, abs=1e-4)
        assert [m.step for m in study.measurements(trial.number)] == [1, 2]
    assert {p: p.read_bytes() for p in before} == before


def test_a_score_that_is_good_enough_ends_the_run(tmp_path: Path) -> None:
    study = tune(make_mmar(tmp_path / "m", automl=automl(50, threshold=0.3)), {"run_id": "r"}, seed=1)
    assert len(study.trials) < 50
    assert "meets 0.3" in (study.store.studies.get("r").message or "")


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("fails", "exit code 3: CUDA error: out of everything"),
        ("nothing", "models/train_stats.json was not written"),
        ("never", "it never validated"),
    ],
)
def test_a_training_without_a_score_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, told: str
) -> None:
    monkeypatch.setenv("MMAR_DOES", does)
    mmar = make_mmar(tmp_path / "m", automl=automl(2))
    with pytest.raises(TooManyFailures) as raised:
        tune(mmar, {"run_id": "r"})
    assert told in str(raised.value)


def test_a_disk_that_is_full_fails_the_trial_and_leaves_no_half_mmar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("meristem.executors.mmar_copy._copy_file", full)
    mmar = make_mmar(tmp_path / "m", automl=automl(2))
    with pytest.raises(TooManyFailures, match=r"its MMAR could not be made: OSError: .*No space left"):
        tune(mmar, {"run_id": "r"})
    assert jobs_in(mmar / "automl/r") == []


def test_a_run_that_has_ended_is_not_run_again_but_may_go_on(tmp_path: Path) -> None:
    mmar = make_mmar(tmp_path / "m", automl={"controller": {"name": "random"}})
    tune(mmar, {"run_id": "r"}, trials=2)
    with pytest.raises(InputError, match="has ended, with 2 jobs"):
        tune(mmar, {"run_id": "r"}, trials=2)
    assert len(tune(mmar, {"run_id": "r"}, trials=3).trials) == 3


def test_runs_may_be_elsewhere_and_copies_small(tmp_path: Path) -> None:
    config = automl(1)
    config["handlers"][0]["args"] |= {
        "work_dir": "{workdir}", "train_config_file": "{trainconf}", "key_mmar_content_only": True,
        "data_list_file_name": "dataset_0.json",
    }  # fmt: skip
    mmar = make_mmar(tmp_path / "m", automl=config)
    (mmar / "config/dataset_0.json").write_text("{}")
    (mmar / "config/config_other.json").write_text(json.dumps(CONFIG))
    (mmar / "huge.bin").write_text("bytes")
    settings = {"run_id": "r", "workdir": str(tmp_path / "work"), "trainconf": "config_other.json"}
    study = tune(mmar, settings)
    folder = study.trials[0].folder
    assert folder == tmp_path / "work/r/W1_1_J1"
    assert not (folder / "huge.bin").exists()
    assert (folder / "config/dataset_0.json").exists()
    assert "search" not in json.loads((folder / "config/config_other.json").read_text())


def test_variables_that_are_set_reach_the_training(tmp_path: Path) -> None:
    mmar = make_mmar(tmp_path / "m", automl=automl(1))
    study = tune(mmar, {"run_id": "r", "DATA_ROOT": "/other", "EPOCHS": 5})
    folder = study.trials[0].folder
    assert folder is not None
    assert json.loads((folder / "config/environment.json").read_text()) == {"DATA_ROOT": "/other", "EPOCHS": 5}


def test_links_that_lead_out_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mmar = make_mmar(tmp_path / "m", automl=automl(1))
    (mmar / "data").symlink_to("/usr/share")
    with caplog.at_level(logging.WARNING):
        tune(mmar, {"run_id": "r"})
    assert "Links lead out of the MMAR" in caplog.text
    assert "data -> /usr/share" in caplog.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_base_that_may_only_be_read_says_where_runs_can_go(tmp_path: Path) -> None:
    mmar = make_mmar(tmp_path / "m", automl=automl(1))
    mmar.chmod(0o555)
    with pytest.raises(InputError, match="work_dir"):
        tune(mmar, {"run_id": "r"})


def _without(*path: str) -> Any:
    def change(mmar: Path) -> None:
        (mmar.joinpath(*path)).unlink()

    return change


def _written(name: str, text: str) -> Any:
    def change(mmar: Path) -> None:
        (mmar / "config" / name).write_text(text)

    return change


@pytest.mark.parametrize(
    ("change", "settings", "told"),
    [
        (_without("config", "config_train.json"), {}, "There is no file config/config_train.json"),
        (_without("config", "config_automl.json"), {}, "There is no file config/config_automl.json"),
        (_without("commands", "automl_train_round.sh"), {}, "it has no commands/automl_train_round.sh"),
        (_written("config_train.json", '{"epochs": 3,}'), {}, "config_train.json:1:14: is not JSON"),
        (_written("config_automl.json", "{"), {}, "config_automl.json:1:2: is not JSON"),
        (_written("config_automl.json", '{"handlers": [{"args": 3}], "executor": 4}'), {}, "handlers[0]"),
        (_written("config_automl.json", '{"handlers": [{"args": 3}], "executor": 4}'), {}, "controller: is missing"),
        (_written("config_train.json", '{"epochs": 3}'), {}, "no search item stands in it"),
        (lambda mmar: None, {"run_id": ""}, "no name of a run"),
        (lambda mmar: None, {"run_id": "../up"}, "no name of a run"),
        (lambda mmar: None, {"workers": "0,,1"}, "GPU"),
        (lambda mmar: None, {"learning_rate": 3}, "learning_rate"),
    ],
)
def test_mistakes_are_told_before_anything_starts(
    tmp_path: Path, change: Any, settings: dict[str, Any], told: str
) -> None:
    mmar = make_mmar(tmp_path / "m")
    change(mmar)
    with pytest.raises(InputError) as raised:
        tune(mmar, {"run_id": "r", **settings})
    assert told in str(raised.value)
    assert not (mmar / "automl").exists()


def test_two_runs_of_one_mmar_do_not_disturb_each_other(tmp_path: Path) -> None:
    mmar = make_mmar(tmp_path / "m", automl=automl(3))
    tune(mmar, {"run_id": "a"}, seed=1)
    before = {p: p.read_bytes() for p in (mmar / "automl/a").glob("W*/**/*") if p.is_file()}
    study = tune(mmar, {"run_id": "b"}, seed=1)
    assert study.counts() == {"completed": 3}
    assert {p: p.read_bytes() for p in before} == before
    assert not (study.trials[0].folder / "automl").exists()  # type: ignore[operator]


def test_an_executor_tells_its_space(tmp_path: Path) -> None:
    executor = ms.MmarExecutor(make_mmar(tmp_path / "m"), run_folder=tmp_path / "runs")
    study = ms.Study("s", space=executor.space, objective=executor.objective, controller="random", seed=1)
    study.run(executor=executor, trials=2, handlers=[])
    assert study.counts() == {"completed": 2}


def test_components_written_for_clara_search_an_mmar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "acceptance/clara"))
    config = {
        "handlers": [
            {"name": "MMARHandler"}, {"path": "byoc.LogHandler", "args": {"log": str(tmp_path / "log.jsonl")}},
        ],
        "executor": {"name": "MMARExecutor"},
        "controller": {"path": "byoc.RandomController", "args": {"max_rounds": 4}},
    }  # fmt: skip
    mmar = make_mmar(tmp_path / "m", automl=config)
    study = tune(mmar, {"run_id": "r", "workers": "0:1"}, seed=1)
    assert study.counts()["completed"] >= 4
    assert len(jobs_in(mmar / "automl/r")) >= study.counts()["completed"]
    told = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["what"] for line in told][1:3] == ["start_automl", "search_space_available"]
    ended = [line for line in told if line["what"] == "end_job" and line["_jobStatus"] == "completed"]
    assert {line["_jobName"] for line in ended} == {t.folder.name for t in study.trials if t.status == "completed"}
    assert {line["_jobMmarRoot"] for line in ended} == {str(t.folder) for t in study.trials if t.status == "completed"}
    assert all(list(line["_concreteSearchValue"]) == ["lr.float.$0:learning_rate"] for line in ended)


def attempt_of(key: str, number: int = 1) -> Attempt:
    parameters = {"lr.float.$0:learning_rate": 0.5}
    return Attempt(
        study="s", number=number, attempt=1, parameters=parameters, folder=Path(), slot=0, key=f"{key}-{number}-1"
    )


def outcome_of(executor: ms.MmarExecutor) -> Outcome:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for report in executor.poll(timedelta(seconds=0.1)):
            if report.outcome is not None:
                return report.outcome
    raise AssertionError("no outcome")


def test_two_studies_with_one_run_leave_each_others_mmars_alone(tmp_path: Path) -> None:
    mmar = make_mmar(tmp_path / "m")
    for key in ("first", "second"):
        executor = ms.MmarExecutor(mmar, run_id="r")
        executor.open(1)
        executor.start(attempt_of(key))
        assert outcome_of(executor).status == "completed"
        executor.close()
    assert jobs_in(mmar / "automl/r") == ["W1_1_J1", "W1_2_J1"]


def test_what_is_stopped_while_its_mmar_is_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mmar = make_mmar(tmp_path / "m")
    copy = mmar_module.copy_mmar
    monkeypatch.setattr(mmar_module, "copy_mmar", lambda *a, **k: (time.sleep(0.3), copy(*a, **k)))
    executor = ms.MmarExecutor(mmar, run_id="r")
    executor.open(1)
    executor.start(attempt_of("k"))
    time.sleep(0.1)
    executor.stop(1, timedelta(seconds=1))
    assert outcome_of(executor).status == "stopped"
    executor.start(attempt_of("k", 2))
    executor.close()
    assert jobs_in(mmar / "automl/r") == []


def test_a_threshold_that_was_reached_holds_when_the_command_is_given_again(tmp_path: Path) -> None:
    mmar = make_mmar(tmp_path / "m", automl=automl(6, threshold=0.3))
    first = len(tune(mmar, {"run_id": "r"}, seed=1).trials)
    assert len(tune(mmar, {"run_id": "r"}, seed=1).trials) == first < 6


def test_checkpoints_may_lie_elsewhere_and_scores_have_any_name(tmp_path: Path) -> None:
    config = json.loads(json.dumps(CONFIG))
    config["validate"]["metrics"][0]["args"]["name"] = "mean dice, 2*best"
    mmar = make_mmar(tmp_path / "m", automl=automl(1), config=config)
    (mmar / "config/environment.json").write_text(json.dumps({"MMAR_CKPT_DIR": "check/points"}))
    script = mmar / "commands/automl_train_round.sh"
    script.write_text(script.read_text().replace("/models/", "/check/points/"))
    study = tune(mmar, {"run_id": "r"})
    assert list(study.trials[0].metrics) == ["mean dice, 2*best"]


@pytest.mark.parametrize("folder", ["config", "models"])
def test_what_a_link_leads_to_is_never_written(tmp_path: Path, folder: str) -> None:
    mmar = make_mmar(tmp_path / "m", automl=automl(2))
    (mmar / folder).rename(tmp_path / "elsewhere")
    (mmar / folder).symlink_to("../elsewhere")
    (mmar / "log.txt").symlink_to("../elsewhere/log")
    (tmp_path / "elsewhere/log").write_text("mine")
    (tmp_path / "elsewhere/train_stats.json").write_text("{}")
    before = {p: p.read_bytes() for p in (tmp_path / "elsewhere").iterdir()}
    study = tune(mmar, {"run_id": "r", "workers": "0:1"}, seed=1)
    assert {p: p.read_bytes() for p in (tmp_path / "elsewhere").iterdir()} == before
    for trial in study.trials:
        assert trial.folder is not None
        rate = trial.parameters["lr.float.$0:learning_rate"]
        assert json.loads((trial.folder / "config/config_train.json").read_text())["learning_rate"] == rate


def test_a_score_that_the_mmar_was_shipped_with_is_no_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAR_DOES", "nothing")
    mmar = make_mmar(tmp_path / "m", automl=automl(1))
    (mmar / "models/train_stats.json").write_text('{"best_metric": 0.99}')
    with pytest.raises(TooManyFailures, match="was not written"):
        tune(mmar, {"run_id": "r"})
    assert (mmar / "automl/r/failed/W1_1_J1.log").read_text().startswith("training with")


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"workdir": "inside"}, "would lie in it"), ({"MMAR_CKPT_DIR": "../out"}, "leads out of it"),
     ({"MMAR_CKPT_DIR": "/out"}, "leads out of it")],
)  # fmt: skip
def test_what_jobs_would_share_is_refused(tmp_path: Path, settings: dict[str, str], told: str) -> None:
    mmar = make_mmar(tmp_path / "m")
    if "workdir" in settings:
        settings = {"workdir": str(mmar / settings["workdir"])}
    with pytest.raises(InputError, match=told):
        tune(mmar, {"run_id": "r", **settings})


def test_two_mmars_do_not_share_a_run(tmp_path: Path) -> None:
    first, second = (make_mmar(tmp_path / name, automl={"controller": {"name": "random"}}) for name in "ab")
    settings = {"run_id": "r", "workdir": str(tmp_path / "work")}
    tune(first, settings, trials=1, seed=1)
    with pytest.raises(InputError, match="is of the MMAR"):
        tune(second, settings, trials=3)


def test_a_run_may_be_moved_with_its_mmar(tmp_path: Path) -> None:
    mmar = make_mmar(tmp_path / "m", automl=automl(2, keep=1))
    tune(mmar, {"run_id": "r"}, seed=1)
    shutil.copytree(mmar, tmp_path / "copy", symlinks=True)
    before = jobs_in(mmar / "automl/r")
    (tmp_path / "copy/config/config_automl.json").write_text(json.dumps(automl(2, keep=1)))
    study = ms.Study.open("r", store=f"sqlite:///{tmp_path}/copy/automl/r/meristem.db")
    assert study.best.folder == (tmp_path / "copy/automl/r") / before[0]
    assert jobs_in(mmar / "automl/r") == before


def test_a_search_without_an_end_is_refused(tmp_path: Path) -> None:
    mmar = make_mmar(tmp_path / "m", automl={"controller": {"name": "auto"}})
    with pytest.raises(InputError, match="never ends by itself"):
        tune(mmar, {"run_id": "r"})
    assert not (mmar / "automl").exists()


def test_slips_of_the_hand_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mmar = make_mmar(tmp_path / "m", automl={**automl(1), "early_stoping": "auto"})
    tune(mmar, {"run_id": "r", "wrokers": "0:1"})
    assert "'early_stoping' means nothing here. Did you mean 'early_stopping'?" in caplog.text
    assert "Nothing in the MMAR refers to wrokers. Did you mean 'workers'?" in caplog.text


def test_hopeless_trainings_of_an_mmar_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = {"name": "threshold", "args": {"value": 5, "after": 1}}
    mmar = make_mmar(tmp_path / "m", automl={**automl(1), "early_stopping": rule})
    script = mmar / "commands/automl_train_round.sh"
    script.write_text(script.read_text() + "\nsleep 20\n")
    study = tune(mmar, {"run_id": "r"})
    assert study.counts() == {"stopped": 1}


def test_a_pipe_in_place_of_statistics_holds_nothing_up(tmp_path: Path) -> None:
    mmar = make_mmar(tmp_path / "m", automl=automl(1))
    script = mmar / "commands/automl_train_round.sh"
    script.write_text('#!/bin/sh\nmkfifo "$MMAR_ROOT/models/train_stats.json"\nsleep 0.5\n')
    with pytest.raises(TooManyFailures, match="cannot be read as JSON"):
        tune(mmar, {"run_id": "r"})
