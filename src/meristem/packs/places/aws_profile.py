"""What the files of the AWS tools say: keys, region and endpoint of the profile that is chosen.

obstore itself reads environment variables, and asks the machine it runs on, but not these files. Keys are looked for
in the order of the AWS tools: environment, then the profile (AWS_PROFILE, else "default"), then the machine.
Profiles that need a login or a role are handed to boto3 where it is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from meristem.errors import InputError

if TYPE_CHECKING:
    from obstore.store import S3Credential, S3CredentialProvider

_BEYOND_FILES = ("role_arn", "sso_session", "sso_start_url", "credential_process", "web_identity_token_file")
_READ_AGAIN = timedelta(minutes=5)  # another tool may renew the keys in the file meanwhile


def profile_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of the chosen profile; empty where no file knows it.

    Raises:
        InputError: A profile was asked for by name and is in no file, or a file cannot be read.
    """
    name = environ.get("AWS_PROFILE") or "default"
    found: dict[str, str] = {}
    for variable, default, section in (
        ("AWS_CONFIG_FILE", "~/.aws/config", name if name == "default" else f"profile {name}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", name),
    ):
        found |= _section(Path(environ.get(variable) or default).expanduser(), section)
    if not found and environ.get("AWS_PROFILE"):
        raise InputError(
            f"There is no AWS profile {name!r}.",
            fix="AWS_PROFILE names it; profiles stand in ~/.aws/config and ~/.aws/credentials.",
        )
    return found


def credentials(environ: Mapping[str, str], profile: Mapping[str, str]) -> S3CredentialProvider | None:
    """What gives the keys of the profile; None: obstore finds them itself, in the environment or at the machine.

    Raises:
        InputError: The profile needs boto3, which is not installed.
    """
    if environ.get("AWS_ACCESS_KEY_ID"):
        return None
    if profile.get("aws_access_key_id") and profile.get("aws_secret_access_key"):
        return _FileKeys(dict(environ))
    if any(profile.get(setting) for setting in _BEYOND_FILES):
        return _boto3_keys(environ.get("AWS_PROFILE") or "default")
    return None


class _FileKeys:
    """Keys as they stand in the file, read again now and then."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ

    def __call__(self) -> S3Credential:
        profile = profile_settings(self._environ)
        return {
            "access_key_id": profile["aws_access_key_id"],
            "secret_access_key": profile["aws_secret_access_key"],
            "token": profile.get("aws_session_token"),
            "expires_at": datetime.now(UTC) + _READ_AGAIN,
        }


def _boto3_keys(name: str) -> S3CredentialProvider:
    try:
        import boto3  # takes long to import, and few need it
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        raise InputError(
            f"The AWS profile {name!r} logs in or takes a role, which needs boto3.",
            fix="Install it (pip install 'meristem[aws]'), or export the keys: "
            f'eval "$(aws configure export-credentials --profile {name} --format env)".',
        ) from error
    try:
        return Boto3CredentialProvider(boto3.Session(profile_name=name))
    except Exception as error:  # of many kinds, none of them ours
        raise InputError(
            f"The AWS profile {name!r} gives no keys ({type(error).__name__}).",
            fix=f"Log in again: aws sso login --profile {name}",
        ) from error


def _section(file: Path, section: str) -> dict[str, str]:
    parser = ConfigParser(interpolation=None, default_section="\0", strict=False)
    try:
        parser.read(file, encoding="utf-8")
    except (OSError, UnicodeDecodeError, ConfigParserError) as error:
        # Without what the parser says: it repeats lines of the file, which may be keys.
        raise InputError(f"{file} cannot be read ({type(error).__name__}).") from None
    return {key: value.strip() for key, value in parser[section].items()} if parser.has_section(section) else {}
