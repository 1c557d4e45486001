"""Which version of a dataset a command means: PROJECT/NAME[@VERSION], or an id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meristem.errors import InputError

if TYPE_CHECKING:
    from meristem.datasets.dataset import Dataset
    from meristem.datasets.names import VersionName
    from meristem.store.store import Store

NameArgument = Annotated[str, typer.Argument(metavar="PROJECT/NAME", help="The dataset.")]
VersionArgument = Annotated[
    str,
    typer.Argument(
        metavar="PROJECT/NAME[@VERSION]",
        help="The version, by default the newest; or its id, by which drafts are named too.",
    ),
]


def find_version(store: Store, text: str, *, beside: Dataset | None = None) -> Dataset:
    """The version of this name, URL or id; `@1.2.0` where it is one of the dataset of `beside`.

    Raises:
        InputError: It is no name.
        DatasetNotFound, VersionNotFound: There is none.
    """
    from meristem.datasets.dataset import Dataset  # needs the store, which is slow to import
    from meristem.datasets.names import SCHEME, parse_url

    given = text.strip()
    if given.isdecimal():
        return Dataset.get(id=given, store=store)
    if beside is not None and given.startswith("@"):
        given = f"{beside.project}/{beside.name}{given}"
    if given.startswith(SCHEME):
        version = parse_url(given).version
        return Dataset.get(version.project, version.name, version=version.number, store=store)
    return Dataset.get(given, store=store)


def dataset_named(text: str, *, instead: str = "") -> VersionName:
    """What names a dataset and no version of it.

    Args:
        instead: What to do about a version, where one is named.

    Raises:
        InputError: It is no name, or names a version.
    """
    from meristem.datasets.names import parse_name  # slow to import: not for --help

    named = parse_name(text)
    if named.number is not None:
        fix = instead.format(name=f"{named.project}/{named.name}", version=text)
        raise InputError(f"{text!r:.200} names a version, and a dataset is meant.", fix=fix)
    return named
