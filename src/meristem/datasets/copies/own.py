"""Copies in a folder of the user: files of their own to change, or links to those of the cache.

While one is under way the folder holds `.meristem-incoming-…`. So a copy that was killed is known, and the next call
for the same version takes over what is there.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from blake3 import blake3

from meristem.datasets.copies.arriving import (
    Arrived,
    FetchExternal,
    Objects,
    Progress,
    Tell,
    into,
    log,
    warn_where_space_is_short,
)
from meristem.datasets.copies.checks import check_entries
from meristem.datasets.copies.filling import LINKED, OWN, Filling, Style
from meristem.datasets.copies.inside import Inside
from meristem.datasets.copies.layout import Layout
from meristem.datasets.copies.locks import is_held, try_alone
from meristem.datasets.copies.selection import Selection, select
from meristem.datasets.copies.shared import find_sources, local_copy, release
from meristem.datasets.copies.sharing import Source
from meristem.datasets.copies.standing import Chunks, is_as_it_should
from meristem.datasets.copies.suspects import Suspects
from meristem.errors import CopyRefused
from meristem.manifests.entry import Entry
from meristem.manifests.recipe import decode_recipe
from meristem.manifests.tree import Tree

_OURS = ".meristem-"
_STAGING = ".meristem-incoming-"
_SHOWN = 20
