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
        InputError: It is neither, or names GPUs that are not there.
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
        groups = list(parse_gpus(text))
        _check_gpus([gpu for group in groups for gpu in group])
        return groups
    return deal_gpus(find_gpus(), count)


def find_gpus() -> list[str]:
    """The ids of the GPUs that this process may use."""
    visible = _visible_gpus()
    return [gpu for gpu, _ in _listed_gpus() or []] if visible is None else visible


def _visible_gpus() -> list[str] | None:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return None
    return [part.strip() for part in visible.split(",") if part.strip() and part.strip() != "-1"]


def _listed_gpus() -> list[tuple[str, str]] | None:
    """Index and UUID of the machine's GPUs; None where its driver cannot be asked."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            [program, "--query-gpu=index,uuid", "--format=csv,noheader"], capture_output=True, timeout=15, check=True
        )
        rows = (line.partition(",") for line in done.stdout.decode().splitlines())
        return [(index.strip(), uuid.strip()) for index, _, uuid in rows if index.strip().isdigit()]
    return None


def _check_gpus(wanted: Collection[str]) -> None:
    """A worker that offers GPUs which are not there would fail every task that needs one."""
    visible = _visible_gpus()
    if visible is not None:
        there, known = visible, {*visible}
    elif (listed := _listed_gpus()) is None:
        return  # there is a driver, but it does not tell: the owner knows better
    else:
        there, known = [gpu for gpu, _ in listed], {name for pair in listed for name in pair}
    # Parts of a GPU (MIG) and beginnings of UUIDs are not listed by index.
    if missing := [gpu for gpu in dict.fromkeys(wanted) if gpu not in known and not gpu.startswith(("MIG-", "GPU-"))]:
        raise InputError(
            f"--slots: there is no GPU {', '.join(missing)} for this worker. It may use: {', '.join(there) or 'none'}.",
            fix="Name those, or write a number of slots; CUDA_VISIBLE_DEVICES says which GPUs a process may use.",
        )


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
