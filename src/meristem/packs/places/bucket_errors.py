"""What goes wrong at an object store, in our words: what, why, how to fix it, and whether trying again may help.

obstore gives one kind of error for most things, with the answer of the server in its text. That text is searched for
what is known, and never repeated whole: it may hold signed URLs.
"""

from __future__ import annotations

import re

from meristem.errors import PlaceUnavailable
from meristem.packs.places.buckets import Bucket

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|specified bucket does not exist")
_OUT_OF_RANGE = re.compile(r"status code: 416|InvalidRange|Invalid range|non-partial response")
_NO_CONDITIONS = re.compile(r"status code: 501|<Code>NotImplemented</Code>|not (supported|implemented)", re.IGNORECASE)
_DENIED = {"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
_ELSEWHERE = {"301", "307", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
_BUSY = {"429", "503", "SlowDown", "ServiceUnavailable", "TooManyRequests", "Throttling", "RequestLimitExceeded"}
_FULL = {"507", "QuotaExceeded", "XMinioStorageFull", "InsufficientStorage"}
_AGAIN = {"408", "409", "RequestTimeout", "IncompleteBody", "BadDigest", "OperationAborted"}
_NO_NAME = re.compile(r"dns error|failed to lookup|Name or service not known", re.IGNORECASE)
_SILENT = re.compile(r"timed ?out", re.IGNORECASE)
_UNREACHED = re.compile(r"error sending request|HTTP error|connection|error decoding|body error|hyper", re.IGNORECASE)
_MEND = "Check the endpoint (AWS_ENDPOINT_URL for S3, the account's name for Azure)"
_PROVIDERS = {"s3": "Amazon S3", "gs": "Google Cloud Storage", "az": "Azure"}
_SETTINGS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (AWS_SESSION_TOKEN where they are temporary), or AWS_PROFILE",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


def no_bucket(error: BaseException) -> bool:
    return _NO_BUCKET.search(str(error)) is not None


def out_of_range(error: BaseException) -> bool:
    """Whether bytes were asked for that lie past the end."""
    return _OUT_OF_RANGE.search(str(error)) is not None


def no_conditions(error: BaseException) -> bool:
    """Whether the server knows no put that must not replace anything."""
    return _NO_CONDITIONS.search(str(error)) is not None


def missing_bucket(bucket: Bucket) -> PlaceUnavailable:
    where = f" at {bucket.endpoint}" if bucket.endpoint else ""
    make = f"aws s3 mb s3://{bucket.name}" if bucket.scheme == "s3" else "with your provider's tools"
    return PlaceUnavailable(
        f"The bucket {bucket.name!r} of {bucket.url} does not exist{where}.",
        "Buckets are not made by themselves, so that a typo makes none.",
        f"Create it ({make}), or mend the URL or the endpoint.",
    )


def understood(error: BaseException, bucket: Bucket, verb: str) -> PlaceUnavailable:
    """Our error for one of obstore's.

    Args:
        error: What obstore raised.
        bucket: Where.
        verb: "read" or "written".
    """
    text = str(error)
    status, code = (match[1] if (match := search(text)) else "" for search in (_STATUS.search, _CODE.search))
    said = " ".join(part for part in (status, code) if part)
    facts, where = {status, code}, bucket.endpoint or _PROVIDERS.get(bucket.scheme, "its provider")
    what = f"{bucket.url} cannot be {verb}"
    settings = _SETTINGS.get(bucket.scheme, "")
    if no_bucket(error):
        return missing_bucket(bucket)
    if "169.254." in text:  # it asked the machine for keys; what the machine said to that is beside the point
        return _again(f"{what}: no keys were found.", "This machine gives none either.", f"Set {settings}.")
    if facts & _BUSY:
        return _again(f"{what}: {where} asks to slow down ({said}).", "It was asked again, slower and slower.")
    if facts & _FULL:
        return PlaceUnavailable(
            f"{what}: it is full ({said}).", "", "Free some space: meristem data gc gives back what no version needs."
        )
    if code == "RequestTimeTooSkewed":
        return PlaceUnavailable(f"{what}: the clock of this machine is wrong ({said}).", "", "Set it right.")
    if facts & _ELSEWHERE:
        return PlaceUnavailable(
            f"{what}: the bucket is in another region ({said}).", "", "Name its region: AWS_REGION=…"
        )
    if facts & _DENIED or type(error).__name__ in ("PermissionDeniedError", "UnauthenticatedError"):
        return PlaceUnavailable(
            f"{what}: access is denied ({said or type(error).__name__}).",
            "The keys are wrong or have expired, or they do not allow it.",
            f"They come from {settings}; they need the right to list, read, write and delete there.",
        )
    if facts & _AGAIN or status.startswith("5"):
        return _again(f"{what}: {where} had a failure ({said}).")
    if status:
        return PlaceUnavailable(f"{what}: {where} refused it ({said}).", "", "See its documentation for this answer.")
    return _without_answer(text, what, where)


def _without_answer(text: str, what: str, where: str) -> PlaceUnavailable:
    if _NO_NAME.search(text):
        return _again(f"{what}: the name of the machine is not known ({where}).", "", f"{_MEND} and the network.")
    if _SILENT.search(text):
        return _again(f"{what}: {where} did not answer in time.")
    if _UNREACHED.search(text):
        return _again(f"{what}: {where} cannot be reached, or the connection broke.")
    return PlaceUnavailable(f"{what}: {_first_line(text)}")


def _again(what: str, why: str = "", fix: str = "") -> PlaceUnavailable:
    fix = fix or f"Try again; if it stays so, see whether the server runs. {_MEND}."
    return PlaceUnavailable(what, why, fix, transient=True)


def _first_line(text: str) -> str:
    return re.sub(r"\?\S*", "?…", text.splitlines()[0])[:200] if text else "no reason was given."
