"""Keeps linear algebra to one thread while something small is computed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

_LOCK = threading.Lock()


class _Limit:
    """The limit is the process's: the first that asks for it sets it, and the last that leaves takes it back."""

    asking = 0
    held = ExitStack()


@contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra takes one thread inside, in all threads of the process; may be nested.

    Matrices of a few hundred rows are slower on several threads, many times so where others need the cores, as
    threads that wait for each other spin; and trainings need the cores.
    """
    with _LOCK:
        if _Limit.asking == 0:
            _Limit.held.enter_context(pools().limit(limits=1))
        _Limit.asking += 1
    try:
        yield
    finally:
        with _LOCK:
            _Limit.asking -= 1
            if _Limit.asking == 0:
                _Limit.held.close()


@cache
def pools() -> ThreadpoolController:
    """The libraries for linear algebra that are loaded; finding them takes a while."""
    import scipy.linalg  # noqa: F401  its BLAS must be loaded to be found

    return ThreadpoolController()
