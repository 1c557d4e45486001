"""Which URL means which kind of place, and what the environment and the files of the AWS tools say about buckets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from meristem.errors import InputError
from meristem.packs.place import open_place
from meristem.packs.places.aws_profile import credentials, profile_settings
from meristem.packs.places.bucket_errors import understood
from meristem.packs.places.buckets import open_bucket
from meristem.packs.places.database import DatabasePlace
from meristem.packs.places.folder import FolderPlace
from meristem.packs.places.object_store import PATIENCE, ObjectStorePlace
from meristem.store.store import Store


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment whose AWS files are those of the test."""
    return {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("some/folder", FolderPlace),
        ("file:///tmp/meristem-never-made", FolderPlace),
        ("memory://name/prefix", ObjectStorePlace),
        ("s3://bucket/prefix", ObjectStorePlace),
        ("s3a://bucket", ObjectStorePlace),
        ("gcs://bucket/prefix", ObjectStorePlace),
        ("database:", DatabasePlace),
        ("database:/datasets", DatabasePlace),
    ],
)
def test_every_url_that_blobs_may_have_opens_a_place(url: str, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    store = Store("sqlite://")

    assert type(open_place(url, database=store.database)) is kind

    store.close()


@pytest.mark.parametrize("url", ["ftp://host/x", "database:", "s3://", "s3://key:secret@bucket/x", "s3://b/../x", ""])
def test_a_url_that_means_no_place_is_refused_without_repeating_keys(url: str) -> None:
    with pytest.raises(InputError) as refused:
        open_place(url)

    assert "secret" not in str(refused.value)


def test_memory_of_one_name_is_the_same_everywhere() -> None:
    open_place("memory://shared/one").put_new("packs/a", b"1")

    assert open_place("memory://shared/one/").read("packs/a") == b"1"
    assert open_place("memory://shared/two").size("packs/a") is None


def test_http_is_used_only_where_an_endpoint_says_so(environ: dict[str, str]) -> None:
    chosen = {"AWS_ENDPOINT_URL": "https://general", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000/"}

    assert open_bucket("s3://b", PATIENCE, environ | chosen).endpoint == "http://127.0.0.1:9000"
    assert open_bucket("s3://b", PATIENCE, environ).endpoint == ""


def test_keys_region_and_endpoint_come_from_the_profile(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nregion=a\n[profile lab]\nregion = b\nendpoint_url = http://lab:9000\n")
    (tmp_path / "credentials").write_text("[lab]\naws_access_key_id = K\naws_secret_access_key = S%1\n")
    environ["AWS_PROFILE"] = "lab"

    keys = credentials(environ, profile_settings(environ))

    assert keys is not None
    assert {"access_key_id": "K", "secret_access_key": "S%1", "token": None}.items() <= keys().items()  # type: ignore[union-attr]
    assert profile_settings(environ)["region"] == "b"
    assert open_bucket("s3://b", PATIENCE, environ).endpoint == "http://lab:9000"


def test_keys_in_the_environment_go_before_the_profile(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = K\naws_secret_access_key = S\n")
    environ["AWS_ACCESS_KEY_ID"] = "other"

    assert credentials(environ, profile_settings(environ)) is None


def test_a_profile_that_nobody_wrote_is_refused_by_name(environ: dict[str, str]) -> None:
    with pytest.raises(InputError, match="no AWS profile 'lba'"):
        profile_settings(environ | {"AWS_PROFILE": "lba"})


def test_a_profile_that_takes_a_role_says_what_it_needs(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[default]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = y\n")
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(InputError, match=r"meristem\[aws\]"):
        credentials(environ, profile_settings(environ))


def test_a_damaged_file_is_named_and_its_lines_are_not_shown(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("aws_secret_access_key = hidden\n")

    with pytest.raises(InputError) as refused:
        profile_settings(environ)

    assert "credentials" in str(refused.value)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "words", "transient"),
    [
        ("status code: 404 Not Found: <Code>NoSuchBucket</Code>", "does not exist", False),
        ("status code: 403 Forbidden: <Code>SignatureDoesNotMatch</Code>", "access is denied", False),
        ("status code: 403 Forbidden: <Code>RequestTimeTooSkewed</Code>", "clock", False),
        ("status code: 301 Moved: <Code>PermanentRedirect</Code>", "AWS_REGION", False),
        ("status code: 503 Busy: <Code>SlowDown</Code>", "slow down", True),
        ("status code: 429 Too Many Requests", "slow down", True),
        ("status code: 500 Internal: <Code>InternalError</Code>", "had a failure", True),
        ("status code: 400 Bad: <Code>RequestTimeout</Code>", "had a failure", True),
        ("status code: 507 Full", "it is full", False),
        ("status code: 400 Bad: <Code>InvalidArgument</Code>", "refused it (400 InvalidArgument)", False),
        (
            "HTTP error: error sending request: dns error: failed to lookup",
            "the name of the machine is not known",
            True,
        ),
        ("HTTP error: operation timed out", "did not answer in time", True),
        ("HTTP error: error sending request", "cannot be reached", True),
        ("GET http://169.254.169.254/latest/api/token: error sending request", "no keys were found", True),
        ("GET http://169.254.169.254/latest/api/token status code: 403 Forbidden", "no keys were found", True),
        ("strange https://host/x?sig=abcdef", "strange https://host/x?…", False),
    ],
)
def test_an_error_says_what_it_was_and_whether_trying_again_helps(
    said: str, words: str, transient: bool, environ: dict[str, str]
) -> None:
    error = understood(OSError(said), open_bucket("s3://b", PATIENCE, environ), "read")

    assert words in str(error)
    assert error.transient == transient
    assert "abcdef" not in str(error)
