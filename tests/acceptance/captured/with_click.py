"""A training whose settings are click's."""

import click

from meristem import Task


@click.command()
@click.option("--lr", type=float, default=0.1)
@click.option("--epochs", type=int, default=2)
@click.argument("model")
def train(lr: float, epochs: int, model: str) -> None:
    click.echo(f"lr={lr!r} epochs={epochs!r} model={model!r}")


if __name__ == "__main__":
    Task.init("captured", "click")
    train()
