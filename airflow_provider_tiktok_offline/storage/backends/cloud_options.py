"""Credentials of S3 and Google Cloud Storage, from an Airflow connection or from the machine's role."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, GCSStore, RetryConfig, S3Store

#: How long one call may try before the step fails and is tried again by Airflow.
_RETRY: RetryConfig = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudOptions:
    """How to reach one bucket. ``repr`` shows no secret.

    Attributes:
        scheme: ``s3`` or ``gs``.
        bucket: its name.
        config: what ``obstore`` takes.
        storage_options: the same for ``deltalake`` and Polars.
        plain_http: whether the endpoint is without TLS (a server on one's own network).
    """

    scheme: Literal["s3", "gs"]
    bucket: str
    config: Mapping[str, Any] = field(repr=False)
    storage_options: dict[str, str] = field(repr=False)
    plain_http: bool = False

    def store(self, prefix: str) -> GCSStore | S3Store:
        """The ``obstore`` store of that prefix."""
        from obstore.store import GCSStore, S3Store

        kind = S3Store if self.scheme == "s3" else GCSStore
        client: ClientConfig = {"allow_http": self.plain_http, "timeout": timedelta(seconds=60)}
        return kind(self.bucket, prefix=prefix or None, client_options=client, retry_config=_RETRY, **self.config)


def s3_options(bucket: str, connection: Connection | None) -> CloudOptions:
    """What an ``aws`` connection says; without one, the environment or the machine's role.

    :raises ConfigError: for a connection that names a role or profile to assume.
    """
    config: dict[str, object] = {}
    plain_http = False
    if connection is not None:
        extra = connection.extra
        for unsupported in ("role_arn", "profile_name", "assume_role_method"):
            if extra.get(unsupported):
                raise ConfigError(
                    f"{unsupported} is not supported for state and staging",
                    where=f"connection {connection.conn_id}",
                    todo="Give the workers' own role the rights and leave the connection out, or use keys.",
                )
        config["access_key_id"] = connection.login or extra.get("aws_access_key_id")
        config["secret_access_key"] = connection.password or extra.get("aws_secret_access_key")
        config["session_token"] = extra.get("aws_session_token") or extra.get("session_token")
        config["region"] = extra.get("region_name")
        service = (extra.get("service_config") or {}).get("s3") or {}
        endpoint = service.get("endpoint_url") or extra.get("endpoint_url") or extra.get("host")
        config["endpoint"] = endpoint
        plain_http = str(endpoint or "").startswith("http://")
        config = {key: value for key, value in config.items() if value}
    storage = {f"aws_{key}": str(value) for key, value in config.items()}
    if "endpoint" in config:
        storage["aws_endpoint_url"] = storage.pop("aws_endpoint")
    storage["aws_conditional_put"] = "etag"
    if plain_http:
        storage["aws_allow_http"] = "true"
    return CloudOptions(scheme="s3", bucket=bucket, config=config, storage_options=storage, plain_http=plain_http)


def gcs_options(bucket: str, connection: Connection | None) -> CloudOptions:
    """What a ``google_cloud_platform`` connection says; without one, the application default credentials.

    A ``gs_base_url`` in the key, as object store clients write it, names an emulator or a private endpoint.
    """
    config: dict[str, str] = {}
    plain_http = False
    if connection is not None:
        keyfile = connection.extra.get("keyfile_dict")
        if keyfile:
            account = json.loads(keyfile) if isinstance(keyfile, str) else dict(keyfile)
            config["service_account_key"] = json.dumps(account)
            if account.get("gs_base_url"):
                config["base_url"] = str(account["gs_base_url"])
                plain_http = config["base_url"].startswith("http://")
        elif connection.extra.get("key_path"):
            config["service_account"] = str(connection.extra["key_path"])
    storage = {f"google_{key}": str(value) for key, value in config.items()}
    if plain_http:
        storage["allow_http"] = "true"
    return CloudOptions(scheme="gs", bucket=bucket, config=config, storage_options=storage, plain_http=plain_http)
