"""Open the object store at a URI: a local directory, S3 or Google Cloud Storage."""

from __future__ import annotations

import secrets
from pathlib import Path

from airflow_provider_tiktok_offline.connections import Connections
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.storage.backends.cloud_faults import CloudFault
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore
from airflow_provider_tiktok_offline.storage.uris import parse

#: Characters that the table library decodes or cuts a path at: objects and tables would lie in two places.
_AMBIGUOUS = {"file": "%", "s3": "%?#", "gs": "%?#"}


def open_objects(uri: str, connections: Connections | None = None) -> ObjectStore:
    """Open the store at a URI; a local directory is made when first written to.

    :param uri: an absolute path, ``file:///path``, ``s3://conn_id@bucket/prefix`` or ``gs://conn_id@bucket/prefix``.
        Without ``conn_id`` the machine's own role or environment is used.
    :param connections: where ``conn_id`` is looked up.
    :raises ConfigError: if the URI or the connection can't be used.
    """
    location = parse(uri)
    if location.scheme == "sftp":
        raise ConfigError(
            "an SFTP server can't hold the state: it has no compare-and-swap.",
            where=uri,
            todo="Use an absolute path, s3://conn_id@bucket/prefix or gs://conn_id@bucket/prefix.",
        )
    if any(character in location.path for character in _AMBIGUOUS[location.scheme]):
        raise ConfigError(
            f"the path of a directory for state holds one of {' '.join(_AMBIGUOUS[location.scheme])}, "
            "which the table library takes for an escape",
            where=uri,
            todo="Choose another directory or prefix.",
        )
    if location.scheme == "file":
        from airflow_provider_tiktok_offline.storage.backends.local_objects import LocalObjects

        return LocalObjects(Path(location.path))
    from airflow_provider_tiktok_offline.storage.backends.cloud_objects import CloudObjects
    from airflow_provider_tiktok_offline.storage.backends.cloud_options import gcs_options, s3_options

    if location.conn_id is not None and connections is None:
        raise ConfigError(f"no connections were given to look up {location.conn_id!r} in")
    connection = connections.get(location.conn_id) if location.conn_id is not None and connections is not None else None
    options = (s3_options if location.scheme == "s3" else gcs_options)(location.bucket, connection)
    return CloudObjects(options, location.path.strip("/"))


def check_conditional_writes(objects: ObjectStore) -> None:
    """Make sure that the store creates an object once only, and replaces none but the version that was read.

    Some stores take the conditions of a write and do not look at them.

    :raises StorageError: if it does not.
    """
    probe = f"probes/{secrets.token_hex(8)}"
    try:
        created = objects.create(probe, b"1")
        again = objects.create(probe, b"2")
        found = objects.get(probe)
        replaced = found is not None and objects.replace(probe, b"3", found[1])
        stale = found is not None and objects.replace(probe, b"4", found[1])
    finally:
        objects.delete(probe)
    if not created or again or not replaced or stale:
        raise CloudFault.UNCONDITIONAL.at(objects.uri)


def read_page(uri: str, path: str, connections: Connections) -> bytes | None:
    """An object that is shown to somebody who could not open the store; None if it is not there.

    In a local directory no symbolic link below it is followed: it may lead anywhere on the machine that shows it.

    :param uri: as for :func:`open_objects`.
    :param path: the object's, below it.
    """
    location = parse(uri)
    if location.scheme == "file":
        from airflow_provider_tiktok_offline.storage.backends.local_objects import read_without_links

        return read_without_links(location.path, path)
    found = open_objects(uri, connections).get(path)
    return None if found is None else found[0]
