"""Open the store of files that a URI lies in: local disk, SFTP, S3 or Google Cloud Storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_tiktok_offline.connections import Connections
from airflow_provider_tiktok_offline.storage.protocols import RemoteFiles
from airflow_provider_tiktok_offline.storage.uris import parse


@contextmanager
def open_files(uri: str, connections: Connections) -> Iterator[RemoteFiles]:
    """The store that ``uri`` lies in, over one connection for as long as the context lasts.

    :param uri: any file or folder of the store.
    :raises HostKeyError: at once, if an SFTP server is not the one that was pinned.
    :raises StorageDeniedError: at once, if credentials are refused.
    :raises StorageUnavailableError: if the server does not answer.
    """
    location = parse(uri)
    if location.scheme == "file":
        from airflow_provider_tiktok_offline.storage.backends.local_files import LocalFiles

        yield LocalFiles()
    elif location.scheme == "sftp":
        from airflow_provider_tiktok_offline.storage.backends.sftp_files import open_sftp

        with open_sftp(connections.get(location.conn_id or "")) as files:
            yield files
    elif location.scheme == "s3":
        from airflow_provider_tiktok_offline.storage.backends.s3_files import open_s3

        with open_s3(connections.get(location.conn_id) if location.conn_id else None) as files:
            yield files
    else:
        from airflow_provider_tiktok_offline.storage.backends.gcs_files import open_gcs

        with open_gcs(connections.get(location.conn_id) if location.conn_id else None) as files:
            yield files
