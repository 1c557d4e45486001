"""A training whose settings are hydra's."""

import hydra
from omegaconf import DictConfig

from meristem import Task

Task.init("captured", "hydra")


@hydra.main(version_base=None, config_path="conf", config_name="config")
def train(settings: DictConfig) -> None:
    print(f"lr={settings.optimizer.lr!r} epochs={settings.epochs!r} model={settings.model!r}")


if __name__ == "__main__":
    train()
