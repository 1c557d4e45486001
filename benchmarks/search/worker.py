"""Carries out one run in a process of its own, one thread; prints it as a line of JSON.

    python -m benchmarks.search.worker '{"peer": "random", "problem": "branin", "seed": 0, "trials": 5}'

It runs in Meristem's environment or in that of the peers.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy is loaded

# ruff: noqa: E402

import contextlib
import json
import sys
import warnings

from benchmarks.search.problems import PROBLEMS
from benchmarks.search.runs import Run, carry_out, to_line


def main() -> None:
    warnings.simplefilter("ignore")
    run = Run(**json.loads(sys.argv[1]))
    with contextlib.redirect_stdout(sys.stderr):  # what optimizers print must not end up among the results
        found = carry_out(run, PROBLEMS[run.problem])
    sys.stdout.write(to_line(run, found))


if __name__ == "__main__":
    main()
