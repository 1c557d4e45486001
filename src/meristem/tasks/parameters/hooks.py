"""All hooks at once: what is parsed by argparse, click, Typer or Hydra follows the parameters of the task.

By hand they are installed when the task begins, and find what was parsed before. On a worker they have to be there
before the script parses anything, for the variables of a function that is running cannot be replaced any more.
"""

from __future__ import annotations

from meristem.tasks.parameters import argparse_hook, click_hook, hydra_hook
from meristem.tasks.parameters.connecting import Parameters
from meristem.tasks.parameters.hooking import Undo, quietly


def install_hooks(parameters: Parameters) -> Undo:
    """Install each hook that works here; returns what takes them out again."""
    undos: list[Undo] = []
    for hook in (argparse_hook, click_hook, hydra_hook):
        with quietly(f"{hook.__name__.rpartition('.')[2]}"):
            undos.append(hook.install(parameters))

    def undo() -> None:
        while undos:
            undos.pop()()

    return undo
