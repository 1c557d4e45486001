"""Training configurations of MMARs and MONAI bundles: what is searched in them, and a trial's own configuration.

Pure but for `json_file`. Executors call it: they read the files, and start the trainings.
"""

from meristem.bundles.bundle_search import BundleSearch, read_bundle_search
from meristem.bundles.json_file import read_json, write_json
from meristem.bundles.prl import Prl
from meristem.bundles.searched import SearchedConfig, read_search
from meristem.bundles.signature import takes_argument
from meristem.bundles.variables import Variables, read_set

__all__ = [
    "BundleSearch",
    "Prl",
    "SearchedConfig",
    "Variables",
    "read_bundle_search",
    "read_json",
    "read_search",
    "read_set",
    "takes_argument",
    "write_json",
]
