"""What is told where a dataset has no version of the kind that was asked for, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from meristem.errors import VersionNotFound
from meristem.store.dataset_reading import numbers_of
from meristem.store.dataset_tables import IS_DRAFT, dataset_versions

_DRAFTS_SHOWN = 10


def not_found(
    connection: Connection, dataset: int, name: str, number: str | None, tags: Sequence[str], only_published: bool
) -> VersionNotFound:
    """The error to be raised where `matching` found nothing in the dataset that people call `name`."""
    known = numbers_of(connection, dataset)
    if not known:
        return _none_yet(connection, dataset, name)
    wanted = [f"with tag {', '.join(map(repr, tags))}"] if tags else []
    wanted += ["that is published"] if only_published else []
    if number is not None:
        what = f"There is no version {f'{name}@{number}'!r:.200} {' '.join(wanted)}".rstrip() + "."
    else:
        what = f"{name} has no version {' '.join(wanted)}."
    fix = f"Publish one with: meristem data publish {name}@{known[0]}" if only_published and not tags else ""
    return VersionNotFound(f"{name}@{number}" if number else name, known, what=what, fix=fix)


def _none_yet(connection: Connection, dataset: int, name: str) -> VersionNotFound:
    drafts = select(dataset_versions.c.id).where(dataset_versions.c.dataset_id == dataset, IS_DRAFT)
    ids = [str(id) for id in connection.execute(drafts.order_by(dataset_versions.c.id.desc())).scalars()]
    if not ids:
        what = f"{name} has no version yet."
        return VersionNotFound(
            name, what=what, fix=f"Make the first with: meristem data sync {name} FOLDER --commit -m …"
        )
    shown = ", ".join(ids[:_DRAFTS_SHOWN]) + (" …" if len(ids) > _DRAFTS_SHOWN else "")
    return VersionNotFound(
        name,
        what=f"{name} has no version yet, only {'a draft' if len(ids) == 1 else 'drafts'}: {shown}.",
        fix=f"A draft becomes a version with: meristem data commit {name} --draft {ids[0]} -m …; in Python it is taken "
        f"up with Dataset.get(id={ids[0]}) and ended with finalize().",
    )
