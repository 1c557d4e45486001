"""What git knows of a working tree, asked by its command, so that nothing has to be installed.

Only reads: takes no locks, fetches nothing, runs no program that a repository's configuration names for diffs.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

_SECONDS = 60.0  # a diff of a large tree on a network disk takes long; a training must start some time
_BATCH = 400  # paths on one command line
# Set by git for its hooks: a training that a hook starts would look at the wrong repository.
_OF_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")
_PLAIN = ("-c", "core.fsmonitor=false", "-c", "core.quotepath=off", "--literal-pathspecs", "--no-pager")
# Neither renames nor the user's prefixes and colours: this patch is for `git apply`, not for eyes.
_DIFF = (
    "diff", "HEAD", "--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color",
    "--no-relative", "--src-prefix=a/", "--dst-prefix=b/", "-U3", "--inter-hunk-context=0", "--ignore-submodules=all",
)  # fmt: skip


class GitFailed(Exception):
    """git is missing, took too long, or said no; the text says which."""


class Repository:
    """One working tree.

    Attributes:
        root: Its top folder, absolute and without links.
    """

    def __init__(self, root: Path, trusted: tuple[str, ...]) -> None:
        self.root, self._trusted = root, trusted

    @classmethod
    def find(cls, folder: Path) -> Repository | None:
        """The working tree around `folder`, None where there is none.

        Raises:
            GitFailed: There may be one, but git cannot say.
        """
        trusted: tuple[str, ...] = ()
        try:
            top = _git(folder, ("rev-parse", "--show-toplevel"))
        except GitFailed as error:
            if "dubious ownership" not in str(error):
                if "not a git repository" in str(error) or "must be run in a work tree" in str(error):
                    return None
                raise
            # Of another user, as in containers. Its code runs in this process already; reading it adds no danger.
            trusted = ("-c", "safe.directory=*")
            top = _git(folder, (*trusted, "rev-parse", "--show-toplevel"))
        return cls(Path(os.path.realpath(top)), trusted) if top else None

    @property
    def commit(self) -> str | None:
        """40 (or 64) hex digits; None before the first commit."""
        return self._maybe("rev-parse", "--verify", "--quiet", "HEAD^{commit}")

    @property
    def branch(self) -> str | None:
        """None where HEAD is detached."""
        return self._maybe("symbolic-ref", "--short", "--quiet", "HEAD")

    @property
    def url(self) -> str | None:
        """Address of the remote that the branch follows, else of origin, else of the first; without credentials."""
        remotes = (self._maybe("remote") or "").splitlines()
        followed = self._maybe("config", f"branch.{self.branch}.remote") if self.branch else None
        chosen = next((name for name in (followed, "origin", *remotes) if name in remotes), None)
        url = self._maybe("remote", "get-url", chosen) if chosen else None
        return without_credentials(url, self.root) if url else None

    def is_published(self, commit: str) -> bool:
        """Whether a branch of a remote, as last fetched, holds `commit`."""
        return bool(self._maybe("for-each-ref", "--count=1", f"--contains={commit}", "refs/remotes"))

    def write_diff(self, path: Path) -> bool:
        """Write what differs from the last commit to `path`, streamed; False (and no file) where nothing does.

        Raises:
            GitFailed: The file would not be whole.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("wb") as file:
                _git(self.root, (*self._trusted, *_DIFF), into=file.fileno())
        except GitFailed:
            path.unlink(missing_ok=True)
            raise
        if path.stat().st_size:
            return True
        path.unlink()
        return False

    def tracked(self, paths: Sequence[str]) -> set[str]:
        """Those of `paths` (relative to the root) that git keeps, also inside submodules."""
        found: set[str] = set()
        for batch in _batches(paths):
            listed = self._run("ls-files", "-z", "--recurse-submodules", "--", *batch)
            found.update(listed.split("\0"))
        return found - {""}

    def submodules(self) -> dict[str, str]:
        """Paths and commits of the submodules that are checked out, nested ones too."""
        if not (self.root / ".gitmodules").exists():
            return {}
        lines = (self._maybe("submodule", "status", "--recursive") or "").splitlines()
        # "+<commit> <path> (<describe>)"; "-" first: not checked out.
        matches = (re.match(r"[ +U]?([0-9a-f]{40,64}) (.+?)(?: \([^()]*\))?$", line) for line in lines)
        return {match[2]: match[1] for match in matches if match}

    def inside(self, path: str) -> Repository:
        """The submodule at `path`."""
        return Repository(self.root / path, self._trusted)

    def _run(self, *words: str) -> str:
        return _git(self.root, (*self._trusted, *words))

    def _maybe(self, *words: str) -> str | None:
        try:
            return self._run(*words) or None
        except GitFailed:
            return None


def without_credentials(url: str, root: Path) -> str:
    """`url` as it may be shown to all: no password or token in it; a relative path made absolute from `root`."""
    if "://" not in url:
        is_path = url.startswith((".", "/")) or (root / url).exists()
        return os.path.normpath(root / url) if is_path else url  # else git@host:path, where the user is no secret
    try:
        scheme, place, path, query, fragment = urlsplit(url)
    except ValueError:
        return re.sub(r"//.*@", "//", url)
    user, _, host = place.rpartition("@")
    if scheme.lower() in ("http", "https"):  # a token may stand in the place of the user
        return urlunsplit((scheme, host, path, "", ""))
    name = user.partition(":")[0]
    return urlunsplit((scheme, f"{name}@{host}" if name else host, path, query, fragment))


def _git(folder: Path, words: Iterable[str], into: int | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in _OF_HOOKS}
    environment |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}
    try:
        done = subprocess.run(
            ["git", *_PLAIN, *words], cwd=folder, env=environment, timeout=_SECONDS, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if into is None else into, stderr=subprocess.PIPE,
        )  # fmt: skip
    except FileNotFoundError as error:
        missing = "git is not installed" if folder.is_dir() else f"{folder} is no folder"
        raise GitFailed(missing) from error
    except subprocess.TimeoutExpired as error:
        raise GitFailed(f"git took more than {_SECONDS:.0f} s") from error
    except OSError as error:
        raise GitFailed(f"git cannot be started: {error}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise GitFailed(said[:1000] or f"git ended with {done.returncode}")
    return os.fsdecode(done.stdout).rstrip("\n") if into is None else ""


def _batches(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(paths), _BATCH):
        yield paths[start : start + _BATCH]
