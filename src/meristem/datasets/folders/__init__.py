"""From folders to entries: which files are there, which of them changed, and what that means for a manifest.

`look` compares a folder with the `StatCache`, `read` puts what changed where objects go, and `FolderSync` changes a
manifest accordingly.
"""

from meristem.datasets.folders.ingest import read
from meristem.datasets.folders.looking import Look, look
from meristem.datasets.folders.stat_cache import StatCache
from meristem.datasets.folders.syncing import FolderSync, remember

__all__ = ["FolderSync", "Look", "StatCache", "look", "read", "remember"]
