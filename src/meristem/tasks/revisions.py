"""Which commit a task's code is at: branches, tags and HEAD are settled when a task is made or edited.

A draft then runs the same code whenever and wherever it runs. A repository that this machine cannot reach is settled
by the worker that runs the task, which records the commit. Only asks git; fetches nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from meristem.errors import InputError

_SECONDS = 20.0  # a server that does not answer must not hold up whoever makes a task for long
_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_GIT = ("git", "-c", "safe.directory=*")


class _Unreachable(Exception):
    """The repository cannot be asked from here; the text says why."""


def names_commit(text: str) -> bool:
    """Whether these are the digits of a commit, not the name of something that moves."""
    return _COMMIT.fullmatch(text) is not None


def settled_commit(source: Mapping[str, Any]) -> str | None:
    """The commit that a source stands for now; None where it has no repository, or one that cannot be reached.

    Args:
        source: With `repository` (a URL) or `root` (a folder of this machine), and perhaps `branch` and `commit`.

    Raises:
        InputError: There is no such branch or commit, or the folder is no repository, or a name other than a commit's
            digits was given for a repository that cannot be reached.
    """
    commit, branch = source.get("commit"), source.get("branch")
    place = source.get("repository") or source.get("root")
    if not place or (commit and names_commit(commit)):
        return commit
    wanted = commit or branch or "HEAD"
    ask = _of_server if source.get("repository") else _of_folder
    try:
        found = ask(str(place), wanted, branch=not commit and branch is not None)
    except _Unreachable as error:
        if commit:
            raise InputError(
                f"{commit!r:.60} is no commit, and the repository {place} cannot be asked for it: {error}.",
                fix="Write the commit's hexadecimal digits (git rev-parse), or give a branch.",
            ) from error
        return None
    if found is None:
        what = f"no commit, branch or tag {commit!r:.60}" if commit else f"no branch {wanted!r:.60}"
        raise InputError(
            f"The repository {place} has {what if wanted != 'HEAD' else 'no commit yet'}.",
            fix="Was it pushed? See: git ls-remote.",
        )
    return found


def _of_server(url: str, wanted: str, *, branch: bool) -> str | None:
    if url.startswith("-"):
        raise InputError(f"{url!r:.80} is no address of a repository.", fix="Write its URL, or a folder.")
    names = [f"refs/heads/{wanted}"] if branch else [wanted, f"refs/heads/{wanted}", f"refs/tags/{wanted}^{{}}"]
    lines = [line.split("\t") for line in _git("ls-remote", "--", url, *names).splitlines() if "\t" in line]
    found = {ref: commit for commit, ref in lines}
    tried = names if branch else [f"refs/tags/{wanted}^{{}}", f"refs/heads/{wanted}", f"refs/tags/{wanted}", wanted]
    return next((found[ref] for ref in tried if ref in found), None)


def _of_folder(folder: str, wanted: str, *, branch: bool) -> str | None:
    try:
        _git("-C", folder, "rev-parse", "--git-dir")
    except _Unreachable as error:
        raise InputError(
            f"The folder {folder} is no git repository: {error}.",
            fix="Make it one (git init, git add, git commit), or run the script once by hand with Task.init.",
        ) from error
    name = f"refs/heads/{wanted}" if branch else wanted
    try:
        return _git("-C", folder, "rev-parse", "-q", "--verify", "--end-of-options", f"{name}^{{commit}}").strip()
    except _Unreachable:
        return None


def _git(*words: str) -> str:
    quiet = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    quiet["GIT_SSH_COMMAND"] = os.environ.get("GIT_SSH_COMMAND") or "ssh -o BatchMode=yes"
    try:
        done = subprocess.run(
            [*_GIT, *words], env={**os.environ, **quiet}, timeout=_SECONDS, check=False,
            stdin=subprocess.DEVNULL, capture_output=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise _Unreachable(f"no answer within {_SECONDS:.0f} s") from error
    except OSError as error:
        raise _Unreachable(f"git cannot be started: {error}") from error
    if done.returncode:
        raise _Unreachable(_reason(done.stderr.decode(errors="replace").splitlines()) or f"exit code {done.returncode}")
    return os.fsdecode(done.stdout)


def _reason(lines: Sequence[str]) -> str:
    said = [line.strip() for line in lines if line.strip()]
    return next((line for line in said if line.startswith("fatal:")), said[-1] if said else "")[:300].rstrip(".")
