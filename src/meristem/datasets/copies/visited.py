"""Which folders sorted entries lie in, and when the last entry of each has come."""

from __future__ import annotations

from collections.abc import Callable

from meristem.manifests.entry import Entry, Kind


class Visited:
    """Follows the folders of entries that come in the order of their paths: all in one folder come in a row.

    Args:
        wants_names: Whether the names of all that belongs into a folder are to be kept until it is left.
    """

    def __init__(self, wants_names: Callable[[str], bool]) -> None:
        self._wants_names = wants_names
        self._way: list[str] = [""]
        self._names: dict[str, set[str]] = {"": set()} if wants_names("") else {}
        self.left: list[tuple[str, set[str] | None]] = []
        """Folders of which no more entries come, with the names in them; whoever reads it empties it."""

    def visit(self, entry: Entry) -> None:
        folder, _, name = entry.path.rpartition("/")
        if entry.kind is Kind.FOLDER:
            self._go(entry.path)
            return
        if folder != self._way[-1]:
            self._go(folder)
        if folder in self._names:
            self._names[folder].add(name)

    def finish(self) -> None:
        """No more entries come."""
        while self._way:
            self._leave()

    def _go(self, folder: str) -> None:
        while not _is_in(folder, self._way[-1]):
            self._leave()
        at = self._way[-1]
        for name in folder[len(at) :].strip("/").split("/"):
            if not name:
                return
            if at in self._names:
                self._names[at].add(name)
            at = f"{at}/{name}" if at else name
            self._way.append(at)
            if self._wants_names(at):
                self._names[at] = set()

    def _leave(self) -> None:
        folder = self._way.pop()
        self.left.append((folder, self._names.pop(folder, None)))


def _is_in(folder: str, above: str) -> bool:
    return not above or folder == above or folder.startswith(above + "/")
