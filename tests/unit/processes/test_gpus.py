"""GPU ids are read as Clara writes them, and slots follow from them."""

from __future__ import annotations

import pytest

from meristem.errors import InputError
from meristem.executors.command import CommandExecutor
from meristem.executors.function import FunctionExecutor
from meristem.processes.gpus import gpus_of, parse_gpus, slot_count


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("0", (("0",),)),
        (3, (("3",),)),
        ("0,1:2,3", (("0", "1"), ("2", "3"))),
        (" 0 , 1 : 2 ", (("0", "1"), ("2",))),
        ("GPU-8932f937-d72c:MIG-0/1/2", (("GPU-8932f937-d72c",), ("MIG-0/1/2",))),
        ("0:0", (("0",), ("0",))),
    ],
)
def test_groups_are_read_with_colons_between_slots_and_commas_within(text, groups):
    assert parse_gpus(text) == groups


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "slot 0 names no GPU"),
        ("0:", "slot 1 names no GPU"),
        ("0,,1", "slot 0 has an empty GPU id"),
        ("0;1", "'0;1' is no GPU id"),
        ("-1", "'-1' is no GPU id"),
        ("0,0", "slot 0 names a GPU twice"),
    ],
)
def test_a_mistake_names_its_slot(text, problem):
    with pytest.raises(InputError, match=problem):
        parse_gpus(text)


def test_all_mistakes_are_listed_at_once():
    with pytest.raises(InputError) as caught:
        parse_gpus("0,0::x y")
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("given", [["0"], True, None, 1.5])
def test_anything_but_text_is_refused(given):
    with pytest.raises(InputError, match="must be text"):
        parse_gpus(given)


def test_each_group_of_gpus_is_a_slot():
    groups = parse_gpus("0,1:2,3:4")
    assert slot_count(None, groups) == 3
    assert slot_count(2, groups) == 2
    assert gpus_of(groups, 1) == ("2", "3")


def test_without_gpus_slots_are_as_given():
    assert slot_count(None, None) is None
    assert slot_count(4, None) == 4
    assert gpus_of(None, 0) == ()


@pytest.mark.parametrize("slots", [0, -1, True, 1.5, "2"])
def test_slots_that_are_no_number_from_1_are_refused(slots):
    with pytest.raises(InputError, match="number of slots"):
        slot_count(slots, None)


def test_more_slots_than_groups_of_gpus_are_refused():
    with pytest.raises(InputError, match="3 slots but GPUs for 2"):
        slot_count(3, parse_gpus("0:1"))


def test_both_executors_hold_as_many_jobs_as_there_are_groups():
    assert CommandExecutor("true", gpus="0,1:2,3").slots == 2
    assert FunctionExecutor(len, gpus="0:1:2").slots == 3
    assert FunctionExecutor(len).slots is None
