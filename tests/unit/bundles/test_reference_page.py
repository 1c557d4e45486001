"""The examples for MMARs of the reference page are read, and its tables are what the code has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from meristem.bundles import read_search
from meristem.bundles.notation import DOMAINS
from meristem.bundles.ranges import DTYPES

PAGE = Path(__file__).parents[3].joinpath("docs", "reference", "search-notation.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES[:-1])
def test_examples_are_read(example: dict[str, object]) -> None:
    searched = read_search(example)
    assert searched.defaults is not None
    searched.applied(searched.defaults)


def test_the_first_example_has_the_parameters_that_stand_below_it() -> None:
    assert all(f"| `{name}` |" in PAGE for name in read_search(EXAMPLES[0]).space.names)
    assert read_search(EXAMPLES[0]).key_metric == "val_dice"


@pytest.mark.parametrize("word", [*DOMAINS, *DTYPES])
def test_every_domain_and_type_stands_in_the_page(word: str) -> None:
    assert f"`{word}`" in PAGE
