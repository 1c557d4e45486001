"""The store that a script means: opened once in a process. Tasks and datasets are found in it."""

from __future__ import annotations

import os
from pathlib import Path

from meristem.errors import InputError
from meristem.spool import STORE_VARIABLE
from meristem.store.database import DEFAULT_URL, parse_url
from meristem.store.store import Store

_opened: dict[str, Store] = {}


def open_store(given: Store | str | None = None, *, make: bool = False) -> Store:
    """The store that is meant: itself, a URL or a file; by default MERISTEM_STORE, or `meristem.db` here.

    Raises:
        InputError: It is a file that does not exist, unless `make`.
    """
    if isinstance(given, Store):
        return given
    url = parse_url(store_url(given))
    in_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    if in_file:
        file = Path(str(url.database)).expanduser().absolute()
        if not make and not file.exists():
            fix = "Give store=…, or set MERISTEM_STORE. The first task, study or dataset makes one."
            raise InputError(f"There is no store {file}.", fix=fix)
        url = url.set(database=str(file))
    key = f"{os.getpid()} {url.render_as_string(hide_password=False)}"
    if key not in _opened:
        _opened[key] = Store(url.render_as_string(hide_password=False))
    return _opened[key]


def store_url(given: str | None = None) -> str:
    """The URL of the store that is meant: a file's name is one too."""
    text = str(given or os.environ.get(STORE_VARIABLE) or DEFAULT_URL)
    return text if "://" in text else f"sqlite:///{text}"
