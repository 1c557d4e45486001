"""Which files a wildcard means."""

from __future__ import annotations

import pytest

from meristem.datasets.folders.selecting import select


@pytest.mark.parametrize(
    ("wildcard", "path", "taken"),
    [
        (None, "a/b.txt", True),
        ([], "a/b.txt", True),
        ("*.txt", "a/b.txt", True),
        ("*.txt", "a/.hidden.txt", True),
        ("*.TXT", "a/b.txt", False),
        ("*.csv", "a/b.txt", False),
        (["*.csv", "*.txt"], "a/b.txt", True),
        ("a/*.txt", "a/b.txt", True),
        ("a/*.txt", "x/a/b.txt", True),
        ("/a/*.txt", "x/a/b.txt", False),
        ("/a/*.txt", "a/b.txt", True),
        ("a/*.txt", "a/c/b.txt", False),
        ("a/**/*.txt", "a/c/d/b.txt", True),
        ("a/**/*.txt", "a/b.txt", True),
        ("a/**", "x/a/c/b.txt", True),
        ("./a/*.txt", "a/b.txt", True),
        ("[ab].txt", "b.txt", True),
        ("b?.txt", "b\n.txt", True),
    ],
)
def test_a_wildcard_takes(wildcard: str | list[str] | None, path: str, taken: bool) -> None:
    folder, _, name = path.rpartition("/")
    selection = select(wildcard, recursive=True, follow=False)
    assert selection.takes(folder, name) is taken


def test_equal_selections_have_one_spelling() -> None:
    first = select(["*.a", "*.b"], recursive=True, follow=False)
    assert select(("*.b", "*.a", "*.b"), recursive=True, follow=False).key == first.key
    assert select(("*.b", "*.a"), recursive=False, follow=False).key != first.key
