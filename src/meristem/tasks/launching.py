"""Starts the shipper beside a training that was started by hand."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from meristem.tasks.reporting.append_file import warn

SHIPPER = "meristem.tasks.shipper"
SHIPPER_LOG = "shipper.log"


def start_shipper(folder: Path, store: str | None) -> bool:
    """Starts a process that ships `folder` to the store. False, with a warning, where it cannot be started.

    It is nobody's child: it outlives the training, and leaves no trace in it. Its troubles are in `shipper.log`.
    """
    if importlib.util.find_spec(SHIPPER) is None:
        warn(f"there is no {SHIPPER}; the task stays in {folder}")
        return False
    # -P: a file of the working directory must not take the place of one of the standard library.
    command = [sys.executable, "-P", "-m", SHIPPER, str(folder)] + (["--store", store] if store else [])
    home = str(Path(__file__).parents[2])
    inherited = os.environ.get("PYTHONPATH")
    environment = {**os.environ, "PYTHONPATH": home + (os.pathsep + inherited if inherited else "")}
    try:
        with open(folder / SHIPPER_LOG, "ab") as log:
            # The shell ends at once and leaves the shipper to the system.
            subprocess.run(
                ["/bin/sh", "-c", '"$@" &', "sh", *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True, check=True,
            )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        warn(f"the shipper did not start ({error}); bring the task into a store with: meristem task import {folder}")
        return False
    return True
