"""What tasks need and workers offer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.errors import InputError
from meristem.needs import Needs, Offer, fits, missing, read_bytes, read_labels, read_needs, shown_bytes

LABELS = st.frozensets(st.sampled_from(["a100", "site=berlin", "ssd"]))
NEEDS = st.builds(
    Needs,
    cpus=st.integers(0, 8).map(lambda n: n / 2),
    gpus=st.integers(0, 4),
    memory_bytes=st.integers(0, 1 << 40),
    labels=LABELS,
)
OFFERS = st.builds(
    Offer,
    cpus=st.integers(0, 8).map(float),
    gpus=st.integers(0, 4),
    memory_bytes=st.integers(0, 1 << 40),
    labels=LABELS,
)


@given(NEEDS)
def test_needs_are_read_back_from_their_key(needs: Needs) -> None:
    assert read_needs(json.loads(needs.key)) == needs


@given(NEEDS, OFFERS)
def test_needs_fit_exactly_where_nothing_is_missing(needs: Needs, offer: Offer) -> None:
    assert fits(needs, offer) == (not missing(needs, offer))


@given(NEEDS, OFFERS)
def test_what_fits_twice_is_what_fits_what_is_left(needs: Needs, offer: Offer) -> None:
    double = Needs(cpus=2 * needs.cpus, gpus=2 * needs.gpus, memory_bytes=2 * needs.memory_bytes, labels=needs.labels)
    assert fits(double, offer) == (fits(needs, offer) and fits(needs, offer.without(needs)))


def test_no_needs_fit_everywhere_and_anything_fits_an_unlimited_offer() -> None:
    assert fits(Needs(), Offer(cpus=0, memory_bytes=0))
    assert fits(Needs(cpus=64, memory_bytes=1 << 40), Offer())
    assert not fits(Needs(gpus=1), Offer())
    assert Needs().key == "{}"


def test_tenths_of_cpus_add_up() -> None:
    offer = Offer(cpus=1.0)
    for _ in range(9):
        offer = offer.without(Needs(cpus=0.1))
    assert fits(Needs(cpus=0.1), offer)


def test_what_is_missing_is_said_in_words() -> None:
    needs = Needs(cpus=4, gpus=2, memory_bytes=16 << 30, labels=frozenset({"a100"}))
    assert missing(needs, Offer(cpus=2, gpus=0, memory_bytes=8 << 30)) == [
        "4 CPUs (has 2)", "2 GPUs (has 0)", "16 GB of memory (has 8 GB)", "the label 'a100'",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "count"), [("16GB", 16 << 30), ("512 MiB", 512 << 20), ("1.5g", 3 << 29), ("7", 7), (2.0, 2)]
)
def test_amounts_of_memory_are_read(text: object, count: int) -> None:
    assert read_bytes(text) == count


@pytest.mark.parametrize("text", ["", "GB", "-1", "1XB", True, None, float("nan"), "1e3", "9" * 40, -5])
def test_what_is_no_amount_of_memory_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="no amount of memory"):
        read_bytes(text)


def test_labels_are_read_from_text_and_lists() -> None:
    assert read_labels("a100, site=berlin,") == read_labels(["site=berlin", "a100"]) == {"a100", "site=berlin"}
    for odd in (["a b"], [3], 5, ["x" * 101], {"a": 1}):
        with pytest.raises(ValueError, match="label"):
            read_labels(odd)


def test_all_mistakes_in_needs_are_listed_at_once() -> None:
    with pytest.raises(InputError) as caught:
        read_needs({"gpu": 1, "cpus": "two", "gpus": 1.5, "memory": "lots", "labels": ["a b"]})
    assert len(caught.value.problems) == 5
    assert "Did you mean 'gpus'" in str(caught.value)
    with pytest.raises(InputError, match="must be a mapping"):
        read_needs(["gpus"])  # type: ignore[arg-type]


SHOWN = [(0, "0 bytes"), (999, "999 bytes"), (1023, "1023 bytes"), (1536, "1.5 KB"), (1 << 45, "32 TB")]


@pytest.mark.parametrize(("count", "text"), SHOWN)
def test_bytes_are_shown_for_people(count: int, text: str) -> None:
    assert shown_bytes(count) == text
