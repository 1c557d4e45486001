"""`meristem worker` for the fault run: `real_worker.py URL NAME LEASE SLOTS FILE CLOCK`, as `stand_in.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.queue.stand_in import shift_clock
from meristem.cli.main import main as meristem


def command(url: str, name: str, lease: str, slots: str, folder: str) -> list[str]:
    """Arguments of `meristem` for such a worker."""
    return [
        "worker", "--queue", "q", "--store", url, "--name", name, "--lease", lease, "--slots", slots,
        "--env", "current", "--folder", folder,
    ]  # fmt: skip


def main() -> None:
    url, name, lease, slots, file, clock = sys.argv[1:]
    shift_clock(float(clock))
    sys.argv[1:] = command(url, name, lease, slots, str(Path(file).parent / "workers" / name))
    meristem()


if __name__ == "__main__":
    main()
