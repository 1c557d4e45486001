"""Trains what config/config_train.json of an MMAR says, with MONAI on the CPU.

    python train.py --mmar FOLDER                    # trains; writes models/model.pt and models/train_stats.json
    python train.py --mmar FOLDER --evaluate test    # prints the mean Dice of models/model.pt on the held-out volumes

A component is `{"name" | "path": …, "args": {…}, "disabled": false}`: `name` is looked up in PyTorch and MONAI, `path`
is `module.Class`. Search notation (`search`, `apply`) is not looked at, so that the same file trains with and without
a search. Variables such as `"{learning_rate}"` come from the first level of the configuration and from
environment.json.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")  # of libraries that are newer than each other

import monai.data  # noqa: E402
import monai.losses  # noqa: E402
import monai.metrics  # noqa: E402
import monai.networks.nets  # noqa: E402
import monai.transforms  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

HOMES = (torch.optim, torch.nn, monai.networks.nets, monai.losses, monai.transforms, monai.metrics)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mmar", type=Path, required=True)
    parser.add_argument("--evaluate", metavar="LIST", help="a list of dataset.json, such as test")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="variables, before all others")
    given = parser.parse_args()
    torch.set_num_threads(1)
    mmar = Mmar(given.mmar.absolute(), dict(pair.split("=", 1) for pair in given.set))
    if given.evaluate:
        print(json.dumps({mmar.metric_name: mmar.evaluated(given.evaluate)}))
    else:
        mmar.train()


class Mmar:
    """An MMAR, its configuration with the variables put in, and what is trained."""

    def __init__(self, root: Path, variables: Mapping[str, str]) -> None:
        self.root = root
        config = json.loads((root / "config" / "config_train.json").read_text(encoding="utf-8"))
        environment = json.loads((root / "config" / "environment.json").read_text(encoding="utf-8"))
        first_level = {name: value for name, value in config.items() if not isinstance(value, (dict, list))}
        known = {**first_level, **environment, **{name: as_json(value) for name, value in variables.items()}}
        self.settings: dict[str, Any] = resolved({**config, **{n: known[n] for n in first_level}}, known)
        self.data_root = root / known["DATA_ROOT"]
        self.dataset = root / known["DATASET_JSON"]
        self.models = root / known["MMAR_CKPT_DIR"]
        seed = int(self.settings["random_seed"])
        random.seed(seed)
        np.random.seed(seed)
        monai.utils.set_determinism(seed)
        training, validation = self.settings["train"], self.settings["validate"]
        self.network = the_one_of(training["model"])
        self.metric, mark = the_one_of(validation["metrics"]), enabled(validation["metrics"])[0]
        self.metric_name = mark.get("log_label", mark["name"])
        by_label = {c["name"].partition("#")[2]: c for c in training["pre_transforms"]}
        self.train_transforms = transforms(training["pre_transforms"], by_label)
        self.validation_transforms = transforms(validation["pre_transforms"], by_label)

    def train(self) -> None:
        """Trains for the epochs that are configured, or until there is no more improvement."""
        settings = self.settings
        loss = the_one_of(settings["train"]["loss"])
        optimizer = the_one_of(settings["train"]["optimizer"], self.network.parameters())
        handlers = [build(component) for component in enabled(settings["train"].get("handlers", []))]
        batches = monai.data.DataLoader(
            self.volumes("training", self.train_transforms), batch_size=settings["batch_size"], shuffle=True
        )
        validation = self.volumes("validation", self.validation_transforms)
        stats = Stats(self.models / "train_stats.json", self.metric_name)
        for epoch in range(1, settings["epochs"] + 1):
            self.network.train()
            for batch in batches:
                optimizer.zero_grad()
                loss(self.network(batch["image"]), batch["label"]).backward()
                optimizer.step()
            if epoch % settings["num_training_epoch_per_valid"] and epoch < settings["epochs"]:
                continue
            value = self.measured(validation)
            if stats.add(epoch, value):
                torch.save(self.network.state_dict(), self.models / "model.pt")
            print(f"epoch {epoch}: {self.metric_name} {value:.4f}", flush=True)
            if True in [handler.step(value) for handler in handlers]:  # each of them is told
                print("no better for long: stopped", flush=True)
                return

    def evaluated(self, split: str) -> float:
        """The key metric of the trained model on a list of the data."""
        self.network.load_state_dict(torch.load(self.models / "model.pt", weights_only=True))
        return self.measured(self.volumes(split, self.validation_transforms))

    def volumes(self, split: str, steps: monai.transforms.Compose) -> monai.data.Dataset:
        """The volumes of a list, read once, and then changed by what is random in `steps`."""
        listed = json.loads(self.dataset.read_text(encoding="utf-8"))[split]
        items = [{key: str(self.data_root / place) for key, place in item.items()} for item in listed]
        return monai.data.CacheDataset(items, steps, num_workers=None, progress=False)

    def measured(self, volumes: monai.data.Dataset) -> float:
        """The key metric over whole volumes."""
        self.network.eval()
        self.metric.reset()
        with torch.no_grad():
            for batch in monai.data.DataLoader(volumes, batch_size=4):
                self.metric(y_pred=(self.network(batch["image"]) > 0).float(), y=batch["label"])
        return float(self.metric.aggregate())


class Stats:
    """The training's statistics, from which a search takes the score; whole after each validation."""

    def __init__(self, path: Path, metric: str) -> None:
        self.path = path
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.found: dict[str, Any] = {
            "key_metric": metric, "best_metric": None, "best_epoch": None, "validations": [],
        }  # fmt: skip

    def add(self, epoch: int, value: float) -> bool:
        """Takes note of a validation; says whether it is the best so far."""
        best = self.found["best_metric"]
        is_best = best is None or value > best
        if is_best:
            self.found |= {"best_metric": value, "best_epoch": epoch}
        self.found["validations"].append({"epoch": epoch, "value": value})
        written = self.path.with_suffix(".tmp")
        written.write_text(json.dumps(self.found, indent=2) + "\n", encoding="utf-8")
        written.replace(self.path)
        return is_best


