"""Where a store's datasets lie: their bytes, and what this machine keeps of them."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

from meristem.store.blob_place import IN_DATABASE

CACHE_VARIABLE = "MERISTEM_CACHE"


def place_url(blobs_url: str) -> str:
    """The place of packs, beside the store's blobs."""
    if blobs_url == IN_DATABASE:
        return blobs_url
    head, mark, query = blobs_url.partition("?")
    return f"{head.rstrip('/')}/datasets{mark}{query}"


def cache_folder() -> Path:
    """What this machine keeps of datasets: MERISTEM_CACHE, else `meristem` in the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute() / "datasets"
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home).expanduser().absolute() / "meristem" / "datasets"


def place_folder(cache: Path, url: str) -> Path:
    """What is kept of one place."""
    return cache / "places" / blake2b(url.encode(errors="surrogateescape"), digest_size=12).hexdigest()
