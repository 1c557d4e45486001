"""What a shipper notes in a spool folder: as whom it ships, how far it is, and that nobody else does so meanwhile."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

BY_HAND = "hand-"  # how the names of such sessions begin; only one folder in the world ships such a task
NOTE_FILE, LOCK_FILE = "shipper.json", "shipper.lock"


@dataclass(slots=True, kw_only=True)
class Note:
    """What must outlive a shipper's process.

    Attributes:
        store: The store, without password.
        session: As what worker it holds the attempt there.
        number: The task's number there; None until it is known.
        started: The attempt was counted as running there.
        lost: The session that it had before, whose lease ran out; it is taken over from it.
        state: `shipping`; `shipped`: all of it is in the store; `refused`: the task is another's by now; `importing`,
            `imported`: the same of a folder that was kept offline, which no shipper touches.
        queue, priority: Set: the script ended to be run by a worker (`execute_remotely`).
    """

    store: str
    session: str
    number: int | None = None
    started: bool = False
    lost: str | None = None
    state: str = "shipping"
    queue: str | None = None
    priority: int = 0


def new_session() -> str:
    return f"{BY_HAND}{secrets.token_hex(8)}"


def read_note(folder: Path) -> Note | None:
    """The note in a folder; None where no shipper was there, or it is broken."""
    try:
        given = json.loads((folder / NOTE_FILE).read_text(encoding="utf-8"))
        return Note(**{f.name: given[f.name] for f in fields(Note) if f.name in given})
    except (OSError, ValueError, TypeError):
        return None


def write_note(folder: Path, note: Note) -> None:
    """Writes the note whole or not at all."""
    draft = folder / f"{NOTE_FILE}.{secrets.token_hex(4)}"
    draft.write_text(json.dumps(asdict(note)) + "\n", encoding="utf-8")
    os.replace(draft, folder / NOTE_FILE)


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Holds the folder's lock; gives False where another process has it, or the folder is gone."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = os.fstat(descriptor).st_nlink > 0  # else its folder was removed meanwhile
    except OSError:
        held = False
    try:
        yield held
    finally:
        os.close(descriptor)
