"""Parameter range locators as text and back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meristem.bundles import Prl
from meristem.errors import InputError

words = st.text("ab_-é 0$:,", min_size=1, max_size=5)
args = st.text("ab_@#.:é 0", min_size=1, max_size=5)
prls = st.builds(
    Prl,
    domain=words,
    dtype=words,
    path=st.text("ab.$:@0 ,", max_size=12),
    index=st.integers(0, 1000),
    args=st.lists(args, min_size=1, max_size=3).map(tuple),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(prls)
def test_a_prl_is_read_back_from_its_text(prl: Prl) -> None:
    assert Prl.parse(str(prl)) == prl


@pytest.mark.parametrize(
    ("text", "prl"),
    [
        (
            "net.enum.train.model$1:final_activation",
            Prl(domain="net", dtype="enum", path="train.model", index=1, args=("final_activation",)),
        ),
        ("lr.float.$0:learning_rate", Prl(domain="lr", dtype="float", path="", index=0, args=("learning_rate",))),
        (
            "transform.enum.train.pre.3$0:@disabled,p",
            Prl(domain="transform", dtype="enum", path="train.pre.3", index=0, args=("@disabled", "p")),
        ),
    ],
)
def test_prls_as_people_meet_them(text: str, prl: Prl) -> None:
    assert str(prl) == text
    assert Prl.parse(text) == prl


@pytest.mark.parametrize(
    "text",
    ["", "lr", "lr.float", "lr.float$0:x", "lr.float.a$:x", "lr.float.a$0", "lr.float.a$0:", "lr.float.a$01:x",
     "lr.float.a$-1:x", "lr.float.a$0:x,,y", ".float.a$0:x", "lr..a$0:x"],
)  # fmt: skip
def test_what_is_no_prl_is_told(text: str) -> None:
    with pytest.raises(InputError, match="is no PRL"):
        Prl.parse(text)


def test_parts_that_would_make_the_text_ambiguous_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        Prl(domain="l.r", dtype="", path="a", index=-1, args=("x,y", "", "$0:z"))
    assert len(caught.value.problems) == 6
