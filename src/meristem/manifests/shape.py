"""Where the nodes of a manifest end. Pure arithmetic on a path's bytes, so the shape follows from the paths alone.

The idea is that of Merkle search trees (Auvolat and Taïani, SRDS 2019): the level of a key is how often a digit of its
hash is zero at the front. Two versions with nearly the same paths thus share nearly all nodes, in whatever order the
changes were made; a node has about 128 rows.
"""

from __future__ import annotations

from zlib import crc32

RANK_BITS = 7  # a node ends after one path of 2**7, on average
MAX_RANK = 32 // RANK_BITS
_SPREAD = 0x9E3779B1  # odd, so no two checksums fall together; moves all their bits to the front
_BITS_OF_RANK_ZERO = 32 - RANK_BITS


def rank(key: bytes) -> int:
    """How many levels end after the path of these bytes: 0 (of 127 in 128 paths) to 4.

    A leaf ends after a rank of 1 or more, a node of level n after a child whose last path has n + 1 or more.
    """
    spread = crc32(key) * _SPREAD & 0xFFFFFFFF
    if spread >> _BITS_OF_RANK_ZERO:
        return 0
    return (32 - spread.bit_length()) // RANK_BITS
