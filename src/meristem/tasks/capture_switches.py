"""Which things `Task.init` captures by itself; each can be switched off by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from meristem.errors import InputError, did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What is captured.

    Attributes:
        source: Repository, commit, uncommitted changes, entry point.
        packages: Installed versions of what is imported.
        arguments: Parameters of argparse, click and hydra.
        console: What is printed.
        resources: Processors, memory, disks, network, GPUs.
        matplotlib: Figures that are shown or saved.
        tensorboard: What is written for TensorBoard.
    """

    source: bool = True
    packages: bool = True
    arguments: bool = True
    console: bool = True
    resources: bool = True
    matplotlib: bool = True
    tensorboard: bool = True


def capture_of(given: bool | Mapping[str, bool]) -> Capture:
    """All of it, nothing, or all but what the mapping switches off.

    Raises:
        InputError: There is no such switch, or it is neither on nor off.
    """
    names = [f.name for f in fields(Capture)]
    if isinstance(given, bool):
        return Capture(**dict.fromkeys(names, given))
    if not isinstance(given, Mapping):
        raise InputError(f"Task.init() got capture={given!r:.60}.", fix="Give True, False, or {'console': False}.")
    problems = [f"{name!r} is not captured. {did_you_mean(str(name), names)}" for name in given if name not in names]
    problems += [f"{name}={on!r:.40} is neither True nor False" for name, on in given.items() if type(on) is not bool]
    if problems:
        raise InputError("Task.init() got switches of capture that it has not", problems, f"Known: {', '.join(names)}.")
    return replace(Capture(), **given)
