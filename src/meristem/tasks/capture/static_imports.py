"""What a script will import, read from its text: so that a task knows it when it starts, not when it ends."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

_FILES = 500  # that are read at most
_BYTES = 1 << 20  # of one file


def reachable(entry: Path, roots: Sequence[Path]) -> tuple[set[Path], set[str]]:
    """Follow imports from the file `entry` through files below `roots`, the folders from which they are imported.

    Returns:
        The files that were followed, `entry` among them; and the dotted names that are imported from elsewhere.
    """
    files, names, waiting = set[Path](), set[str](), [entry]
    while waiting and len(files) < _FILES:
        file = waiting.pop()
        if file in files:
            continue
        files.add(file)
        for name in _imports(file, _package_of(file, roots)):
            found = list(_files_of(name, roots))
            waiting.extend(found)
            if not found:
                names.add(name)
    return files, names


def _imports(file: Path, package: str) -> Iterator[str]:
    try:
        if file.stat().st_size > _BYTES:
            return
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _from(node, package)
        elif isinstance(node, ast.If) and _only_for_types(node.test):
            waiting.extend(node.orelse)
        elif isinstance(node, (ast.stmt, ast.Module, ast.ExceptHandler, ast.match_case)):  # expressions import nothing
            waiting.extend(ast.iter_child_nodes(node))


def _from(node: ast.ImportFrom, package: str) -> Iterator[str]:
    base = node.module or ""
    if node.level:
        parts = package.split(".") if package else []
        parts = parts[: len(parts) - node.level + 1]
        base = ".".join([*parts, *([base] if base else [])])
    if base:
        yield base
    # What is imported may be modules themselves: `from package import module`.
    yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names if alias.name != "*")


def _only_for_types(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in (getattr(test, "id", None), getattr(test, "attr", None))


def _package_of(file: Path, roots: Sequence[Path]) -> str:
    """Dotted name of the folder of `file` below the nearest of `roots`, where its relative imports start."""
    homes = [file.parent.relative_to(root).parts for root in roots if file.parent.is_relative_to(root)]
    return ".".join(sorted(homes, key=len)[0]) if homes else ""


def _files_of(name: str, roots: Sequence[Path]) -> Iterator[Path]:
    """The file of the module `name` and the __init__ files on the way to it, from the first root that has it."""
    parts = name.split(".")
    for root in roots:
        found = False
        for end in range(1, len(parts) + 1):
            place = root.joinpath(*parts[:end])
            for file in (place / "__init__.py", place.with_name(place.name + ".py")):
                if file.is_file():
                    found = True
                    yield file
                    break
        if found:
            return
