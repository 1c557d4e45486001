"""Local copies of versions: shared and read-only in a cache, or in a folder of the user.

Every byte is checked when it arrives. A copy that was killed is taken over, one that somebody changed is mended, and
nothing is written through a link or outside of the folder that was named.
"""

from meristem.datasets.copies.eviction import Copy, evict, list_copies
from meristem.datasets.copies.own import link_copy, mutable_copy
from meristem.datasets.copies.selection import part_bounds, select
from meristem.datasets.copies.shared import local_copy, release

__all__ = [
    "Copy",
    "evict",
    "link_copy",
    "list_copies",
    "local_copy",
    "mutable_copy",
    "part_bounds",
    "release",
    "select",
]
