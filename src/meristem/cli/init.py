"""`meristem init`: writes an example study file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from meristem.errors import InputError


def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("study.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file where it exists.")] = False,
) -> None:
    """Write a commented example study file, which runs as it is.

    \b
    meristem init
    meristem init search/digits.yaml
    """
    text = files("meristem.cli").joinpath("study_template.yaml").read_text(encoding="utf-8")
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InputError(f"{path} exists.", fix="Give another name, or overwrite it with --force.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}.") from error
    typer.echo(f"Wrote {path}. Run it with: meristem run {path}")
