"""The cells of a notebook as one script that plain Python can run: what only IPython understands is commented out."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable
from pathlib import Path

# Their cell is Python all the same.
_AROUND_PYTHON = ("time", "timeit", "capture", "prun", "debug", "memit", "mprun")
_SPECIAL = re.compile(r"^(\s*)(?:[%!?].*|[\w.]+\?{1,2}|[\w., ]+=\s*[%!].*)$")


def script_of_notebook(path: Path) -> str:
    """The code cells of the .ipynb at `path`, in their order there.

    Raises:
        OSError, ValueError: It cannot be read.
    """
    cells = json.loads(path.read_text(encoding="utf-8")).get("cells", [])
    sources = (cell.get("source", "") for cell in cells if cell.get("cell_type") == "code")
    return script_of_cells("".join(one) if isinstance(one, list) else one for one in sources)


def script_of_cells(cells: Iterable[str]) -> str:
    """The given cells, one after the other."""
    parts = [f"# %%\n{_plain_python(cell).rstrip()}\n" for cell in cells if cell.strip()]
    return "\n".join(parts)


def _plain_python(cell: str) -> str:
    if _parses(cell):
        return cell
    first, _, rest = cell.lstrip().partition("\n")
    if first.startswith("%%"):
        magic = (first[2:].split() or [""])[0]
        return f"# {first}\n{_plain_python(rest)}" if magic in _AROUND_PYTHON else _commented(cell)
    tried = "\n".join(_plain_line(line) for line in cell.split("\n"))
    return tried if _parses(tried) else _commented(cell)  # it would not have run in the notebook either


def _plain_line(line: str) -> str:
    special = _SPECIAL.match(line)
    # Indented, it may be all that a block has.
    return f"{special[1]}{'pass  ' if special[1] else ''}# {line.strip()}" if special else line


def _commented(cell: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in cell.split("\n"))


def _parses(code: str) -> bool:
    try:
        compile(code, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError):
        return False
    return True
