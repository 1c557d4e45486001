"""What kind of artifact an object is, how it is written, and what of it is shown at first sight."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from meristem.errors import InputError, one_line
from meristem.tasks.reporting.append_file import warn
from meristem.tasks.reporting.json_values import dumps
from meristem.tasks.reporting.kept_files import KeptFiles, files_in

_PREVIEW_CHARACTERS = 4_000
_PREVIEW_LINES = 20
_LONGEST_PATH = 500
_PATH = re.compile(r"^[^\s{}\[\]<>,;\"]*([/\\]|\.[A-Za-z][A-Za-z0-9]{0,7}$)[^\s{}\[\]<>,;\"]*$")
_told: set[str] = set()  # texts that look like a file and are none: warned of once
_URL = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An artifact that was written.

    Attributes:
        form: `file`, `zip`, `csv`, `npy`, `json`, `pickle` or `url`.
        file: Its name in the spool folder; None for a URL, or where the disk did not take it.
    """

    form: str
    file: str | None
    url: str | None = None
    preview: str = ""


def keep_artifact(files: KeptFiles, name: str, given: Any) -> Kept:
    """Writes `given` in the form that most programs can read: pickle comes last.

    Args:
        given: The path of a file or folder (a text is one where such a file exists), a URL, a DataFrame, an array,
            a tensor, anything with a JSON form, or anything that can be pickled.

    Raises:
        InputError: A path that does not exist or cannot be read, an object that no form takes.
    """
    if isinstance(given, str) and _URL.match(given):
        return Kept(form="url", file=None, url=given)
    if isinstance(given, Path) or (isinstance(given, str) and given and _exists(given)):
        return _keep_path(files, name, Path(given))
    if isinstance(given, str) and _looks_like_path(given) and given not in _told:
        _told.add(given)
        warn(f"the artifact {name!r}: there is no file {given!r} here, so this text itself is kept")
    if hasattr(given, "to_csv") and hasattr(given, "columns"):  # pandas
        return _keep_text(files, name, "csv", _csv_of(given, lambda file: given.to_csv(file)))
    if hasattr(given, "write_csv") and hasattr(given, "columns"):  # polars
        return _keep_text(files, name, "csv", _csv_of(given, lambda file: given.write_csv(file)))
    if hasattr(given, "detach") and hasattr(given, "numpy"):  # a tensor of torch
        given = given.detach().cpu().numpy()
    if type(given).__module__.partition(".")[0] == "numpy" and hasattr(given, "dtype") and given.dtype.kind != "O":
        return _keep_array(files, name, given)
    try:
        return _keep_text(files, name, "json", dumps(given))
    except (TypeError, ValueError, RecursionError):
        return _keep_pickle(files, name, given)


def _exists(text: str) -> bool:
    try:
        return len(text) < 4096 and Path(text).exists()
    except (OSError, ValueError):
        return False


def _looks_like_path(text: str) -> bool:
    """Whether whoever wrote this one word had a file in mind, by its ending or its folders."""
    return len(text) < _LONGEST_PATH and _PATH.match(text) is not None


def _keep_path(files: KeptFiles, name: str, path: Path) -> Kept:
    try:
        if path.is_dir():
            listed = [str(found.relative_to(path)) for found in files_in(path)]
            kept = files.keep_zip("artifacts", name, path)
            return Kept(form="zip", file=kept, preview=_shortened(f"{len(listed)} files\n" + "\n".join(listed)))
        return Kept(form="file", file=files.keep_copy("artifacts", name, path), preview=_preview_of_file(path))
    except OSError as error:
        raise InputError(
            f"The artifact {name} cannot be read from {path}: {error.strerror}.",
            fix="Give the path of a file or folder that exists.",
        ) from None


def _keep_array(files: KeptFiles, name: str, array: Any) -> Kept:
    import numpy as np  # loaded already: it is its array

    kept = files.keep("artifacts", name, ".npy", lambda file: np.save(file, array, allow_pickle=False))
    shown = np.array2string(np.asarray(array), threshold=100, edgeitems=3)
    return Kept(form="npy", file=kept, preview=_shortened(f"{array.dtype} of shape {array.shape}\n{shown}"))


def _keep_text(files: KeptFiles, name: str, form: str, text: str) -> Kept:
    data = text.encode("utf-8", "backslashreplace")
    return Kept(
        form=form,
        file=files.keep("artifacts", name, f".{form}", lambda file: file.write(data)),
        preview=_shortened(text),
    )


def _keep_pickle(files: KeptFiles, name: str, given: Any) -> Kept:
    try:
        kept = files.keep("artifacts", name, ".pkl", lambda file: _pickled(given, file))
    except Exception as error:  # what an object raises when it is pickled can be anything
        raise InputError(
            f"The artifact {name}, a {type(given).__name__}, cannot be kept: {one_line(error)}.",
            fix="Save it to a file as its library does, and give the path.",
        ) from error
    return Kept(form="pickle", file=kept, preview=_shortened(f"{type(given).__qualname__}\n{given!r:.4000}"))


def _pickled(given: Any, file: BinaryIO) -> None:
    try:
        data = pickle.dumps(given, protocol=5)
    except Exception:  # a lambda, a class of the script
        import cloudpickle  # only for what pickle cannot take

        data = cloudpickle.dumps(given)
    file.write(data)


def _csv_of(frame: Any, write: Callable[[io.StringIO], object]) -> str:
    buffer = io.StringIO()
    write(buffer)
    return buffer.getvalue()


def _preview_of_file(path: Path) -> str:
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(_PREVIEW_CHARACTERS)
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        text = head[: error.start].decode("utf-8") if error.start >= len(head) - 4 else ""
    return _shortened(text if text and "\0" not in text else f"{size:,} bytes")


def _shortened(text: str) -> str:
    lines = text[: _PREVIEW_CHARACTERS + 1].splitlines()
    cut = len(text) > _PREVIEW_CHARACTERS or len(lines) > _PREVIEW_LINES
    return "\n".join(lines[:_PREVIEW_LINES])[:_PREVIEW_CHARACTERS] + (" …" if cut else "")
