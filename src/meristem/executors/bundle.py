"""The `bundle` executor: trials are trainings of a MONAI bundle, run with `python -m monai.bundle run`.

The bundle stays as it is. A trial's values are overrides of ids, its outputs go to the trial's folder, and a handler
that is added to its evaluator reports each validation.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from meristem.bundles import read_bundle_search, takes_argument, write_json
from meristem.bundles.bundle_run import (
    flag,
    folder_of,
    merged,
    metric_name,
    output_ids,
    override_problems,
    relative_macros,
    with_handler,
)
from meristem.bundles.bundle_search import BundleSearch
from meristem.bundles.places import Problems
from meristem.errors import InputError, MeristemError, one_line
from meristem.executors.bundle_files import BundleFiles, read_bundle_files
from meristem.executors.command import CommandExecutor
from meristem.executors.command_outcome import completed_or_failed
from meristem.executors.launch import Surroundings
from meristem.executors.searched_study import differences, objective_of
from meristem.space import Space
from meristem.spool import REPORT_FILE, SpoolReader
from meristem.study.protocols import Attempt, Outcome, OutcomeStatus

KEY_METRIC = "validate::key_metric"
ARGS_FILE, CONFIG_FILE, ADDED_FILE = "bundle_args.json", "bundle_config.json", "bundle_added.json"
_HANDLER_MODULE = "meristem_bundle_handler"
_NEEDED = ("monai", "ignite", "fire")
_BESIDE = {"meta_file": "metadata.json", "logging_file": "logging.conf"}


class BundleExecutor(CommandExecutor):
    """Trains a MONAI bundle, with the values that its search file asks for.

    Args:
        bundle: Its folder; nothing in it is changed.
        config: Configuration files, several as MONAI puts them together: paths in the bundle or its `configs`.
        search: The file that says what is searched; None: `configs/search.json`, or the configuration's own items.
        key_metric: The id of the metric that is the score; its best value in a training counts.
        minimize: The metric is made small, such as a loss.
        overrides: Values by id, the same for all trials, such as `{"train::trainer::max_epochs": 20}`.
        outputs: Ids under which the bundle says where it writes; None: those that are called `ckpt_dir`, `save_dir`,
            `output_dir` or `log_dir`. They lead to folders of the trial.
        python: What runs MONAI: a Python, or a command such as `["torchrun", "--nproc_per_node=2"]`; None: the
            Python that runs the study.
        env: Environment variables beside those of the engine.
        slots: How many trainings at once; None: as many as the engine asks for.
        gpus: GPU ids, `,` within a slot and `:` between slots: `"0,1:2,3"`.

    Attributes:
        searched: What the configuration and the search file say is searched.

    Raises:
        InputError: Any of these cannot be used; all mistakes are listed.
    """

    def __init__(
        self, bundle: str | Path, *, config: str | Sequence[str] = "train", search: str | None = None,
        key_metric: str = KEY_METRIC, minimize: bool = False, overrides: Mapping[str, Any] | None = None,
        outputs: Sequence[str] | None = None, python: str | Sequence[str] | None = None,
        env: Mapping[str, str] | None = None, slots: int | None = None, gpus: str | None = None,
    ) -> None:  # fmt: skip
        self._python = _program([sys.executable] if python is None else [python] if isinstance(python, str) else python)
        super().__init__([*self._python, "-m", "monai.bundle", "run"], env=env, slots=slots, gpus=gpus)
        root = Path(bundle).absolute()
        self._files = read_bundle_files(root, [config] if isinstance(config, str) else config, search)
        problems = [*self._files.problems]
        if not shutil.which(self._python[0]):
            problems.append(f"there is no program {self._python[0]}, with which trainings would be run")
        self._overrides, self._minimize = dict(overrides or {}), minimize
        self._added: dict[str, Any] = {}
        if not self._files.problems:
            problems += self._read(self._files, key_metric, outputs)
        if problems:
            raise InputError(f"The bundle {root} cannot be searched", problems, fix="Nothing was started.")

    @property
    def space(self) -> Space:
        """What is searched: one parameter for each item."""
        return self.searched.space

    @property
    def objective(self) -> str:
        """The key metric, as the objective of a study."""
        return objective_of(self.metric, minimize=self._minimize)

    def expect(self, names: Collection[str]) -> list[str]:
        """Returns, as sentences, in what a study's parameters differ from what the bundle searches."""
        return differences(self.space, names, "the bundle")

    def open(self, slots: int) -> None:
        """Looks whether MONAI can be run.

        Raises:
            InputError: It cannot, since something is not installed.
        """
        if missing := _not_installed(self._python):
            raise InputError(
                f"{self._python[0]} has no {', '.join(missing)}, so that no bundle can be run with it.",
                fix="Install what is needed (pip install 'meristem[monai]'), or name another Python: python=…",
            )

    def _prepare(self, attempt: Attempt) -> tuple[Surroundings, Attempt]:
        folder = attempt.folder.absolute()
        try:
            arguments = self._write(folder, attempt.parameters)
        except MeristemError as error:
            raise OSError(one_line(error)) from error
        # Scripts of the bundle are found, and leave no compiled files in it.
        given = self._env.get("PYTHONPATH", os.environ.get("PYTHONPATH"))
        path = [str(folder), str(self._files.root), *filter(None, [given])]
        env = {**self._env, "PYTHONPATH": ":".join(path), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [*map(str, self._command), *arguments]
        return Surroundings(command=command, cwd=folder, env=env, as_it_is=True), attempt

    def _judge(self, attempt: Attempt, code: int | None, *, reported: bool, faults: Sequence[str]) -> Outcome:
        if code != 0:
            return completed_or_failed(attempt.folder, code, reported=reported, faults=faults)
        # The whole report: a training that was taken up may have had its best value under the engine that died.
        found = SpoolReader(attempt.folder / REPORT_FILE).read(final=True)
        values = [m.value for m in found if m.metric == self.metric and math.isfinite(m.value)]
        if not values:
            why = "its key metric was never a finite number" if reported else "it never validated"
            return Outcome(status=OutcomeStatus.FAILED, error=f"the training ended well, but {why}")
        return Outcome(status=OutcomeStatus.COMPLETED, score={self.metric: (min if self._minimize else max)(values)})

    # One trial

    def _write(self, folder: Path, parameters: Mapping[str, Any]) -> list[str]:
        """Writes what MONAI reads of the trial; gives the arguments after `monai.bundle run`."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_handler_source(), folder / f"{_HANDLER_MODULE}.py")
        write_json(folder / ADDED_FILE, self._added)
        configs = [str(path) for path, _ in self._files.configs]
        values = self.searched.overrides(parameters)
        if self.searched.needs_own_config:
            write_json(folder / CONFIG_FILE, self.searched.applied(parameters))
            configs, values = [str(folder / CONFIG_FILE)], {}
        for name in set(self._outputs.values()):
            (folder / name).mkdir(exist_ok=True)
        arguments = {
            "config_file": [*configs, str(folder / ADDED_FILE)],
            **{option: str(path) for option, name in _BESIDE.items() if (path := self._files.beside(name))},
            **{written: str(folder / name) for written, name in self._outputs.items()},
            **self._fixed,
            **values,
        }
        # The file is whole, so that the training can be repeated by it; MONAI's command line cannot carry every value.
        write_json(folder / ARGS_FILE, arguments)
        flags = [flag(written, value) for written, value in values.items()]
        return ["--args_file", str(folder / ARGS_FILE), *filter(None, flags)]

    # What the bundle says

    def _read(self, files: BundleFiles, key_metric: str, outputs: Sequence[str] | None) -> list[str]:
        """Takes note of what a trial needs; gives what is wrong with it."""
        found = Problems()
        config = merged([(path.name, content) for path, content in files.configs], found)
        self.metric = metric_name(config, key_metric, found)
        if self.metric:
            handler = {"_target_": f"{_HANDLER_MODULE}.ReportValidations", "metric": self.metric}
            self._added = with_handler(config, key_metric, handler, found)
        for written, (path, rest) in relative_macros(config).items():
            if (files.root / path).is_file():  # a trial runs in its own folder
                self._added[written] = f"%{files.root / path}{rest}"
        self._outputs = output_ids(config) if outputs is None else {written: folder_of(written) for written in outputs}
        root = {"bundle_root": str(files.root)} if "bundle_root" in config else {}
        self._fixed = {**root, **self._overrides}
        problems = [*found.found, *override_problems(config, [*self._fixed, *self._outputs])]
        try:
            self.searched: BundleSearch = read_bundle_search(
                config, files.search[1] if files.search else None, has_argument=takes_argument,
                source=", ".join(path.name for path, _ in files.configs),
                search_source=files.search[0].name if files.search else "search file",
            )  # fmt: skip
        except InputError as error:
            return [*problems, *(error.problems or (str(error),))]
        searched = self.searched.ids
        problems += override_problems(config, searched)
        twice = [written for written in searched if written in self._fixed or written in self._outputs]
        return [*problems, *(f"{written} is searched, and set for all trials, too" for written in twice)]


def _program(python: Sequence[str]) -> list[str]:
    """The command with its program as an absolute path, where it is one: trainings run elsewhere."""
    first, *rest = map(str, python)
    return [str(Path(first).absolute()) if "/" in first else first, *rest]


def _handler_source() -> Path:
    """The file with the handler; found without importing it, since it needs ignite."""
    spec = find_spec("meristem.callbacks.report_validations")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def _not_installed(python: Sequence[str]) -> list[str]:
    """What a Python lacks of what MONAI needs to run bundles; nothing where it is no Python but a command."""
    if len(python) != 1 or not Path(python[0]).name.startswith("python"):
        return []
    question = "import json, sys; from importlib.util import find_spec; "
    question += "print(json.dumps([name for name in sys.argv[1:] if find_spec(name) is None]))"
    try:
        asked = subprocess.run([*python, "-c", question, *_NEEDED], capture_output=True, timeout=60, check=True)
        found: list[str] = json.loads(asked.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return []  # no Python as we know it: the first trial tells what is wrong
    return found
