"""Asks the process that runs a study to stop, and says how to go on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from meristem.cli.output import shown

if TYPE_CHECKING:
    from meristem.store.store import Store

BY_HAND = "stopped by hand"


def ask_to_stop(store: Store, name: str, message: str) -> None:
    """Raises StudyError where no engine runs the study."""
    from meristem.store.stopping import request_stop  # slow to import: not for --help

    request_stop(store, name, message)
    python = "object" in (store.studies.get(name).setup.get("executor") or {})
    again = "Run its Python script again to go on" if python else f"Resume it with: meristem study resume {shown(name)}"
    typer.echo(f"Asked study {shown(name)} to stop. {again}")
