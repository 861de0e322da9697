"""What the object store libraries raise, as the package's own errors. No message of the server is passed on."""

from __future__ import annotations

from airflow_provider_tiktok_offline.errors import StorageDeniedError, StorageError, StorageUnavailableError


def cloud_fault(error: BaseException, where: str) -> StorageError:
    """The error to raise instead; the library's text is read but never repeated, since it may name keys."""
    text = str(error)
    kind = type(error).__name__
    if kind in ("PermissionDeniedError", "UnauthenticatedError") or any(
        sign in text for sign in ("401 Unauthorized", "403 Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch")
    ):
        return StorageDeniedError(
            "the object store refused these credentials",
            where=where,
            todo="Check the connection's keys, or the machine's role and its policy (docs/operations.md).",
        )
    if "NoSuchBucket" in text:
        return StorageDeniedError(
            "there is no such bucket", where=where, todo="Create it, or correct the URI in the configuration."
        )
    return StorageUnavailableError(
        f"the object store did not do what was asked ({kind})", where=where, todo="It is tried again."
    )
