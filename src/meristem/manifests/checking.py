"""Whether the entries of a manifest can lie together in one folder, and stay inside of it.

A node is checked when it is read (`meristem.manifests.node`); this is about what only several paths together show, and
is asked before a version is written to a folder: a link to /etc at "a" and a file at "a/passwd" would write to /etc.
"""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import normalize

from meristem.errors import ManifestRefused
from meristem.manifests.entry import Entry, Kind, check_path

_PROBLEMS_SHOWN = 20
_LINKS_FOLLOWED = 40  # as Linux does; a longer way, or a circle, leads nowhere at all


def check_tree(entries: Iterable[Entry], *, folds_case: bool = False, allow_outward_links: bool = False) -> None:
    """Raise ManifestRefused unless `entries`, sorted, can lie together in one folder; `problems` lists up to 20.

    Refused are paths that lead out, a file (or link) where another path needs a folder, links that lead out of the
    folder (also by way of other links), and, where the file system `folds_case`, paths that only differ in case or in
    how their characters are composed. A folder's own entry beside entries below it is no harm.
    """
    problems: list[str] = []
    above = _FilesAbove()
    twins = _Twins()
    links: dict[str, str] = {}
    for entry in entries:
        check_path(entry.path)
        file = above.of(entry)
        if file is not None:
            problems.append(f"{entry.path!r} cannot lie below {file!r}, which is no folder")
        twin = twins.of(entry.path) if folds_case else None
        if twin is not None:
            problems.append(f"{twin!r} and {entry.path!r} are one path where case is not told apart")
        if entry.kind is Kind.LINK:
            links[entry.path] = entry.content
        if len(problems) >= _PROBLEMS_SHOWN:
            break
    if not allow_outward_links:
        outward = (path for path in links if leads_out(path, links))
        problems += [f"the link {path!r} leads out of the folder, to {links[path]!r}" for path in outward]
    if problems:
        raise ManifestRefused("The version cannot lie in a folder:", problems=problems[:_PROBLEMS_SHOWN])


def leads_out(path: str, links: dict[str, str]) -> bool:
    """Whether the link at `path` leads out of the folder, given all links in it (path -> target).

    It is followed as a file system does, component by component through other links: ".." behind a link is the parent
    of what that link leads to, so the text of one target alone does not tell.
    """
    at: list[str] = []  # where we are, without links
    waiting = path.split("/")[::-1]
    followed = 0
    while waiting:
        part = waiting.pop()
        if part == "..":
            if not at:
                return True
            at.pop()
        elif part not in ("", "."):
            target = links.get("/".join([*at, part]))
            if target is None:
                at.append(part)
                continue
            followed += 1
            if target.startswith("/"):
                return True
            if followed > _LINKS_FOLLOWED:
                return False
            waiting += target.split("/")[::-1]
    return False


class _FilesAbove:
    """Finds files that lie where a later path has a folder. Keeps those only that paths to come can still begin with.

    Paths are sorted, yet "a/b" need not follow "a" at once: "a-b" lies between. All that begin with "a" do follow.
    """

    def __init__(self) -> None:
        self._open: list[str] = []

    def of(self, entry: Entry) -> str | None:
        path, waiting = entry.path, self._open
        while waiting and not path.startswith(waiting[-1]):
            waiting.pop()
        found = next((file for file in waiting if path[len(file) : len(file) + 1] == "/"), None)
        if entry.kind is not Kind.FOLDER:
            waiting.append(path)
        return found


class _Twins:
    """Finds paths, of files and folders, that a file system without case would take for one."""

    def __init__(self) -> None:
        self._spellings: dict[str, str] = {}
        self._folder = ""

    def of(self, path: str) -> str | None:
        twin = self._other_spelling(path)
        folder = path.rpartition("/")[0]
        if folder == self._folder:
            return twin
        self._folder = folder
        while folder and twin is None:
            twin = self._other_spelling(folder)
            folder = folder.rpartition("/")[0]
        return twin

    def _other_spelling(self, path: str) -> str | None:
        known = self._spellings.setdefault(_without_case(path), path)
        return None if known == path else known


def _without_case(path: str) -> str:
    """Equal for paths that match without case. Source: the Unicode Standard, section 3.13, D145."""
    return normalize("NFD", normalize("NFD", path).casefold())
