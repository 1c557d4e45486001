"""Which store a command works on, and opening it. Reading commands never make a store."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meristem.errors import InputError, StoreUnavailable

if TYPE_CHECKING:
    from meristem.store.store import Store

DEFAULT_STORE = "sqlite:///meristem.db"
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="MERISTEM_STORE",
        help=f"Where studies, tasks and data are kept: a file, or a URL such as postgresql://user@host/name. Default: {DEFAULT_STORE}",
        show_default=False,
        show_envvar=True,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def store_url(given: str | None, in_file: str | None = None) -> str:
    """The store's URL: the option or MERISTEM_STORE, else the study file's, else the default."""
    text = given or in_file or DEFAULT_STORE
    return text if "://" in text else f"sqlite:///{text}"


def open_store(given: str | None) -> Store:
    """The store that exists.

    Raises:
        InputError: There is none there.
        StoreError: It cannot be opened.
    """
    from meristem.store.store import Store  # slow to import: not for --help

    url = store_url(given)
    require_store(url)
    return Store(url)


def open_swept(given: str | None) -> Store:
    """As `open_store`, for looking at tasks and workers: what workers held that are gone is given back before.

    Workers do so themselves, but none may be left to.
    """
    store = open_store(given)
    with suppress(StoreUnavailable):  # one that may only be read is looked at as it is
        store.workers.sweep()
    return store


def make_store(given: str | None) -> Store:
    """The store, made now if there is none.

    Raises:
        StoreError: It cannot be opened.
    """
    from meristem.store.store import Store  # slow to import: not for --help

    return Store(store_url(given))


def require_store(url: str) -> None:
    """Raises InputError where `url` means a file that does not exist."""
    from meristem.store.database import parse_url  # slow to import: not for --help

    parsed = parse_url(url)
    file = parsed.database if parsed.get_backend_name() == "sqlite" else None
    if file not in (None, "", ":memory:") and not Path(file).exists():
        raise InputError(
            f"There is no store {url}.",
            fix="The first study, task, queue or dataset makes it (meristem run study.yaml, "
            "meristem queue create NAME, meristem data create PROJECT/NAME). "
            "Another is chosen with --store or MERISTEM_STORE.",
        )
