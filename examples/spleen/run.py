"""Searches the best configuration of a spleen segmentation, as an MMAR and as a MONAI bundle.

    python run.py            # about 10 minutes on 2 cores
    python run.py --tiny     # under a minute: shows that it runs, not that it finds anything

Both hold the same training: MONAI's 3D UNet on the CPU, with volumes that are generated. What is shipped is plausible;
the search looks for a better learning rate, width, loss and augmentation. It is guided by the validation volumes, and
at the end the shipped and the best configuration are compared on volumes that nothing has seen.

This script runs in Meristem's environment; the trainings in one that has MONAI (`--monai-python`, `make monai`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from meristem import BundleExecutor, Study

HERE = Path(__file__).parent.absolute()
ENVIRONMENT = HERE.parents[1] / ".venv-monai" / "bin" / "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is searched, and how much is trained."""

    trials: int
    settings: dict[str, int]
    volumes: tuple[str, ...]


FULL = Extent(trials=36, settings={}, volumes=())
TINY = Extent(
    trials=2,
    settings={"epochs": 2},
    volumes=("--size=16", "--training=4", "--validation=2", "--test=2"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="small volumes, short trainings, two trials")
    parser.add_argument("--only", choices=["mmar", "bundle"], help="search one of them")
    parser.add_argument("--trials", type=int, help="trainings of each search")
    parser.add_argument("--slots", type=int, default=2, help="trainings at a time, of one thread each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=HERE / "work", help="is made anew")
    parser.add_argument("--monai-python", type=Path, default=ENVIRONMENT)
    given = parser.parse_args()
    if not given.monai_python.exists():
        sys.exit(f"There is no {given.monai_python}, with which to train. Make it: make monai")
    extent = TINY if given.tiny else FULL
    here = Example(
        folder=given.folder.absolute(),
        python=given.monai_python.absolute(),
        trials=given.trials or extent.trials,
        settings=extent.settings,
        slots=given.slots,
        seed=given.seed,
    )
    here.make_data(extent.volumes)
    searches = {"mmar": here.search_mmar, "bundle": here.search_bundle}
    results = {name: search() for name, search in searches.items() if given.only in (None, name)}
    (here.folder / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    show(results)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Where the example runs, and how much."""

    folder: Path
    python: Path
    trials: int
    settings: dict[str, int]
    slots: int
    seed: int

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def make_data(self, volumes: tuple[str, ...]) -> None:
        """Generates the volumes, in a folder that is made anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        subprocess.run([self.python, HERE / "generate.py", "--folder", self.data, *volumes], check=True)

    # As an MMAR

    def search_mmar(self) -> dict[str, Any]:
        """Trains the MMAR as shipped, searches with `meristem mmar tune`, and compares."""
        base, searched = self.mmar("mmar-as-shipped"), self.mmar("mmar")
        started = time.monotonic()
        self.command(base, "train.sh")
        run = [sys.executable, "-m", "meristem.cli.main", "mmar", "tune", searched]
        run += ["--set", "run_id=search", f"workers={':'.join(map(str, range(self.slots)))}"]
        run += ["--trials", str(self.trials), "--seed", str(self.seed)]
        subprocess.run([str(part) for part in run], check=True, env=self.environment())
        best = searched / "automl" / "search" / "best"
        return {
            **self.compared(lambda mmar: json.loads(self.command(mmar, "validate.sh"))["mean_dice"], base, best),
            "values": json.loads((best / "meristem" / "recommendation.json").read_text(encoding="utf-8")),
            "model": str((best / "models" / "model.pt").resolve()),
            "seconds": time.monotonic() - started,
        }

    def mmar(self, name: str) -> Path:
        """A copy of the MMAR that knows where the data is."""
        copied = shutil.copytree(HERE / "mmar", self.folder / name)
        file = copied / "config" / "environment.json"
        environment = json.loads(file.read_text(encoding="utf-8"))
        environment |= {"DATA_ROOT": str(self.data), "DATASET_JSON": str(self.data / "dataset.json"), **self.settings}
        file.write_text(json.dumps(environment, indent=2) + "\n", encoding="utf-8")
        return copied

    def command(self, mmar: Path, name: str) -> str:
        """What a command of an MMAR prints."""
        environment = {**self.environment(), "MMAR_ROOT": str(mmar)}
        done = subprocess.run(
            [mmar / "commands" / name], check=True, stdout=subprocess.PIPE, text=True, env=environment
        )
        return done.stdout

    def compared(self, held_out: Callable[[Path], float], base: Path, best: Path) -> dict[str, float]:
        """The Dice on the held-out volumes of what was shipped and of the best that was found."""
        with ThreadPoolExecutor(self.slots) as pool:
            return dict(zip(("base", "best"), pool.map(held_out, (base, best)), strict=True))

    def environment(self) -> dict[str, str]:
        return {**os.environ, "MONAI_PYTHON": str(self.python), "OMP_NUM_THREADS": "1"}

    # As a bundle

    def search_bundle(self) -> dict[str, Any]:
        """Searches the bundle, the shipped configuration first, and compares."""
        started = time.monotonic()
        executor = BundleExecutor(
            HERE / "bundle",
            python=str(self.python),
            overrides={"dataset_dir": str(self.data), **self.settings},
            env={"OMP_NUM_THREADS": "1"},
        )
        store = f"sqlite:///{self.folder / 'bundle.db'}"
        study = Study("spleen", space=executor.space, objective=executor.objective, store=store, seed=self.seed)
        study.enqueue(executor.searched.defaults or {})
        study.run(executor=executor, trials=self.trials, parallel=self.slots)
        shipped, best = study.trials[0], study.best
        return {
            **self.compared(self.held_out, shipped.folder, best.folder),
            "values": best.parameters,
            "model": str(best.folder / "models" / "model.pt"),
            "seconds": time.monotonic() - started,
        }

    def held_out(self, trial: Path) -> float:
        """The Dice of a trial's model on the held-out volumes, by the bundle's own evaluate.json."""
        configs = [str(HERE / "bundle" / "configs" / name) for name in ("train.json", "evaluate.json")]
        command = [self.python, "-m", "monai.bundle", "run", "--args_file", trial / "bundle_args.json"]
        environment = {**self.environment(), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [*command, f"--config_file={configs!r}"],
            check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=trial,
        )  # fmt: skip
        found = re.search(r"^held out: (\S+)$", done.stdout, re.MULTILINE)
        assert found is not None, done.stdout
        return float(found[1])


def show(results: dict[str, dict[str, Any]]) -> None:
    console = Console(highlight=False)
    table = Table(title="Mean Dice on held-out volumes")
    for column in ("", "as shipped", "best found", "seconds"):
        table.add_column(column, justify="left" if not column else "right")
    for name, found in results.items():
        table.add_row(name, f"{found['base']:.3f}", f"{found['best']:.3f}", f"{found['seconds']:.0f}")
    console.print(table)
    for name, found in results.items():
        console.print(f"\nbest {name}: {found['model']}", soft_wrap=True)
        for parameter, value in found["values"].items():
            console.print(f"  {parameter}: {value}", soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
