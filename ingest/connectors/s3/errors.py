"""What a store refuses, in words, with what to do about it."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from botocore import exceptions as boto

from app.core.errors import InputError
from ingest.connectors.s3.settings import S3Settings
from ingest.remote import TryAgainError

T = TypeVar("T")

LIST, GET = "s3:ListBucket", "s3:GetObject"

_LATER = frozenset(
    {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling", "TooManyRequests"}
    | {"ThrottlingException", "RequestLimitExceeded", "503", "500", "502", "504", "429"}
)
_RATE = frozenset({"SlowDown", "TooManyRequests", "Throttling", "ThrottlingException", "429"})
_REFUSED: Mapping[str, tuple[str, str]] = {
    "InvalidAccessKeyId": (
        "sign_in_failed",
        "The store does not know this access key. Enter one that exists.",
    ),
    "SignatureDoesNotMatch": (
        "sign_in_failed",
        "The secret key does not belong to this access key. Enter both again.",
    ),
    "ExpiredToken": ("token_expired", "The session token has run out. Enter a new key, secret and token."),
    "TokenRefreshRequired": ("token_expired", "The session token has run out. Enter a new one with its key."),
    "InvalidToken": ("token_expired", "The session token does not hold. Enter a new one with its key."),
    "RequestTimeTooSkewed": (
        "clock_skew",
        "This machine's clock and the store's differ by too much. Set this machine's clock, best by NTP.",
    ),
    "AuthorizationHeaderMalformed": (
        "wrong_region",
        "The store wants requests signed for another region. Enter the bucket's region.",
    ),
}


_CUT = (boto.ConnectionError, boto.HTTPClientError, boto.ResponseStreamingError)


def policy(bucket: str) -> str:
    """The rights that reading a bucket takes, as a policy to paste."""
    rights = [
        {"Effect": "Allow", "Action": [LIST], "Resource": [f"arn:aws:s3:::{bucket}"]},
        {"Effect": "Allow", "Action": [GET], "Resource": [f"arn:aws:s3:::{bucket}/*"]},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": rights})


def permission_missing(settings: S3Settings, action: str) -> InputError:
    return InputError(
        f"This key lacks {action} on {settings.bucket}. Attach this policy: {policy(settings.bucket)}",
        code="permission_missing",
    )


def asking(settings: S3Settings, action: str, call: Callable[[], T]) -> T:
    """What the call gives.

    Raises:
        TryAgainError: it failed in a way that may pass.
        InputError: the store refuses key, bucket, region or clock.
        botocore.exceptions.ClientError: anything else, for the caller to judge.
    """
    try:
        return call()
    except boto.ClientError as error:
        raise _of_answer(settings, action, error) from None
    except boto.SSLError:
        raise InputError(
            f"The certificate of {settings.host} is not trusted. Add its authority to this machine's trusted "
            "ones, or renew the certificate.",
            code="tls_failed",
        ) from None
    except (*_CUT, boto.IncompleteReadError) as error:
        raise TryAgainError(
            f"{settings.host} does not answer as it should: {type(error).__name__}. Check its address.",
            code="source_unreachable",
        ) from None
    except boto.BotoCoreError as error:
        # What boto cannot even send or read: an answer that is no XML, a bucket name it does not take.
        raise InputError(
            f"{settings.host} does not speak as S3 does ({type(error).__name__}). Check the store's address.",
            code="not_s3",
        ) from None


def code_of(error: boto.ClientError) -> str:
    """The store's own code; of an answer without a body, the HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _of_answer(settings: S3Settings, action: str, error: boto.ClientError) -> Exception:
    code, metadata = code_of(error), _metadata(error)
    headers = metadata.get("HTTPHeaders", {})
    if code in _LATER or metadata.get("HTTPStatusCode", 0) >= 500:
        after = str(headers.get("retry-after", ""))
        return TryAgainError(
            f"{settings.host} is busy ({code}).",
            code="rate_limited" if code in _RATE else "source_unreachable",
            after_seconds=float(after) if after.isdigit() else None,
        )
    region = headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region")
    if region and region != settings.region and (code in _MOVED or code == "AuthorizationHeaderMalformed"):
        return InputError(
            f"The bucket {settings.bucket} lies in the region {region}. Enter that region.",
            code="wrong_region",
        )
    if code in _MOVED:
        return InputError(
            f"The bucket {settings.bucket} lies elsewhere. Check the region and the store's address.",
            code="wrong_region",
        )
    if code in _REFUSED:
        stable, message = _REFUSED[code]
        return InputError(message, code=stable)
    if code == "NoSuchBucket" or (code == "404" and action == LIST):
        return InputError(
            f"There is no bucket {settings.bucket} at {settings.host}. Check its name and the address.",
            code="bucket_missing",
        )
    if action == LIST and code in ("AccessDenied", "403", "AllAccessDisabled"):
        return permission_missing(settings, LIST)
    unknown: Exception = error
    return unknown


_MOVED = frozenset(
    {"PermanentRedirect", "TemporaryRedirect", "Redirect", "301", "307", "IllegalLocationConstraintException"}
)


def _metadata(error: boto.ClientError) -> Mapping[str, Any]:
    found: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
    return found
