"""File systems for external files, by their URL: those of fsspec, and of obstore where fsspec lacks a library.

So s3://, gs://, az:// and https:// need nothing beyond what Meristem brings; where s3fs, gcsfs, adlfs or aiohttp is
installed, it is used, with its settings.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import AbstractContextManager
from functools import cache
from importlib import import_module
from typing import IO, Any

from meristem.errors import InputError, PlaceUnavailable
from meristem.packs.places.buckets import SCHEMES, s3_options

_IN_MEMORY_BYTES = 64 << 20


def open_files(url: str) -> tuple[Any, str]:
    """The file system that a URL means, and the path in it.

    Raises:
        InputError: No library for such URLs is installed.
    """
    import fsspec  # slow to import

    try:
        files, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        scheme, _, rest = url.partition("://")
        if isinstance(error, ImportError) and scheme in (*SCHEMES, "http", "https"):
            return _of_obstore(scheme), rest.rstrip("/")
        fix = f"Install what fsspec needs for {scheme}://, or give another URL."
        raise InputError(f"{url} cannot be opened: {error}.", fix=fix) from error
    return files, str(root)


def opened(files: Any, path: str) -> AbstractContextManager[IO[bytes]]:
    """A file, to be read. Of web servers that is a copy: not all of them give parts of a file."""
    if not isinstance(files, _web_class()):
        found: AbstractContextManager[IO[bytes]] = files.open(path, "rb")
        return found
    copy = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115  the caller closes it
    host, _, below = path.partition("/")
    try:
        for block in files._construct_store(host).get(below).stream():
            copy.write(block)
    except Exception as error:
        copy.close()
        raise PlaceUnavailable(f"{files.protocol}://{path} cannot be read: {error}") from error
    copy.seek(0)
    return copy


def _of_obstore(scheme: str) -> Any:
    if scheme in ("http", "https"):
        return _web_class()(scheme, client_options={"allow_http": scheme == "http"}, skip_instance_cache=True)
    given = s3_options(os.environ) if SCHEMES[scheme] == "s3" else {}
    store: Any = import_module("obstore.fsspec").FsspecStore  # slow to import
    return store(scheme, skip_instance_cache=True, **given)


@cache
def _web_class() -> Any:
    from obstore.fsspec import FsspecStore  # slow to import

    class Web(FsspecStore):
        """A web server lists nothing."""

        async def _ls(self, path: str, detail: bool = True, **options: Any) -> Any:
            return []

    return Web
