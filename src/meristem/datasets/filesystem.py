"""Versions as a file system of fsspec: other libraries open files straight from a version.

    pandas.read_csv("meristem://sensors/occupancy@1.0.2/day1.csv")
    fsspec.open("meristem://sensors/occupancy/day1.csv")      # of the newest version

Read-only. The store is MERISTEM_STORE, or given as `storage_options={"store": …}`.
"""

from __future__ import annotations

from typing import IO, Any
from urllib.parse import quote

from fsspec import AbstractFileSystem
from fsspec.spec import AbstractBufferedFile

from meristem.datasets.dataset import Dataset
from meristem.datasets.names import SCHEME, VersionName, parse_path, parse_url, url_of
from meristem.datasets.reading import blocks
from meristem.datasets.version import Version
from meristem.errors import DatasetNotFound, InputError, VersionNotFound
from meristem.manifests.entry import Entry, Kind
from meristem.store.opening import open_store

_BLOCK_BYTES = 4 << 20
_ALL = 1_000_000  # datasets
_LINKS_FOLLOWED = 40  # as Linux does


class DatasetFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Files of versions, by `PROJECT/NAME[@VERSION]/PATH`; in URLs characters are quoted, in paths they are not.

    Args:
        store: A store, its URL or file; None: MERISTEM_STORE, or `meristem.db` here.
    """

    protocol = "meristem"
    root_marker = ""

    def __init__(self, store: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._store = store
        self._opened: dict[VersionName, Dataset] = {}

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        text = str(path)
        try:
            return _shown(*(parse_url(text) if text.startswith(SCHEME) else parse_path(text)))
        except InputError:  # it names no version: told where that is needed
            return text.removeprefix(SCHEME).rstrip("/")

    def unstrip_protocol(self, name: str) -> str:
        """The URL of a path."""
        if name.startswith(SCHEME):
            return name
        try:
            return url_of(*parse_path(name))
        except InputError:  # a project
            return f"{SCHEME}{quote(name)}"

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """What lies in a folder of a version; above versions the datasets of a project, and at the top the projects.

        Of a project `a/b` the parts are listed one by one. Datasets without a version are left out.
        """
        try:
            dataset, inside, base = self._at(path)
        except (FileNotFoundError, InputError):
            if not (found := self._below_project(path)) and self._strip_protocol(path):
                raise
            return found if detail else [one["name"] for one in found]
        if inside and (entry := dataset.tree.find(inside)) is not None and entry.kind is not Kind.FOLDER:
            found = [self._described(dataset, entry, base)]
        else:
            found = self._children(dataset, inside, base)
            if not found and inside and dataset.tree.find(inside) is None:
                raise FileNotFoundError(path)
        return found if detail else [one["name"] for one in found]

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """What lies at a path: `type` is `file` or `directory`."""
        try:
            dataset, inside, base = self._at(path)
        except (FileNotFoundError, InputError):
            if not self._below_project(path) and self._strip_protocol(path):
                raise
            return _directory(_project(self._strip_protocol(path)))
        entry = dataset.tree.find(inside) if inside else None
        if entry is not None:
            return self._described(dataset, entry, base)
        if inside and next(dataset.tree.entries(prefix=f"{inside}/", stop=1), None) is None:
            raise FileNotFoundError(path)
        return _directory(f"{base}/{inside}".rstrip("/"))

    def ukey(self, path: str) -> str:
        """The same for the same content."""
        return str(self.info(path).get("hash"))

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> _File:
        if mode != "rb":
            raise InputError(
                f"{SCHEME}{path} cannot be opened to be written.",
                fix="Versions are never changed. Begin a draft: Dataset.get(…, writable_copy=True).",
            )
        dataset, inside, _ = self._at(path)
        entry = followed(dataset, inside)
        return _File(self, path, dataset=dataset, entry=entry, size=entry.size, block_size=block_size or _BLOCK_BYTES)

    def _children(self, dataset: Version, folder: str, base: str) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for path, entry in dataset.tree.children(folder):
            if entry is None or entry.kind is Kind.FOLDER:
                found[path] = _directory(f"{base}/{path}")
            else:
                found[path] = self._described(dataset, entry, base)
        return list(found.values())

    @staticmethod
    def _described(dataset: Version, entry: Entry, base: str) -> dict[str, Any]:
        kind = "directory" if entry.kind is Kind.FOLDER else "file"
        described = {"name": f"{base}/{entry.path}", "size": entry.size, "type": kind, "hash": entry.content}
        return described | ({"islink": True, "destination": entry.content} if entry.kind is Kind.LINK else {})

    def _below_project(self, path: str) -> list[dict[str, Any]]:
        """Datasets of a project, at their newest version, and the next parts of longer names of projects."""
        project = _project(self._strip_protocol(path))
        above = f"{project}/" if project else ""
        found: dict[str, None] = {}
        for row in open_store(self._store).datasets.list(limit=_ALL):
            if row.newest is None:
                continue
            if row.project == project:
                found[_shown(VersionName(project, row.name))] = None
            elif row.project.startswith(above):
                found[above + row.project[len(above) :].partition("/")[0]] = None
        return [_directory(name) for name in found]

    def _at(self, path: str) -> tuple[Dataset, str, str]:
        """The version, the path in it, and how the version is written in this path."""
        wanted, inside = parse_path(self._strip_protocol(path))
        if wanted not in self._opened:
            try:
                found = Dataset.get(*wanted[:2], version=wanted.number, store=self._store)
            except (DatasetNotFound, VersionNotFound) as error:
                raise FileNotFoundError(str(error)) from error
            if wanted.number is None:  # the newest is another one tomorrow: it is asked for each time
                return self._opened.setdefault(wanted._replace(number=found.version), found), inside, _shown(wanted)
            self._opened[wanted] = found
        return self._opened[wanted], inside, _shown(wanted)


class _File(AbstractBufferedFile):  # type: ignore[misc]
    def __init__(self, files: DatasetFileSystem, path: str, *, dataset: Version, entry: Entry, **options: Any) -> None:
        self._dataset, self._entry = dataset, entry
        dataset.note_reading()
        super().__init__(files, path, mode="rb", **options)

    def _fetch_range(self, start: int, end: int) -> bytes:
        return b"".join(blocks(self._dataset, self._entry, start, min(end, self._entry.size)))


def open_file(dataset: Version, path: str) -> IO[bytes]:
    """A file of a version, to be read from any position; only what is read is fetched.

    Raises:
        FileNotFoundError, IsADirectoryError: There is none.
    """
    entry = followed(dataset, path)
    files = DatasetFileSystem(skip_instance_cache=True)
    opened: IO[bytes] = _File(files, path, dataset=dataset, entry=entry, size=entry.size, block_size=_BLOCK_BYTES)
    return opened


def followed(dataset: Version, path: str) -> Entry:
    """The file at a path, or the one to which links lead from there."""
    for _ in range(_LINKS_FOLLOWED):
        entry = dataset.tree.find(path)
        if entry is None or entry.kind is Kind.FOLDER:
            raise FileNotFoundError(path) if entry is None else IsADirectoryError(path)
        if entry.kind is not Kind.LINK:
            return entry
        path = _joined(path, entry.content)
    raise OSError(f"too many links at {path!r}")


def _project(path: str) -> str:
    """The project that a path means where it means no version: all of it, as it was given."""
    try:
        version, inside = parse_path(path)
    except InputError:
        return path.strip("/")
    return path if version.number else f"{version.project}/{version.name}/{inside}".rstrip("/")


def _directory(name: str) -> dict[str, Any]:
    return {"name": name, "size": 0, "type": "directory"}


def _shown(version: VersionName, path: str = "") -> str:
    """A path as this file system writes it: always with a version, so that `@` in names of files says nothing."""
    return f"{version.project}/{version.name}@{version.number or 'latest'}/{path}".rstrip("/")


def _joined(path: str, target: str) -> str:
    """Where a link at `path` leads; it stays within the version, for no other is stored."""
    parts = path.split("/")[:-1]
    for part in target.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
