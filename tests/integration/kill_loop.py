"""Runs a study in child processes and kills them at random moments: `kill_loop.py URL KILLS SEED`."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import warnings

import meristem as ms
from meristem.store.store import Store


def train(trial: ms.Trial) -> float:
    time.sleep(0.002)
    trial.report(step=0, a=0.5)
    return -abs(trial.parameters["x"] - 0.5)


def run(url: str, isolate: bool) -> None:
    study = ms.Study("s", space={"x": ms.Float(0, 1)}, objective="a", controller="random", seed=1, store=url)
    study.run(train, trials=200, parallel=2, isolate=isolate, handlers=[])


def main(url: str, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    Store(url).close()
    done = 0
    for i in range(kills):
        warnings.simplefilter("ignore")  # forking is the point here
        child = os.fork()
        if child == 0:
            run(url, isolate=i % 5 == 0)
            os._exit(0)
        time.sleep(rng.uniform(0.005, 0.15))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        done += os.WIFSIGNALED(status)
    print(done)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