def enabled(given: Any) -> list[dict[str, Any]]:
    """The components that are not switched off, of one or of a list."""
    listed = given if isinstance(given, list) else [given]
    return [component for component in listed if not component.get("disabled", False)]


def the_one_of(given: Any, *first: Any) -> Any:
    """The component that is left when those switched off are; `first` are its first arguments."""
    left = enabled(given)
    if len(left) != 1:
        raise SystemExit(f"exactly one of {[c['name'] for c in given]} must not be disabled, not {len(left)}")
    return build(left[0], *first)


def transforms(given: list[dict[str, Any]], by_label: Mapping[str, dict[str, Any]]) -> monai.transforms.Compose:
    components = [by_label[component["ref"]] if "ref" in component else component for component in given]
    return monai.transforms.Compose([build(component) for component in enabled(components)])


def build(component: Mapping[str, Any], *first: Any) -> Any:
    if "path" in component:
        module, _, attribute = component["path"].rpartition(".")
        return getattr(import_module(module), attribute)(*first, **component.get("args", {}))
    name = component["name"].partition("#")[0]
    for home in HOMES:
        if hasattr(home, name):
            return getattr(home, name)(*first, **component.get("args", {}))
    raise SystemExit(f"there is no {name} in {', '.join(home.__name__ for home in HOMES)}")


def resolved(node: Any, variables: Mapping[str, Any]) -> Any:
    """`node` with variables put in, also where one stands for another."""
    if isinstance(node, dict):
        return {key: resolved(item, variables) for key, item in node.items()}
    if isinstance(node, list):
        return [resolved(item, variables) for item in node]
    for name in names_in(node):
        if name in variables:
            whole = node == f"{{{name}}}"
            return resolved(variables[name] if whole else node.replace(f"{{{name}}}", str(variables[name])), variables)
    return node


def names_in(node: Any) -> Iterator[str]:
    yield from re.findall(r"\{(\w+)\}", node) if isinstance(node, str) else ()


def as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    main()
