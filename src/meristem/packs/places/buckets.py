"""Opens what a URL of an object store means: s3://bucket/prefix, gs://, az://container/prefix, memory://name.

Settings come from the environment, under the names that the tools of each provider use; S3 also from the files of
the AWS tools (see `aws_profile`). Plain http is used where an endpoint says so, never by itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from meristem.errors import InputError
from meristem.packs.places.aws_profile import credentials, profile_settings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

# As other libraries spell them, too.
SCHEMES = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "memory": "memory"}
_CONNECTING = timedelta(seconds=5)
_SILENCE = timedelta(seconds=30)
_WHOLE_READ = timedelta(minutes=5)
_WHOLE_WRITE = timedelta(minutes=10)  # four packs at once, on a line of a few Mbit/s
_memories: dict[str, MemoryStore] = {}  # by name: all of this process that open memory://name see the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """An object store, opened twice.

    An answer to a read that stalls is given up soon; while an upload is under way no answer comes at all.
    """

    scheme: str
    name: str
    prefix: str  # of all keys; "" or ending in "/"
    endpoint: str  # "" for the provider's own
    reads: ObjectStore
    writes: ObjectStore

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.name}/{self.prefix}".rstrip("/")


def open_bucket(url: str, patience: timedelta, environ: Mapping[str, str] | None = None) -> Bucket:
    """Opens an object store by its URL; nothing is sent yet.

    Raises:
        InputError: The URL, or a setting in the environment, cannot be used.
    """
    given_scheme, _, rest = url.partition("://")
    scheme = SCHEMES[given_scheme]
    name, _, path = rest.partition("/")
    if "@" in name or (not name and scheme != "memory"):
        raise InputError(
            f"{scheme}://… is not the URL of a bucket: "
            + ("it holds keys, and URLs are shown and stored." if "@" in name else "the bucket's name is missing."),
            fix=f"Write {scheme}://bucket/prefix; keys belong into the environment.",
        )
    prefix = "".join(f"{part}/" for part in path.split("/") if part)
    if not {".", ".."}.isdisjoint(path.split("/")):
        raise InputError(f"{url!r:.200} is not the URL of a bucket: '.' and '..' mean nothing there.")
    if scheme == "memory":
        memory = _memories.setdefault(name, MemoryStore())
        return Bucket(scheme=scheme, name=name, prefix=prefix, endpoint="", reads=memory, writes=memory)
    given, endpoint = _s3_settings(os.environ if environ is None else environ) if scheme == "s3" else ({}, "")
    kind: Any = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[scheme]
    try:
        reads, writes = (
            kind(name, client_options=_client(endpoint, whole), retry_config=_retries(patience), **given)
            for whole in (_WHOLE_READ, _WHOLE_WRITE)
        )
    except (BaseError, ValueError, OSError) as error:
        raise InputError(
            f"{scheme}://{name} cannot be opened: {str(error).splitlines()[0]}.",
            fix="Its settings come from the environment (AWS_…, GOOGLE_…, AZURE_…).",
        ) from error
    return Bucket(scheme=scheme, name=name, prefix=prefix, endpoint=endpoint, reads=reads, writes=writes)


def s3_options(environ: Mapping[str, str]) -> dict[str, Any]:
    """What an object store of S3 is opened with, also by other libraries than this one."""
    given, endpoint = _s3_settings(environ)
    return {**given, "client_options": _client(endpoint, _WHOLE_READ)}


def _s3_settings(environ: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    profile = profile_settings(environ)
    chosen = [environ.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")]
    endpoint = next((url for url in [*chosen, profile.get("endpoint_url")] if url), "").rstrip("/")
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or profile.get("region")
    given: dict[str, Any] = {"credential_provider": credentials(environ, profile)}
    given |= {"region": region} if region else {}
    given |= {"endpoint": endpoint} if endpoint else {}
    return {name: value for name, value in given.items() if value is not None}, endpoint


def _client(endpoint: str, whole: timedelta) -> ClientConfig:
    options: ClientConfig = {"connect_timeout": _CONNECTING, "timeout": whole}
    if whole == _WHOLE_READ:
        options["read_timeout"] = _SILENCE
    if endpoint.startswith("http://"):
        options["allow_http"] = True
    return options


def _retries(patience: timedelta) -> RetryConfig:
    """A few quick ones for single requests; ours go on where these end, and cover what these leave out."""
    backoff = {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2}
    return {"max_retries": 2, "backoff": backoff, "retry_timeout": patience}  # type: ignore[typeddict-item]
