"""One run of a search, as a process that can be killed: `tune_once.py MMAR TRIALS`."""

from __future__ import annotations

import sys
from pathlib import Path

from meristem.mmar.tune import tune

if __name__ == "__main__":
    tune(Path(sys.argv[1]), {"run_id": "r", "workers": "0:1"}, trials=int(sys.argv[2]), seed=1)
