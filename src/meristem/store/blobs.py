"""Big bytes, addressed by their content: the name of a blob is the blake3 hash of what it holds.

Over fsspec: a folder by default, other places by URL. A blob appears whole or not at all, storing
the same bytes twice stores them once, and what is read back is checked against its name.
"""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import fsspec
from blake3 import blake3

from meristem.errors import InputError, StoreDamaged, StoreError, StoreUnavailable

_BLOCK_BYTES = 1 << 20


class Blobs:
    """A content-addressed store of bytes.

    Args:
        url: A folder, or an fsspec URL such as `s3://bucket/prefix` or `memory://blobs`.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = str(url)
        try:
            self._files, self._root = fsspec.core.url_to_fs(self.url)
        except (ValueError, ImportError) as error:
            bucket = _open_bucket(self.url)
            if bucket is None:
                raise InputError(f"The blob store {self.url!r} cannot be opened: {error}.") from error
            self._files, self._root = bucket

    def put(self, content: bytes | Path | IO[bytes]) -> str:
        """Stores `content` and returns its name, 64 hexadecimal digits. May be repeated.

        Raises:
            StoreUnavailable: The place cannot be written.
        """
        if isinstance(content, Path):
            with open(content, "rb") as file:
                return self.put(file)
        stream: IO[bytes] = io.BytesIO(content) if isinstance(content, bytes) else content
        temporary = f"{self._root}/incoming/{secrets.token_hex(8)}"
        digest = blake3()
        try:
            self._files.makedirs(f"{self._root}/incoming", exist_ok=True)
            with self._files.open(temporary, "wb") as file:
                while block := stream.read(_BLOCK_BYTES):
                    digest.update(block)
                    file.write(block)
            name = str(digest.hexdigest())
            self._settle(temporary, self._path(name))
        except OSError as error:
            self._discard(temporary)
            raise StoreUnavailable(f"The blob store {self.url} cannot be written: {error}.") from error
        except BaseException:
            self._discard(temporary)
            raise
        return name

    def get(self, name: str) -> bytes:
        """The bytes of a blob.

        Raises:
            StoreError: There is none of that name.
            StoreDamaged: Its bytes are not those that were stored.
        """
        return b"".join(self.stream(name))

    def stream(self, name: str) -> Iterator[bytes]:
        """The bytes of a blob in blocks; checked once the last one was read. Errors as `get`."""
        digest = blake3()
        try:
            if not self._files.exists(self._path(name)):
                raise FileNotFoundError(name)
            with self._files.open(self._path(name), "rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
                    yield block
        except FileNotFoundError as error:
            raise StoreError(f"There is no blob {name} in {self.url}.") from error
        if digest.hexdigest() != name:
            raise StoreDamaged(f"Blob {name} in {self.url} does not hold the bytes that were stored.")

    def exists(self, name: str) -> bool:
        return bool(self._files.exists(self._path(name)))

    def _path(self, name: str) -> str:
        if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise InputError(f"{name!r:.80} is no blob's name.", fix="A name is the 64 hexadecimal digits of put().")
        return f"{self._root}/{name[:2]}/{name}"

    def _settle(self, temporary: str, path: str) -> None:
        if self._files.exists(path):
            self._discard(temporary)
            return
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._files.mv(temporary, path)

    def _discard(self, path: str) -> None:
        if self._files.exists(path):
            self._files.rm(path)


def _open_bucket(url: str) -> tuple[Any, str] | None:
    """A bucket without the library that fsspec asks for: by the one that datasets use. None: it is no such bucket."""
    scheme, _, path = url.partition("://")
    protocol = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az"}.get(scheme)
    if protocol is None:
        return None
    from obstore.fsspec import FsspecStore  # slow to import, and seldom needed

    plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    files = FsspecStore(cast(Any, protocol), client_options={"allow_http": True} if plain else None)
    return files, path.rstrip("/")
