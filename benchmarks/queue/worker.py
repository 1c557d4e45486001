"""One measurement in a process of its own: `worker.py PEER WHAT URL SERVER ARGUMENT…`; prints one line of JSON."""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy is loaded: CPU time must not be that of idle threads

# ruff: noqa: E402

import json
import sys
from importlib import import_module


def main() -> None:
    peer, what, url, server, *more = sys.argv[1:]
    arguments = [int(text) if text.isdigit() else text for text in more]
    found = import_module(f"benchmarks.queue.{peer}_peer").WHAT[what](url, int(server), *arguments)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
