"""Lets the tests of this folder share `kept_nodes.py`, and makes trees deep where they ask for it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from meristem.manifests import shape


def _often(key: bytes) -> int:
    return min(32 - crc32(key + b"often").bit_length(), shape.MAX_RANK)


@pytest.fixture(scope="module")
def often_ending() -> Iterator[None]:
    """Every second path ends a leaf, every fourth one a node above it: few entries make all five levels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shape, "rank", _often)
        yield
