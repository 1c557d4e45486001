"""Reports what the training and its children use of the machine: processors, memory, disks, network, GPUs.

A sample takes a few milliseconds each 10 seconds. Scalars are named `:monitor/…`; steps are seconds since the start.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from meristem.tasks.reporting.append_file import warn

TITLE = ":monitor"
FIRST_SECONDS, EVERY_SECONDS = 2.0, 10.0
_GPU_FIELDS = ("index", "utilization.gpu", "memory.used", "memory.total", "temperature.gpu", "power.draw")
_GPU_QUERY = ["nvidia-smi", f"--query-gpu={','.join(_GPU_FIELDS)}", "--format=csv,noheader,nounits"]
_GPU_SECONDS = 5.0
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What only grows, at one moment.

    Attributes:
        at: Seconds, monotonic.
        cpu_seconds: By process, as (pid, started): processor time of the training and each of its children.
        disk_read_bytes, disk_write_bytes: Of the training and its children; None where the system does not tell.
    """

    at: float
    cpu_seconds: Mapping[tuple[int, float], float]
    disk_read_bytes: int | None = None
    disk_write_bytes: int | None = None
    network_received_bytes: int | None = None
    network_sent_bytes: int | None = None


def rates(before: Counters, now: Counters) -> dict[str, float]:
    """What was used between two moments: `cpu_percent` (100 is one core), and bytes a second.

    A child that has ended in between is not counted, so that nothing is ever below 0.
    """
    seconds = max(now.at - before.at, 1e-6)
    used = sum(max(value - before.cpu_seconds.get(process, 0.0), 0.0) for process, value in now.cpu_seconds.items())
    found = {"cpu_percent": 100.0 * used / seconds}
    for name in ("disk_read_bytes", "disk_write_bytes", "network_received_bytes", "network_sent_bytes"):
        old, new = getattr(before, name), getattr(now, name)
        if old is not None and new is not None:
            found[f"{name}_per_second"] = max(new - old, 0) / seconds
    return found


def gpu_values(text: str) -> dict[str, float]:
    """Values of `nvidia-smi --query-gpu=… --format=csv,noheader,nounits`, by name such as `gpu_0_percent`.

    What a GPU does not tell (`[N/A]`) is left out.
    """
    names = ("percent", "memory_used_bytes", "memory_total_bytes", "temperature_celsius", "power_watts")
    found: dict[str, float] = {}
    for line in text.splitlines():
        index, *values = (part.strip() for part in line.split(","))
        if not index.isdigit():
            continue
        for name, value in zip(names, values, strict=False):
            with suppress(ValueError):
                found[f"gpu_{index}_{name}"] = float(value) * (_MIB if name.endswith("_bytes") else 1)
    return found


@dataclass(slots=True)
class ResourceMonitor:
    """A thread that reports what is used.

    Args:
        tell: Called with name, value and step (seconds since the start).
    """

    tell: Callable[[str, float, int], None]
    every_seconds: float = EVERY_SECONDS
    first_seconds: float = FIRST_SECONDS
    _ended: threading.Event = field(default_factory=threading.Event)
    _has_gpus: bool = field(default_factory=lambda: shutil.which("nvidia-smi") is not None)

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True, name="meristem-monitor").start()

    def close(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        try:
            self._watch()
        except Exception as error:  # nothing here may break the training
            if not self._ended.is_set():
                warn(f"the use of the machine is no longer reported: {error!r:.200}")

    def _watch(self) -> None:
        started = time.monotonic()
        if self._ended.wait(self.first_seconds / 2):
            return
        import psutil  # here, so that neither Task.init nor a short script waits for it

        process = psutil.Process()
        before, _ = _measured(psutil, process)
        wait = self.first_seconds / 2
        while not self._ended.wait(wait):
            wait = self.every_seconds
            now, levels = _measured(psutil, process)
            values = {**rates(before, now), **levels, **self._gpus()}
            before = now
            step = round(now.at - started)
            for name, value in values.items():
                self.tell(name, value, step)

    def _gpus(self) -> dict[str, float]:
        if not self._has_gpus:
            return {}
        try:
            answer = subprocess.run(
                _GPU_QUERY, capture_output=True, text=True, timeout=_GPU_SECONDS, check=True, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.SubprocessError):  # no driver, or a GPU that has fallen off: asked no more
            self._has_gpus = False
            return {}
        return gpu_values(answer.stdout)


def _measured(psutil: Any, training: Any) -> tuple[Counters, dict[str, float]]:
    """What has been used so far, and what is in use now."""
    cpu: dict[tuple[int, float], float] = {}
    memory = read = written = 0
    tells_io = True
    for process in [training, *training.children(recursive=True)]:
        try:
            with process.oneshot():
                times = process.cpu_times()
                cpu[process.pid, process.create_time()] = times.user + times.system
                memory += process.memory_info().rss
                io = process.io_counters()
                read, written = read + io.read_bytes, written + io.write_bytes
        except AttributeError:  # no io_counters on this system
            tells_io = False
        except psutil.Error:  # it has just ended
            continue
    network = psutil.net_io_counters()
    counters = Counters(
        at=time.monotonic(),
        cpu_seconds=cpu,
        disk_read_bytes=read if tells_io else None,
        disk_write_bytes=written if tells_io else None,
        network_received_bytes=network.bytes_recv if network else None,
        network_sent_bytes=network.bytes_sent if network else None,
    )
    machine = psutil.virtual_memory()
    levels = {
        "memory_bytes": float(memory),
        "machine_memory_percent": float(machine.percent),
        "machine_cpu_percent": float(psutil.cpu_percent()),
        "disk_free_bytes": float(shutil.disk_usage(".").free),
    }
    return counters, levels
