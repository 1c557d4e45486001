"""What a short name of a parameter stands for."""

from __future__ import annotations

import pytest

from meristem.tasks.parameter_names import parameter_name

KNOWN = ["Args/lr", "General/lr", "Args/epochs", "Model/depth", "Model/width", "Data/width", "General/opt/lr"]


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("General/lr", "General/lr"),
        ("lr", "General/lr"),
        ("epochs", "Args/epochs"),
        ("depth", "Model/depth"),
        ("opt/lr", "General/opt/lr"),
        ("width", "General/width"),  # two sections have it: neither is meant
        ("new", "General/new"),
        ("Other/new", "Other/new"),
    ],
)
def test_a_short_name_stands_for_the_one_that_is_meant(name: str, full: str) -> None:
    assert parameter_name(name, KNOWN) == full
