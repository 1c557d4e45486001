"""Artifacts and models of a task, read back: as files, or as the objects that they were."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import re
import secrets
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from meristem.errors import InputError
from meristem.store.blob_place import BlobStore
from meristem.store.output_rows import Artifact

_SUFFIXES = {"zip": ".zip", "csv": ".csv", "npy": ".npy", "json": ".json", "pickle": ".pkl", "text": ".txt"}


class StoredArtifact:
    """One artifact or model.

    Attributes:
        name, role, format, preview, metadata, size_bytes: As they were given; see `store.output_rows.Artifact`.
        blob: Name of its bytes in the blob store; None where `url` says where it is.
    """

    def __init__(self, artifact: Artifact, blobs: BlobStore) -> None:
        self.name, self.role, self.format = artifact.name, artifact.role, artifact.format
        self.preview, self.size_bytes = artifact.preview, artifact.size_bytes
        self.metadata: Mapping[str, Any] = artifact.metadata
        self.blob, self.url = artifact.blob, artifact.url
        self._blobs = blobs

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            InputError: It lies elsewhere, at `url`.
        """
        if self.blob is None:
            raise InputError(f"{self.name!r} is not in the store: it lies at {self.url}.", fix="Fetch it from there.")
        return self._blobs.get(self.blob)

    def path(self, folder: Path | str | None = None) -> Path:
        """A file with its bytes: in `folder`, or in the user's cache, where it is kept for the next time."""
        if self.blob is None:
            raise InputError(f"{self.name!r} is not in the store: it lies at {self.url}.", fix="Fetch it from there.")
        target = (_cache() / self.blob if folder is None else Path(folder)) / self.file_name
        if folder is None and target.exists():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}")
        try:
            with open(draft, "wb") as file:
                for block in self._blobs.stream(self.blob):
                    file.write(block)
            os.replace(draft, target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        return target

    def get(self, *, unpickle: bool = False) -> Any:
        """What it was: JSON values, a numpy array, a DataFrame (without pandas, a list of rows), text; of a folder
        the path where it is unpacked, of a file its path.

        Args:
            unpickle: Load it also where it is a pickle, which may run any code of whoever made it.

        Raises:
            InputError: It is a pickle and `unpickle` was not given, or lies elsewhere.
        """
        if self.format == "pickle" and not unpickle:
            fix = "Where you trust whoever made it: .get(unpickle=True). Its bytes: .read(), .path()."
            raise InputError(f"{self.name!r} is a pickle: loading it may run any code.", fix=fix)
        reader = _READERS.get(self.format)
        if reader is not None:
            return reader(self.read())
        return self._unpacked() if self.format == "zip" else self.path()

    @property
    def file_name(self) -> str:
        """A name for its file, without anything that leads elsewhere."""
        name = re.sub(r"[^\w.+ -]", "_", self.name).strip(" .")[-150:] or "artifact"
        suffix = _SUFFIXES.get(self.format, "")
        return name if name.endswith(suffix) else name + suffix

    def _unpacked(self) -> Path:
        file = self.path()
        target = file.with_name("unpacked")
        if not target.exists():
            draft = file.with_name(f"unpacking.{secrets.token_hex(4)}")
            with zipfile.ZipFile(file) as archive:
                archive.extractall(draft)  # names that lead out of the folder are cut by zipfile itself
            try:
                os.replace(draft, target)
            except OSError:  # another process was faster
                return target
        return target

    def __repr__(self) -> str:
        return f"StoredArtifact({self.name!r}, {self.format}, {self.size_bytes} bytes)"


def _read_npy(data: bytes) -> Any:
    import numpy  # slow to import

    return numpy.load(io.BytesIO(data), allow_pickle=False)


def _read_csv(data: bytes) -> Any:
    try:
        import pandas  # an extra
    except ImportError:
        return list(csv.DictReader(io.StringIO(data.decode())))
    return pandas.read_csv(io.BytesIO(data), index_col=0)  # it was written with its index


_READERS: Mapping[str, Callable[[bytes], Any]] = {
    "json": lambda data: json.loads(data),
    "npy": _read_npy,
    "csv": _read_csv,
    "text": lambda data: data.decode(),
    "markdown": lambda data: data.decode(),
    "pickle": pickle.loads,
}


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "meristem" / "artifacts"
