"""What this machine offers to tasks: CPUs, memory, GPUs, as far as it can be found out."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil

from meristem.errors import InputError
from meristem.needs import Offer
from meristem.processes.gpus import parse_gpus
from meristem.workers.plan import deal_gpus

SERVICES_SLOTS = 100
_CGROUP = Path("/sys/fs/cgroup")


def find_offer(*, cpus: float | None, memory_bytes: int | None, gpus: int, labels: Collection[str]) -> Offer:
    """What the worker offers: what its owner said, else what there is."""
    return Offer(
        cpus=find_cpus() if cpus is None else cpus,
        memory_bytes=find_memory_bytes() if memory_bytes is None else memory_bytes,
        gpus=gpus,
        labels=frozenset(labels),
    )


def read_slots(text: str | int | None, *, services: bool = False) -> list[tuple[str, ...]]:
    """The GPU ids of each slot.

    Args:
        text: A number of slots, over which the GPUs are dealt out; or GPUs, `,` within a slot and `:` between slots
            (`0:1`). None: one slot with all GPUs.
        services: Many light tasks, none of which gets a GPU.

    Raises:
        InputError: It is neither.
    """
    if services:
        count = SERVICES_SLOTS if text is None else _count(str(text))
        if count is None:
            raise InputError(f"slots {text!r} name GPUs, and services get none.", fix="Write a number: --slots 200.")
        return [()] * count
    if text is None:
        return [tuple(find_gpus())]
    count = _count(str(text))
    if count is None:
        return list(parse_gpus(text))
    return deal_gpus(find_gpus(), count)


def find_gpus() -> list[str]:
    """The ids of the GPUs that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [part.strip() for part in visible.split(",") if part.strip() and part.strip() != "-1"]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            [program, "--query-gpu=index", "--format=csv,noheader"], capture_output=True, timeout=15, check=True
        )
        return [line.strip() for line in done.stdout.decode().splitlines() if line.strip().isdigit()]
    return []


def find_cpus() -> float:
    """Cores that this process may use; a container's limit counts."""
    count = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    with suppress(OSError, ValueError):
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        if quota != "max":
            count = min(count, int(quota) / int(period))
    return count


def find_memory_bytes() -> int:
    """Main memory; a container's limit counts."""
    total = int(psutil.virtual_memory().total)
    with suppress(OSError, ValueError):
        total = min(total, int((_CGROUP / "memory.max").read_text()))
    return total


def usage() -> dict[str, float]:
    """How busy the machine is, in percent; CPUs since the last call."""
    return {"cpu_percent": psutil.cpu_percent(None), "memory_percent": psutil.virtual_memory().percent}


def _count(text: str) -> int | None:
    if not text.strip().isdigit():
        return None
    if not 1 <= int(text) <= 10_000:
        raise InputError(f"slots {text!r}: a worker has 1 to 10,000 slots.")
    return int(text)
