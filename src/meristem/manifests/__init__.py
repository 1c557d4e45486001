"""What a version holds: entries, the tree of them, differences, merges, recipes. Pure: no I/O, no clock."""

from meristem.manifests.changes import Change, differences, with_moves
from meristem.manifests.checking import check_tree
from meristem.manifests.entry import EMPTY_OBJECT, Entry, Kind, check_path, sort_key
from meristem.manifests.merging import Conflict, Merge, merge
from meristem.manifests.recipe import decode_recipe, encode_recipe
from meristem.manifests.tree import EMPTY, EMPTY_NODE, Nodes, Tree, build

__all__ = [
    "EMPTY",
    "EMPTY_NODE",
    "EMPTY_OBJECT",
    "Change",
    "Conflict",
    "Entry",
    "Kind",
    "Merge",
    "Nodes",
    "Tree",
    "build",
    "check_path",
    "check_tree",
    "decode_recipe",
    "differences",
    "encode_recipe",
    "merge",
    "sort_key",
    "with_moves",
]
