"""Which components of Clara's own a configuration means that gives them by `path`."""

from __future__ import annotations

_PACKAGES = ("automl", "nvmidl.apps.automl", "medl.apps.automl")


def vendor_class(path: str) -> str | None:
    """The class that a path into Clara's own packages names, such as `MMARExecutor`; None for other paths.

    Configurations name the same classes by `name`, so both are looked up alike.
    """
    package, _, name = path.replace(":", ".").rpartition(".")
    return name if any(package == p or package.startswith(f"{p}.") for p in _PACKAGES) else None
