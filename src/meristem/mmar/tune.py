"""Searches the best configuration of an MMAR: what `meristem mmar tune` does.

A run is a study of its own, kept in the run's folder; the same call again goes on where it was.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from inspect import getattr_static
from pathlib import Path
from typing import Any

from meristem.components import ComponentSpec, import_from
from meristem.errors import InputError, did_you_mean
from meristem.executors.mmar import CONFIG_FILE
from meristem.executors.mmar_copy import RUNS_FOLDER
from meristem.executors.mmar_jobs import make_run_folder
from meristem.mmar.automl_config import AutomlConfig, read_automl_config
from meristem.objective import Goals
from meristem.processes.gpus import parse_gpus
from meristem.statuses import StudyStatus
from meristem.study.definition import build_controller
from meristem.study.early_stopping import rule_of
from meristem.study.plan import Plan
from meristem.study.setup import build_executor, build_handler
from meristem.study.study import Study

log = logging.getLogger("meristem.mmar")

AUTOML_CONFIG = "config/config_automl.json"
STORE_FILE = "meristem.db"
_ONE_WORKER = "0"
_OURS = ("run_id", "workers", "trainconf", "workdir", "work_dir", "traceout", "engTrace")
_EXAMPLE = 'It says how to search, such as {"controller": {"name": "auto"}, "handlers": [{"name": "MMARHandler"}]}.'
_RUN_ID = re.compile(r"[^\W_][\w.-]*")


def tune(
    mmar: str | Path, settings: Mapping[str, Any], *, automl_config: str = AUTOML_CONFIG, trials: int | None = None,
    seconds: float | None = None, timeout: float | None = None, seed: int | None = None,
    handlers: tuple[Any, ...] = (),
) -> Study:  # fmt: skip
    """Runs a search of the MMAR, or goes on with one.

    Args:
        settings: `run_id`, `workers` (GPU ids, `"0,1:2,3"`), `trainconf`, `workdir`, and values of any variable of the
            training configuration.
        automl_config: Within the MMAR, or any path.
        trials: How many in all; needed where the controller does not end by itself.
        timeout: Seconds that one training may take.
        handlers: Beside those of the configuration.

    Returns:
        The study, when it has ended.

    Raises:
        InputError: Something of it cannot be used; nothing was started.
        StudyBusy: The run is being run by another process.
    """
    root = Path(mmar).absolute()
    run_id = _run_id(settings)
    import_from(root, first=True)
    config = read_automl_config(_found(root, automl_config), settings)
    run_folder = _run_folder(root, config, settings, run_id)
    executor, gpus = _executor_of(root, config, settings, run_folder)
    built: Any = build_executor(None, executor, isolate=True, gpus=gpus)
    _check_whole(config, executor, built, Plan(trials=trials, seconds=seconds, timeout=timeout))
    slots = len(parse_gpus(str(settings.get("workers", _ONE_WORKER))))
    _warn_of_unknown(settings, root)
    make_run_folder(run_folder)
    study = Study(
        run_id, space=built.space, objective=_objective(built), seed=seed, controller=config.controller.to_json(),
        store=f"sqlite:///{run_folder / STORE_FILE}",
    )  # fmt: skip
    _check_unfinished(study, run_folder, trials)
    return study.run(
        executor=executor, trials=trials, seconds=seconds, timeout=timeout, parallel=slots, gpus=gpus,
        early_stopping=config.early_stopping,
        handlers=["progress", *(handler.to_json() for handler in config.handlers), *handlers],
    )  # fmt: skip


def _executor_of(
    root: Path, config: AutomlConfig, settings: Mapping[str, Any], run_folder: Path
) -> tuple[ComponentSpec, str | None]:
    """The executor, and the GPUs where they are not among its arguments."""
    workers = str(settings.get("workers", _ONE_WORKER))
    if config.executor is not None:
        return config.executor, workers
    args = _executor_args(root, config, settings, run_folder)
    return ComponentSpec(name="mmar", args={**args, "gpus": workers}), None


def _objective(executor: Any) -> str:
    return str(getattr(executor, "objective", "score"))


def _check_whole(config: AutomlConfig, executor: ComponentSpec, built: Any, plan: Plan) -> None:
    """Raises InputError for all that can be wrong before anything is made."""
    if getattr_static(built, "space", None) is None:
        raise InputError(
            f"The executor {executor.label} does not say what is searched.",
            fix="Give it a property 'space' (a meristem.Space), or Clara's determine_search_space(ctx).",
        )
    for handler in config.handlers:
        build_handler(handler)
    controller = build_controller(config.controller)[0]
    rule_of(config.early_stopping, controller, Goals.parse(_objective(built)))
    if not plan.is_bounded(built.space, controller):
        raise InputError(
            f"The controller {config.controller.label} never ends by itself.",
            fix="Say when it is enough: --trials 40, or --hours 12.",
        )


def _warn_of_unknown(settings: Mapping[str, Any], root: Path) -> None:
    """Says of a setting that nothing in the MMAR refers to: it may be a slip of the hand."""
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in (root / "config").glob("*.json")]
    for name in settings:
        if name not in _OURS and not any(f"{{{name}}}" in text or f'"{name}"' in text for text in texts):
            log.warning("Nothing in the MMAR refers to %s. %s", name, did_you_mean(name, list(_OURS)))


def _run_id(settings: Mapping[str, Any]) -> str:
    run_id = str(settings.get("run_id", ""))
    if not _RUN_ID.fullmatch(run_id):
        raise InputError(
            f"run_id={run_id!r:.60} is no name of a run.",
            fix="Give each run a name of its own, of letters, digits, '.', '-' and '_': --set run_id=first",
        )
    return run_id


def _found(root: Path, file: str) -> Path:
    """A file that is named as from anywhere, from the MMAR, or from its `config` folder."""
    for place in (Path(file), root / file, root / "config" / file):
        if place.is_file():
            return place
    near = sorted(path.name for path in (root / "config").glob("*.json")) if (root / "config").is_dir() else []
    hint = did_you_mean(Path(file).name, near) if Path(file).name != Path(AUTOML_CONFIG).name else _EXAMPLE
    raise InputError(
        f"There is no file {file} in {root} or its config folder. {hint}".strip(),
        fix=f"There are: {', '.join(near)}." if near else "Is this the folder of an MMAR?",
    )


def _run_folder(root: Path, config: AutomlConfig, settings: Mapping[str, Any], run_id: str) -> Path:
    work_dir = settings.get("work_dir") or settings.get("workdir") or config.jobs.get("work_dir")
    return (Path(str(work_dir)).absolute() if work_dir else root / RUNS_FOLDER) / run_id


def _executor_args(root: Path, config: AutomlConfig, settings: Mapping[str, Any], run_folder: Path) -> dict[str, Any]:
    args = {name: value for name, value in config.jobs.items() if name != "work_dir"}
    file = str(settings.get("trainconf") or args.get("train_config_file") or CONFIG_FILE)
    try:
        args["train_config_file"] = str(_found(root, file).absolute().relative_to(root))
    except ValueError:
        raise InputError(f"The training configuration {file} is not in the MMAR {root}.") from None
    own = {name: value for name, value in settings.items() if name not in _OURS}
    return {
        **args, "mmar": str(root), "run_folder": str(run_folder), **({"set": own} if own else {}),
    }  # fmt: skip


def _check_unfinished(study: Study, run_folder: Path, trials: int | None) -> None:
    """Raises InputError where the run has ended and nothing more is asked for."""
    ended = sum(study.counts().values())
    if study.status == StudyStatus.COMPLETED and not (trials is not None and trials > ended):
        raise InputError(
            f"The run {study.name!r} has ended, with {ended} jobs: {run_folder}.",
            fix="Give another run a run_id of its own; or let this one go on with more --trials; or remove its folder.",
        )
