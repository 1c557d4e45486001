"""The bundle executor, with a small program in the place of a Python that has MONAI."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from meristem.cli.study_file import read_study_file
from meristem.errors import InputError
from meristem.executors.bundle import BundleExecutor
from meristem.study.protocols import Attempt, Outcome, OutcomeStatus, Report
from meristem.study.study import Study

CONFIG: dict[str, Any] = {
    "bundle_root": ".",
    "ckpt_dir": "$@bundle_root + '/models'",
    "output_dir": "$@bundle_root + '/eval'",
    "lr": 0.01,
    "act": None,
    "text": "plain",
    "network_def": {"_target_": "UNet", "channels": [8, 16], "norm": "batch"},
    "train": {
        "transforms": [{"_target_": "RandFlipd", "prob": 0.5}],
        "trainer": {"_target_": "SupervisedTrainer", "max_epochs": 4},
    },
    "validate": {
        "handlers": [{"_target_": "CheckpointSaver", "save_dir": "@ckpt_dir"}],
        "key_metric": {"val_dice": {"_target_": "MeanDice"}},
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "key_val_metric": "@validate::key_metric",
            "val_handlers": "@validate::handlers",
        },
    },
}
LR = {"id": "lr", "type": "float", "targets": [1e-4, 1.0], "scale": "log"}

# Reads the arguments as MONAI does, tells them in told.json, and reports three validations; `act` says what else.
TRAINER = """#!{python}
import ast, json, os, sys, time
from pathlib import Path

given = json.loads(Path(sys.argv[sys.argv.index("--args_file") + 1]).read_text())
for flag in sys.argv[sys.argv.index("--args_file") + 2:]:
    name, _, text = flag.removeprefix("--").partition("=")
    try:
        given[name] = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        given[name] = text
act, lr = given.get("act"), given.get("lr", 0.01)
told = dict(argv=sys.argv[1:], given=given, cwd=os.getcwd(), env=dict(os.environ))
Path("told.json").write_text(json.dumps(told))
if act == "fail":
    sys.exit("RuntimeError: out of memory")
values = dict(silent=[], nan=[float("nan")]).get(act, [lr / 2, lr, lr / 4])
for epoch, value in enumerate(values, 1):
    with open(os.environ["MERISTEM_REPORT"], "a") as report:
        report.write(json.dumps(dict(step=2 * epoch, val_dice=value)) + "\\n")
    if act == "slow":
        time.sleep(0.1)
