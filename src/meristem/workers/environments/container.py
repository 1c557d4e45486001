"""The command line that runs a task in a container, by docker or podman (pure, but for finding the program)."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from meristem.workers.environments.tools import NotPrepared, asks

OWN_PLACE = "/opt/meristem"  # in the container: the worker's own package


@dataclass(frozen=True, slots=True, kw_only=True)
class Contained:
    """What runs in a container.

    Attributes:
        name: Of the container, by which it is removed.
        command: As it is run inside; its paths are those of `mounts`, which are the same inside and outside.
        mounts: Folders that it may write.
        own: The folder of the worker's own `meristem` package, which it may read.
        variables: Names of the variables that it gets; their values stay off the command line.
        packages: Requirements that are installed at its start.
    """

    image: str
    name: str
    command: Sequence[str]
    folder: str
    mounts: Sequence[str]
    own: str
    variables: Sequence[str]
    gpus: Sequence[str] = ()
    cpus: float = 0.0
    memory_bytes: int = 0
    packages: Sequence[str] = ()
    user: str | None = None


def container_command(engine: str, contained: Contained) -> list[str]:
    """The whole command line.

    Args:
        engine: `docker` or `podman`, or its path.
    """
    line = [engine, "run", "--rm", "--init", "--name", contained.name, "--workdir", contained.folder]
    line += [f"--volume={place}:{place}" for place in contained.mounts]
    line.append(f"--volume={contained.own}:{OWN_PLACE}/meristem:ro")
    line += [part for name in contained.variables for part in ("--env", name)]
    line += ["--env", f"PYTHONPATH={OWN_PLACE}"]
    if contained.user and Path(engine).name == "docker":  # podman without root maps the user itself
        line += ["--user", contained.user]
    if contained.gpus:
        podman = Path(engine).name == "podman"
        devices = ",".join(contained.gpus)
        line += (
            [f"--device=nvidia.com/gpu={gpu}" for gpu in contained.gpus] if podman else [f'--gpus="device={devices}"']
        )
    if contained.cpus:
        line += ["--cpus", f"{contained.cpus:g}"]
    if contained.memory_bytes:
        line += ["--memory", str(contained.memory_bytes)]
    return [*line, contained.image, *_inside(contained)]


def removal_command(engine: str, name: str) -> list[str]:
    """Ends and removes a container; harmless where it is gone."""
    return [engine, "rm", "--force", name]


def find_engine() -> str:
    """The program that runs containers here, and works.

    Raises:
        NotPrepared: There is none, or it does not answer.
    """
    found = [path for name in ("docker", "podman") if (path := shutil.which(name))]
    if not found:
        raise NotPrepared("The task asks for a container, and this worker has neither docker nor podman.")
    for path in found:
        if asks([path, "version", "--format", "{{.Server.Version}}"]) or asks([path, "info"]) is not None:
            return path
    raise NotPrepared(f"The task asks for a container, and {found[0]} does not answer: is its service running?")


def image_name(image: str) -> str:
    """`image`, where it is one. Raises NotPrepared where it could be taken for an option."""
    if not image or image.startswith("-") or any(c.isspace() for c in image):
        raise NotPrepared(f"{image!r:.80} is no container image.")
    return image


def gpus_of(environ: Mapping[str, str]) -> list[str]:
    return [part for part in environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part]


def _gpu_options(engine: str, gpus: Sequence[str]) -> list[str]:
    if Path(engine).name == "podman":
        return [f"--device=nvidia.com/gpu={gpu}" for gpu in gpus]
    return [f'--gpus="device={",".join(gpus)}"']  # docker reads the value as CSV: the quotes are its own


def _inside(contained: Contained) -> list[str]:
    if not contained.packages:
        return list(contained.command)
    install = shlex.join([contained.command[0], "-m", "pip", "install", "-q", *contained.packages])
    return ["sh", "-c", f"{install} && exec {shlex.join(contained.command)}"]
