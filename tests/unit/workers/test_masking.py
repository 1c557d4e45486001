"""Secrets never pass, wherever a stream is cut; all else passes as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.workers.masking import Masking, looks_secret, masked, secret_values

few = st.text(alphabet="ab:/@x ", max_size=60)


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "WANDB_API_KEY", "KEY", "PGPASSWORD"]
)
def test_names_that_look_secret(name):
    assert looks_secret(name)


@pytest.mark.parametrize("name", ["PATH", "KEYBOARD", "MONKEY", "HOME", "TOKYO", "AUTHOR"])
def test_names_that_do_not(name):
    assert not looks_secret(name)


def test_values_of_secrets_are_found_and_harmless_ones_left():
    variables = {"API_TOKEN": "abcdef123", "HOME": "/root", "USE_TOKEN": "true", "SSH_KEY": "/etc/key", "PIN": "1234"}
    assert secret_values(variables, ["PIN"]) == ["abcdef123", "1234"]


def test_the_password_of_an_address_is_a_secret_whatever_the_variable_is_called():
    assert secret_values({"STORE": "postgresql://me:hunter2@host/db"}) == ["hunter2"]


def test_text_is_masked():
    assert masked("token=abcdef123!", ["abcdef123"]) == "token=****!"
    assert masked("at postgresql://me:pw@host", []) == "at postgresql://me:****@host"


def test_of_secrets_that_overlap_the_longest_that_begins_first_goes():
    assert masked("xabcd xabc", ["abc", "abcd"]) == "x**** x****"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({min(place, len(data)) for place in places})
    return [data[a:b] for a, b in zip([0, *marks], [*marks, len(data)], strict=True)]


@given(few, st.lists(st.text(alphabet="ab:/", min_size=1, max_size=5), max_size=3), st.lists(st.integers(0, 60)))
def test_the_same_comes_out_wherever_a_stream_is_cut(text, secrets, places):
    stream = Masking(secrets)
    pieces = b"".join(stream.feed(piece) for piece in cut(text.encode(), places)) + stream.finish()
    assert pieces.decode() == masked(text, secrets)


@given(few, st.text(alphabet="ab@", min_size=1, max_size=5))
def test_no_secret_is_left(text, secret):
    assert secret not in masked(text, [secret])


@given(st.binary(max_size=100), st.lists(st.integers(0, 100)))
def test_bytes_of_any_kind_pass_unchanged_where_there_is_no_secret(data, places):
    stream = Masking(["a secret that is not there"])
    out = b"".join(stream.feed(piece) for piece in cut(data, places)) + stream.finish()
    assert out == data or b"://" in data


def test_what_cannot_be_a_secret_is_not_held_back():
    stream = Masking(["hunter2"])
    assert stream.feed(b"epoch 3") == b"epoch 3"
    assert stream.feed(b" hunt") == b" "
    assert stream.feed(b"ing") == b"hunting"


def test_a_longer_secret_is_waited_for_where_a_shorter_one_is_its_beginning():
    stream = Masking(["abc", "abcd"])
    assert stream.feed(b"xabc") == b"x"
    assert stream.feed(b"d.") + stream.finish() == b"****."


@given(st.text(alphabet="aä\ud800\udc80\udfff", max_size=20))
def test_any_text_can_be_masked_and_then_encoded(text):
    masked(text + "abcdef123", ["abcdef123"]).encode("utf-8", "surrogateescape")
    assert masked(text + "abcdef123", ["abcdef123"]).endswith("****")
