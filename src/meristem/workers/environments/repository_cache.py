"""Repositories as mirrors on the worker's disk, and checkouts of a commit from them.

A repository is fetched only when the commit is not there yet. Where its address cannot be reached, or there is none,
the folder serves in which the task was recorded, if it is on this machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from meristem.workers.environments.tools import NotPrepared, asks, run, say, tries

# `safe.directory`: mirrors and recorded folders may belong to another user. It counts only on the command line.
GIT = ("git", "-c", "safe.directory=*", "-c", "advice.detachedHead=false", "-c", "gc.auto=0")
_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")


def check_out(source: Mapping[str, Any], cache: Path, place: Path) -> str:
    """Puts the code of a task at `place`, and returns the commit.

    Raises:
        NotPrepared: The repository cannot be reached, or has no such commit.
    """
    commit, branch = source.get("commit"), source.get("branch")
    if commit and not _COMMIT.fullmatch(commit):
        raise NotPrepared(f"{commit!r:.60} is no commit: write its hexadecimal digits.")
    origins = _origins(source)
    if not origins:
        where = f" ({source['root']})" if source.get("root") else ""
        raise NotPrepared(
            f"The task's repository has no address, and the folder in which it was recorded{where} is not on this "
            "machine. Push the repository somewhere that workers reach, and set source repository=URL."
        )
    mirror = cache / "repositories" / _key(origins[0])
    with _locked(mirror):
        found = _fetched(mirror, origins, commit, branch)
        run([*GIT, "clone", "-q", "--shared", "--no-checkout", mirror, place], what="the code cannot be checked out")
        run([*GIT, "checkout", "-q", "--detach", found], cwd=place, what=f"commit {found[:12]} cannot be checked out")
    run([*GIT, "remote", "set-url", "origin", origins[0]], cwd=place, what="the code cannot be checked out")
    if (place / ".gitmodules").exists():
        local = ["-c", "protocol.file.allow=always"] if "://" not in origins[0] else []  # git's own guard otherwise
        run(
            [*GIT, *local, "submodule", "update", "-q", "--init", "--recursive"],
            cwd=place,
            what="its submodules cannot be checked out",
        )
    return found


def _origins(source: Mapping[str, Any]) -> list[str]:
    given = [source.get("repository"), source.get("root")]
    found = [text for text in given if isinstance(text, str) and text and not text.startswith("-")]
    root = source.get("root")
    return [text for text in found if text != root or asks([*GIT, "-C", text, "rev-parse", "--git-dir"]) is not None]


def _fetched(mirror: Path, origins: list[str], commit: str | None, branch: str | None) -> str:
    if not (mirror / "HEAD").exists():
        mirror.mkdir(parents=True, exist_ok=True)
        run([*GIT, "init", "-q", "--bare", mirror], what="the repository's mirror cannot be made")
    if commit and (found := _has(mirror, commit)):
        return found
    problems = []
    for origin in origins:
        say(f"fetching {origin}")
        if problem := _fetch(mirror, origin, commit):
            problems.append(f"{origin}: {problem}")
            if origin != origins[-1]:
                say(f"{origin} cannot be fetched ({problem})")
            continue
        if found := _wanted(mirror, commit, branch):
            return found
        if origin != origins[-1]:
            say(f"{origin} does not have it: was it never pushed?")
    missing = f"commit {commit}" if commit else f"branch {branch!r}" if branch else "a commit"
    if len(problems) == len(origins):
        raise NotPrepared(f"The repository cannot be fetched: {'; '.join(problems)}.")
    raise NotPrepared(
        f"The repository {origins[0]} has no {missing}: was it never pushed, or rewritten? Push it, or choose another "
        f"with set_source(commit=…){'; ' + '; '.join(problems) if problems else ''}."
    )


def _fetch(mirror: Path, origin: str, commit: str | None) -> str | None:
    refs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
    problem = tries([*GIT, "-C", mirror, "fetch", "-q", "--force", "--update-head-ok", origin, *refs])
    if problem is None and commit and len(commit) >= 40 and not _has(mirror, commit):
        # On no branch any more: some servers give it out by name. The ref keeps it.
        tries([*GIT, "-C", mirror, "fetch", "-q", origin, f"+{commit}:refs/meristem/{commit}"])
    if problem is None and not commit:
        tries([*GIT, "-C", mirror, "fetch", "-q", origin, "+HEAD:refs/meristem/head"])
    return problem


def _wanted(mirror: Path, commit: str | None, branch: str | None) -> str | None:
    if commit:
        return _has(mirror, commit)
    return _has(mirror, f"refs/heads/{branch}" if branch else "refs/meristem/head")


def _has(mirror: Path, name: str) -> str | None:
    return asks([*GIT, "-C", mirror, "rev-parse", "-q", "--verify", "--end-of-options", f"{name}^{{commit}}"])


def _key(origin: str) -> str:
    name = re.sub(r"[^\w.-]+", "-", origin.rstrip("/").rpartition("/")[2].removesuffix(".git"))[:40]
    return f"{name}-{hashlib.sha256(origin.encode()).hexdigest()[:16]}.git"


@contextmanager
def _locked(mirror: Path) -> Iterator[None]:
    """One at a time works on a mirror; a process that dies lets go of it."""
    mirror.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{mirror}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
