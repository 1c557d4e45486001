"""Captures source and packages for a task that starts or ends. What fails is told of, and the training goes on.

The capturing modules are imported when there is something to capture, so that `import meristem` stays cheap.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meristem.errors import one_line
from meristem.tasks.reporting.append_file import warn


def source_of(folder: Path) -> dict[str, Any]:
    """The `source` of this process; bytes are written into the spool folder. Empty where it cannot be had."""
    try:
        from meristem.tasks.capture.source import capture_source  # see above

        return dict(capture_source(None, folder))
    except Exception as error:
        warn(f"the source of the task is not captured: {one_line(error)}")
        return {}


def late_source(folder: Path, source: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `source` that are other now: files that were imported since, a notebook that was written on."""
    try:
        from meristem.tasks.capture import source as capture  # see above

        return dict(capture.late_source(folder, source))
    except Exception as error:
        warn(f"files imported since the start of the task are not captured: {one_line(error)}")
        return {}


def environment_of(source: Mapping[str, Any], *, packages: bool) -> dict[str, Any]:
    """Python's version, and the packages that the code imports."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python, "packages": packages_of(source) if packages else [], "container": None}


def packages_of(source: Mapping[str, Any]) -> list[str]:
    """Installed versions of what is imported, such as `numpy==2.2.0`; empty where they cannot be had."""
    try:
        from meristem.tasks.capture.packages import capture_packages  # see above

        return list(capture_packages(root=Path(source["root"]) if source.get("root") else None))
    except Exception as error:
        warn(f"the packages of the task are not captured: {one_line(error)}")
        return []
