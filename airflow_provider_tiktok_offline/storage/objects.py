"""Open the object store at a URI: a local directory, S3 or Google Cloud Storage."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from airflow_provider_tiktok_offline.connections import Connections
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore


def open_objects(uri: str, connections: Connections | None = None) -> ObjectStore:
    """Open the store at a URI; a local directory is made when first written to.

    :param uri: an absolute path, ``file:///path``, ``s3://conn_id@bucket/prefix`` or ``gs://conn_id@bucket/prefix``.
        Without ``conn_id`` the machine's own role or environment is used.
    :param connections: where ``conn_id`` is looked up.
    :raises ConfigError: if the URI or the connection can't be used.
    """
    if uri.startswith("/"):
        return _local(uri)
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return _local(unquote(parts.path))
    if parts.scheme not in ("s3", "gs"):
        raise ConfigError(
            f"{parts.scheme or 'a relative path'!r} is no place for state",
            todo="Use an absolute path, s3://conn_id@bucket/prefix or gs://conn_id@bucket/prefix.",
        )
    conn_id, _, bucket = parts.netloc.rpartition("@")
    if not bucket or ":" in conn_id:
        raise ConfigError(
            f"a {parts.scheme}:// URI needs a bucket, and credentials come from a connection, never from the URI",
            todo=f"Write {parts.scheme}://conn_id@bucket/prefix.",
        )
    from airflow_provider_tiktok_offline.storage.backends.cloud_objects import CloudObjects
    from airflow_provider_tiktok_offline.storage.backends.cloud_options import gcs_options, s3_options

    if conn_id and connections is None:
        raise ConfigError(f"no connections were given to look up {conn_id!r} in")
    connection = connections.get(unquote(conn_id)) if conn_id and connections is not None else None
    options = (s3_options if parts.scheme == "s3" else gcs_options)(bucket, connection)
    return CloudObjects(options, unquote(parts.path).strip("/"))


def _local(path: str) -> ObjectStore:
    from airflow_provider_tiktok_offline.storage.backends.local_objects import LocalObjects

    return LocalObjects(Path(path))
