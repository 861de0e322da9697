"""What goes wrong with an object store, in one wording for every library that speaks to it.

The libraries' texts are read for S3's error codes and for what rustls says, and never repeated: they may name keys,
and hold what the server likes.
"""

from __future__ import annotations

import re
from enum import Enum

from airflow_provider_tiktok_offline.errors import StorageDeniedError, StorageError, StorageUnavailableError


class CloudFault(Enum):
    """A fault that somebody must mend, with the error, what is said and what is to be done."""

    TLS = (
        StorageError,
        "the object store's TLS certificate is not trusted, or it speaks no TLS",
        "If its authority is your own, give the file of its certificate as verify in the connection's extra; "
        "if it speaks no TLS, write http:// in endpoint_url (and allow_http in the extra, off this machine).",
    )
    NO_CREDENTIALS = (
        StorageDeniedError,
        "there are no credentials for the object store",
        "Name a connection in the URI (s3://conn_id@bucket/...), or give the machine a role; "
        "for S3, AWS_ variables or ~/.aws do too.",
    )
    EXPIRED = (
        StorageDeniedError,
        "the object store's credentials have expired",
        "Renew them. With role_arn in the connection, or the machine's own role, they renew themselves.",
    )
    WRONG_KEYS = (
        StorageDeniedError,
        "the object store refused these credentials: key id or secret is wrong",
        "Correct login and password of the connection, or the machine's credentials.",
    )
    DENIED = (
        StorageDeniedError,
        "the object store denied access",
        "Give this key or role the rights of docs/deployment.md, on this bucket and prefix.",
    )
    CLOCK = (
        StorageDeniedError,
        "the object store refused this machine's clock: it is more than 15 minutes off",
        "Synchronise it (NTP).",
    )
    REGION = (
        StorageError,
        "the bucket lies in another region than the one asked",
        "Set region_name in the connection's extra, or AWS_REGION, to the bucket's region.",
    )
    NO_BUCKET = (StorageDeniedError, "there is no such bucket", "Create it, or correct the URI in the configuration.")
    UNCONDITIONAL = (
        StorageError,
        "the object store takes no conditional writes",
        "Two runs could both claim a transaction: use a store with If-None-Match and If-Match (docs/deployment.md).",
    )
    UNEXPLAINED = (
        StorageError,
        "the object store refused the request and gave no reason (HTTP 400)",
        "Check region_name, and whether the credentials have expired.",
    )

    def at(self, where: str) -> StorageError:
        """The error to raise."""
        kind, what, todo = self.value
        fault: StorageError = kind(what, where=where, todo=todo)
        return fault


_BY_CODE = {
    CloudFault.WRONG_KEYS: ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "AuthFailure"),
    CloudFault.EXPIRED: ("ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"),
    CloudFault.DENIED: ("AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "401", "Forbidden"),
    CloudFault.CLOCK: ("RequestTimeTooSkewed",),
    CloudFault.REGION: (
        "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException", "301",
    ),
    CloudFault.NO_BUCKET: ("NoSuchBucket",),
    CloudFault.UNCONDITIONAL: ("NotImplemented", "501"),
    CloudFault.UNEXPLAINED: ("400", "Bad Request"),
}  # fmt: skip
#: S3's error code, or botocore's for an answer without a body -> what it means here.
CODES = {code: fault for fault, codes in _BY_CODE.items() for code in codes}
#: Signs in the texts of object_store (obstore, deltalake), in this order.
_SIGNS = (
    (
        CloudFault.TLS,
        ("InvalidCertificate", "invalid peer certificate", "InvalidContentType", "received corrupt message"),
    ),
    (CloudFault.REGION, ("incorrectly configured region",)),
    (
        CloudFault.NO_CREDENTIALS,
        ("169.254.169.254", "169.254.170.2", "CredentialsNotLoaded", "credential provider", "metadata.google.internal"),
    ),
    (CloudFault.DENIED, ("403 Forbidden", "401 Unauthorized")),
    (CloudFault.UNCONDITIONAL, ("501 Not Implemented",)),
    (CloudFault.UNEXPLAINED, ("400 Bad Request",)),
)  # fmt: skip


def cloud_fault(error: BaseException, where: str) -> StorageError:
    """The error to raise instead of one of obstore's, deltalake's or Polars'."""
    # deltalake breaks and colours its lines.
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m|↳", " ", str(error)).split())
    said = re.search(r"<Code>(\w+)</Code>", text)
    if said is not None and said[1] in CODES:
        return CODES[said[1]].at(where)
    if type(error).__name__ in ("PermissionDeniedError", "UnauthenticatedError"):
        return CloudFault.DENIED.at(where)
    for fault, signs in _SIGNS:
        if any(sign in text for sign in signs):
            return fault.at(where)
    return StorageUnavailableError(
        f"the object store did not do what was asked ({type(error).__name__})", where=where, todo="It is tried again."
    )
