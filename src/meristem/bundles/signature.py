"""Asks a component's class whether it takes an argument that its configuration does not give it.

It imports the class, which is why it is handed to `read_search` by those who want it, and called only for searched
arguments that are not written.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any


def takes_argument(component: Mapping[str, Any], name: str) -> bool | None:
    """Whether the class at the component's `path` (or `_target_`) takes `name`; None where that cannot be told.

    It cannot for built-in names such as `Adam`, which only the training can look up.
    """
    path = component.get("path", component.get("_target_"))
    if not isinstance(path, str) or "." not in path:
        return None
    module, _, attribute = path.rpartition(".")
    try:
        parameters = inspect.signature(getattr(import_module(module), attribute)).parameters
    except Exception:  # importing what belongs to the training may raise anything
        return None
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