Path(given["ckpt_dir"], "model.pt").write_text("weights")
Path(given["output_dir"], "seen.txt").write_text("seen")
"""


@pytest.fixture
def trainer(tmp_path: Path) -> str:
    path = tmp_path / "trainer"
    path.write_text(TRAINER.replace("{python}", sys.executable), encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "mein Bündel, 1"
    write(folder / "configs" / "train.json", CONFIG)
    write(folder / "configs" / "metadata.json", {"version": "1"})
    write(folder / "configs" / "search.json", {"search": [LR]})
    return folder


def write(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")


def searching(bundle: Path, *items: dict[str, Any]) -> None:
    write(bundle / "configs" / "search.json", {"search": list(items)})


Run = Callable[..., tuple[list[Report], Path]]


@pytest.fixture
def run(tmp_path: Path, trainer: str, bundle: Path) -> Run:
    """Runs one attempt to its end; gives its reports and its folder."""

    def run_one(parameters: dict[str, Any], **args: Any) -> tuple[list[Report], Path]:
        executor = BundleExecutor(bundle, **{"python": trainer, **args})
        executor.open(1)
        executor.start(attempt_in(tmp_path / "trial", parameters))
        try:
            return until_ended(executor), tmp_path / "trial"
        finally:
            executor.close()

    return run_one


def attempt_in(folder: Path, parameters: dict[str, Any]) -> Attempt:
    return Attempt(study="s", number=1, attempt=1, parameters=parameters, folder=folder, slot=0)


def until_ended(executor: BundleExecutor) -> list[Report]:
    found: list[Report] = []
    deadline = time.monotonic() + 20
    while not any(report.outcome for report in found):
        assert time.monotonic() < deadline
        found += executor.poll(timedelta(seconds=1))
    return found


def outcome_of(reports: list[Report]) -> Outcome:
    assert reports[-1].outcome is not None
    return reports[-1].outcome


def told(folder: Path) -> Any:
    return json.loads((folder / "told.json").read_text(encoding="utf-8"))


def fingerprint(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_space_and_objective_come_from_the_files(bundle: Path, trainer: str) -> None:
    executor = BundleExecutor(bundle, python=trainer)
    assert list(executor.space.parameters) == ["lr"]
    assert executor.objective == "val_dice"
    assert BundleExecutor(bundle, python=trainer, minimize=True).objective == "-val_dice"


def test_a_study_finds_the_best_of_what_is_searched(bundle: Path, trainer: str) -> None:
    executor = BundleExecutor(bundle, python=trainer)
    study = Study("spleen", space=executor.space, objective=executor.objective, controller="random", seed=1)
    study.run(executor=executor, trials=2, parallel=2, handlers=[])
    assert study.best.metrics["val_dice"] == max(t.parameters["lr"] for t in study.trials)
    assert all(t.status == "completed" for t in study.trials)


def test_the_best_validation_is_the_score_and_each_is_reported_with_its_epoch(run: Run) -> None:
    reports, _ = run({"lr": 0.5})
    assert [(m.step, m.value) for r in reports for m in r.measurements] == [(2, 0.25), (4, 0.5), (6, 0.125)]
    assert outcome_of(reports).score == {"val_dice": 0.5}
    assert outcome_of(run({"lr": 0.5}, minimize=True)[0]).score == {"val_dice": 0.125}


def test_a_trial_runs_in_its_folder_and_leaves_the_bundle_as_it_is(run: Run, bundle: Path) -> None:
    before = fingerprint(bundle)
    _, folder = run({"lr": 0.5}, overrides={"train::trainer::max_epochs": 2})
    assert fingerprint(bundle) == before
    assert (folder / "models" / "model.pt").exists()
    assert (folder / "eval" / "seen.txt").exists()
    found = told(folder)
    assert found["cwd"] == str(folder)
    given = found["given"]
    assert (given["bundle_root"], given["train::trainer::max_epochs"]) == (str(bundle), 2)
    assert given["config_file"] == [str(bundle / "configs" / "train.json"), str(folder / "bundle_added.json")]
    assert given["meta_file"] == str(bundle / "configs" / "metadata.json")
    assert "logging_file" not in given
    added = json.loads((folder / "bundle_added.json").read_text(encoding="utf-8"))
    assert list(added) == ["+validate::handlers"]
    assert (folder / f"{added['+validate::handlers'][0]['_target_'].partition('.')[0]}.py").exists()
    assert found["env"]["PYTHONPATH"].split(":")[:2] == [str(folder), str(bundle)]
    assert found["env"]["PYTHONDONTWRITEBYTECODE"] == "1"


def test_values_are_flags_and_arrive_whole(run: Run, bundle: Path) -> None:
    hostile = "{folder} {trial} {{x}} $(ls) 'a' \"b\""
    searching(
        bundle,
        LR,
        {"id": "text", "type": "enum", "targets": ["plain", hostile]},
        {"id": "act", "type": "enum", "targets": [None, "x"]},
        {"id": "network_def::channels", "type": "enum", "targets": [[8, 16], [16, 32]]},
        {"id": "train::transforms::0::_disabled_", "type": "enum", "targets": [True, False]},
    )
    values = {
        "lr": 0.25,
        "text": hostile,
        "act": None,
        "network_def::channels": [16, 32],
        "train::transforms::0::_disabled_": True,
    }
    _, folder = run(values)
    found = told(folder)
    assert {name: found["given"][name] for name in values} == values
    assert found["argv"][:3] == ["-m", "monai.bundle", "run"]
    assert {"--lr=0.25", "--train::transforms::0::_disabled_=True"} <= set(found["argv"])
    written = json.loads((folder / "bundle_args.json").read_text(encoding="utf-8"))
    assert {name: written[name] for name in values} == values  # by this file it can be repeated


def test_clara_items_beside_a_component_give_the_trial_a_configuration_of_its_own(run: Run, bundle: Path) -> None:
    config = json.loads(json.dumps(CONFIG))
    config["network_def"]["search"] = [{"type": "enum", "args": ["norm"], "targets": [["batch"], ["instance"]]}]
    write(bundle / "configs" / "train.json", config)
    _, folder = run({"lr": 0.5, "network_def::norm": "instance"})
    own = json.loads((folder / "bundle_config.json").read_text(encoding="utf-8"))
    assert own["network_def"] == {"_target_": "UNet", "channels": [8, 16], "norm": "instance"}
    assert own["lr"] == 0.5
    assert told(folder)["given"]["config_file"] == [
        str(folder / "bundle_config.json"),
        str(folder / "bundle_added.json"),
    ]


@pytest.mark.parametrize(
    ("act", "error"),
    [
        ("fail", "exit code 1: RuntimeError: out of memory"),
        ("silent", "the training ended well, but it never validated"),
        ("nan", "the training ended well, but its key metric was never a finite number"),
    ],
)
def test_a_training_without_a_score_fails(run: Run, act: str, error: str) -> None:
    reports, _ = run({"lr": 0.5}, overrides={"act": act})
    assert (outcome_of(reports).status, outcome_of(reports).error) == (OutcomeStatus.FAILED, error)


def test_a_training_is_taken_up_with_all_that_it_reported(tmp_path: Path, bundle: Path, trainer: str) -> None:
    attempt = attempt_in(tmp_path / "trial", {"lr": 0.5})
    first = BundleExecutor(bundle, python=trainer, overrides={"act": "slow"})
    first.open(1)
    first.start(attempt)
    while not any(report.measurements for report in first.poll(timedelta(seconds=1))):
        pass
    first.release()
    second = BundleExecutor(bundle, python=trainer, overrides={"act": "slow"})
    second.open(1)
    assert second.adopt(attempt)
    reports = until_ended(second)
    second.close()
    assert [m.step for r in reports for m in r.measurements] == [2, 4, 6]
    assert outcome_of(reports).score == {"val_dice": 0.5}


def test_a_point_outside_of_the_space_fails_alone(run: Run) -> None:
    reports, _ = run({"lr": 7.0})
    assert "the command could not be started" in str(outcome_of(reports).error)


def test_each_slot_has_its_gpus(tmp_path: Path, run: Run) -> None:
    _, folder = run({"lr": 0.5}, gpus="2,3", env={"MINE": "1"})
    assert (told(folder)["env"]["CUDA_VISIBLE_DEVICES"], told(folder)["env"]["MINE"]) == ("2,3", "1")


def test_scripts_are_found_where_the_user_has_them(run: Run, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/of/the/engine")
    for env, last in ((None, "/of/the/engine"), ({"PYTHONPATH": "/mine"}, "/mine")):
        _, folder = run({"lr": 0.5}, env=env)
        assert told(folder)["env"]["PYTHONPATH"] == f"{folder}:{bundle}:{last}"


def test_yaml_several_files_and_macros(run: Run, bundle: Path) -> None:
    (bundle / "configs" / "train.json").unlink()
    write(bundle / "configs" / "base.json", {**CONFIG, "network_def": "%configs/net.json::unet"})
    write(bundle / "configs" / "net.json", {"unet": {"_target_": "UNet"}})
    (bundle / "configs" / "more.yaml").write_text("lr: 1e-2\n+train:\n  extra: [1]\n", encoding="utf-8")
    _, folder = run({"lr": 0.5}, config=["base", "configs/more.yaml"])
    added = json.loads((folder / "bundle_added.json").read_text(encoding="utf-8"))
    assert added["network_def"] == f"%{bundle}/configs/net.json::unet"
    assert [Path(path).name for path in told(folder)["given"]["config_file"]][:2] == ["base.json", "more.yaml"]


def test_other_ids_may_be_outputs(run: Run, bundle: Path) -> None:
    write(bundle / "configs" / "train.json", {**CONFIG, "checkpoints": "models"})
    _, folder = run({"lr": 0.5}, outputs=["checkpoints", "ckpt_dir", "output_dir"])
    assert told(folder)["given"]["checkpoints"] == str(folder / "eval")


def test_all_mistakes_are_told_at_once(bundle: Path) -> None:
    config = {**CONFIG, "validate": {"evaluator": {"_target_": "E"}}}
    write(bundle / "configs" / "train.json", config)
    searching(bundle, {"id": "lrr", "type": "float", "targets": [0, 1]}, {**LR, "targets": [1, 0]})
    with pytest.raises(InputError) as caught:
        BundleExecutor(bundle, python="no-such-python", overrides={"trainer::x": 1})
    problems = "\n".join(caught.value.problems)
    for part in (
        "there is no program no-such-python",
        "there is no validate::key_metric",
        "there is no trainer in the configuration, in which trainer::x could be set",
        "there is no lrr in the configuration. Did you mean 'lr'?",
        "min (1) is above max (0)",
    ):
        assert part in problems
    assert len(caught.value.problems) == 5


def test_missing_and_broken_files_are_told(bundle: Path, trainer: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        BundleExecutor(tmp_path / "none", python=trainer)
    with pytest.raises(InputError, match=r"there is no 'trian' in .* Did you mean 'train.json'"):
        BundleExecutor(bundle, python=trainer, config="trian")
    (bundle / "configs" / "search.json").write_text('{"search": [}', encoding="utf-8")
    (bundle / "configs" / "more.yaml").write_text("a: [1\nb: 2\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        BundleExecutor(bundle, python=trainer, config=["train", "more"])
    assert "more.yaml:2:" in caught.value.problems[0]
    assert "search.json:1:13: is not JSON" in caught.value.problems[1]


def test_what_is_searched_cannot_be_set_for_all_trials(bundle: Path, trainer: str) -> None:
    with pytest.raises(InputError, match="lr is searched, and set for all trials, too"):
        BundleExecutor(bundle, python=trainer, overrides={"lr": 1})


def test_a_python_without_monai_is_refused_before_anything_starts(bundle: Path) -> None:
    executor = BundleExecutor(bundle, python=sys.executable)
    with pytest.raises(InputError, match=r"has no monai, ignite, fire.*meristem\[monai\]"):
        executor.open(1)


def test_a_study_of_another_space_is_refused(bundle: Path, trainer: str) -> None:
    executor = BundleExecutor(bundle, python=trainer)
    assert executor.expect(["lr"]) == []
    assert executor.expect(["lrr"]) == [
        "the study has the parameter 'lrr', which is not searched in the bundle. Did you mean 'lr'? ",
        "'lr' is searched in the bundle, but not in the study",
    ]


def test_a_study_file_needs_nothing_but_the_bundle(bundle: Path, trainer: str, tmp_path: Path) -> None:
    name = os.path.relpath(bundle, tmp_path)
    text = (
        f"name: s\nexecutor: {{name: bundle, args: {{bundle: '{name}', python: ./trainer}}}}\nbudget: {{trials: 3}}\n"
    )
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    found = read_study_file(tmp_path / "study.yaml")
    assert list(found.space.parameters) == ["lr"]
    assert str(found.goals) == "val_dice"
    assert found.executor.args["bundle"] == str(bundle)
