"""A training whose settings are argparse's."""

import argparse

from meristem import Task

Task.init("captured", "argparse")

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--model", choices=["cnn", "mlp"], required=True)
parser.add_argument("--augment", action="store_true")
settings = parser.parse_args()

print(f"lr={settings.lr!r} epochs={settings.epochs!r} model={settings.model!r} augment={settings.augment!r}")
