"""What the table libraries raise, as the package's own errors. No message of a server is passed on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from airflow_provider_tiktok_offline.errors import LedgerDamagedError, TikTokOfflineError
from airflow_provider_tiktok_offline.storage.backends.cloud_faults import cloud_fault

#: Words of the libraries' messages that distinguish a failing connection or store from a damaged table.
_TRANSPORT = ("error sending request", "Generic S3 error", "Generic GCS error", "403 Forbidden", "401 Unauthorized",
              "NoSuchBucket", "status code: 5")  # fmt: skip


class CommitConflict(Exception):
    """Another writer committed first: read again."""


@contextmanager
def table_faults(where: str, *, remote: bool) -> Iterator[None]:
    """Translate errors of deltalake, Polars and the operating system.

    :param where: the table's place, for messages.
    :param remote: the table lies in a bucket.
    :raises CommitConflict: if another writer committed first.
    :raises StorageError: if the store can't be used now.
    :raises LedgerDamagedError: if the table can't be read.
    """
    from deltalake.exceptions import CommitFailedError, DeltaError

    try:
        yield
    except CommitFailedError:
        raise CommitConflict from None
    except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
        raise _translated(error, where, remote) from None
    except BaseException as error:
        # A panic in the Rust library is no Exception; an interrupt or a kill is passed on.
        if type(error).__name__ != "PanicException":
            raise
        raise _translated(error, where, remote) from None


def _translated(error: BaseException, where: str, remote: bool) -> TikTokOfflineError:
    text = str(error)
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        return cloud_fault(error, where)
    if remote and any(sign in text for sign in _TRANSPORT):
        return cloud_fault(error, where)
    return LedgerDamagedError(
        f"a table can't be read ({type(error).__name__})",
        where=where,
        todo="Nothing was sent. Restore the table, or rebuild it (docs/operations.md).",
    )
