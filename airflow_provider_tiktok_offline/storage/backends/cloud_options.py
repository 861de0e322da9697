"""Credentials of S3 and Google Cloud Storage, from an Airflow connection or from the machine's role."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.storage.backends.plain_http import refuse_machine_http, refuse_plain_http
from airflow_provider_tiktok_offline.storage.backends.s3_access import SessionCredentials, s3_access

if TYPE_CHECKING:
    from obstore.store import ClientConfig, GCSStore, RetryConfig, S3Store

#: Of one request, from the connection to the last byte of its answer.
_REQUEST, _CONNECT = timedelta(seconds=60), timedelta(seconds=15)
#: How long one call may try before the step fails and is tried again by Airflow.
_RETRY: RetryConfig = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
#: Where the environment names another server than Amazon's; files are read from there, too.
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
#: Where the object store libraries go by themselves.
_AMAZON = re.compile(r"https://s3[.-]?[a-z0-9-]*\.amazonaws\.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudOptions:
    """How to reach one bucket. ``repr`` shows no secret.

    Attributes:
        scheme: ``s3`` or ``gs``.
        bucket: its name.
        config: what ``obstore`` takes.
        table_options: the same for ``deltalake`` and Polars.
        credentials: where they change while the store is open.
        plain_http: whether the endpoint is without TLS (a server on one's own network).
        verify: False takes any certificate, a path names the authorities to trust, None the usual ones.
    """

    scheme: Literal["s3", "gs"]
    bucket: str
    config: Mapping[str, Any] = field(repr=False)
    table_options: Mapping[str, str] = field(repr=False)
    credentials: SessionCredentials | None = field(default=None, repr=False)
    plain_http: bool = False
    verify: bool | str | None = None

    def store(self, prefix: str) -> GCSStore | S3Store:
        """The ``obstore`` store of that prefix.

        :raises ConfigError: if the file of authorities can't be read.
        """
        from obstore.store import GCSStore, S3Store

        client: ClientConfig = {"allow_http": self.plain_http, "timeout": _REQUEST, "connect_timeout": _CONNECT}
        if self.verify is False:
            client["allow_invalid_certificates"] = True
        more: dict[str, Any] = {} if self.credentials is None else {"credential_provider": self.credentials}
        kind = S3Store if self.scheme == "s3" else GCSStore
        try:
            if isinstance(self.verify, str):
                client = cast("ClientConfig", {**client, "root_certificate": Path(self.verify).read_text("ascii")})
            return kind(
                self.bucket, prefix=prefix or None, client_options=client, retry_config=_RETRY, **self.config, **more
            )
        except (OSError, ValueError):
            raise ConfigError(
                "the object store's settings can't be used.",
                where=f"{self.scheme}://{self.bucket}",
                todo="Look at endpoint_url and region_name; the file that verify names must hold certificates in PEM.",
            ) from None

    @property
    def storage_options(self) -> dict[str, str]:
        """What ``deltalake`` and Polars take, with the credentials of this moment."""
        now = {} if self.credentials is None else self.credentials.keys()
        return {**_table_times(), **self.table_options, **{f"aws_{name}": value for name, value in now.items()}}


def _table_times() -> dict[str, str]:
    """Of one request, for ``deltalake`` and Polars, whose own retries end within three minutes."""
    times = {"timeout": _REQUEST, "connect_timeout": _CONNECT}
    return {name: f"{time / timedelta(milliseconds=1):.0f}ms" for name, time in times.items()}


def s3_options(bucket: str, connection: Connection | None) -> CloudOptions:
    """What an ``aws`` connection says, or how the machine reaches S3.

    :raises ConfigError: for a field that can't be used.
    :raises StorageDeniedError: if there are no credentials, or the role can't be assumed.
    """
    access = s3_access(connection)
    region, endpoint = access.setting("region_name"), access.endpoint
    config: dict[str, str] = {}
    credentials = None
    elsewhere = access.setting("role_arn") or access.setting("profile_name")
    named = next((url for name in _ENDPOINTS if (url := os.environ.get(name))), None) if endpoint is None else None
    if access.keys.keys() >= {"access_key_id", "secret_access_key"} and region and not elsewhere and named is None:
        # Everything is said: boto3 need not be asked.
        config = dict(access.keys)
    elif elsewhere or find_spec("boto3") is not None:
        session = access.session()
        credentials = SessionCredentials(session, access.where)
        meta = access.client(session).meta
        region = meta.region_name
        endpoint = None if _AMAZON.fullmatch(meta.endpoint_url) else meta.endpoint_url
    else:
        config, endpoint = dict(access.keys), endpoint or named
        if named is not None:
            refuse_machine_http(named, connection, access.where)
    config |= {name: value for name, value in (("region", region), ("endpoint", endpoint)) if value}
    plain_http = str(endpoint or "").startswith("http://")
    table = {f"aws_{key}": str(value) for key, value in config.items()}
    if "endpoint" in config:
        table["aws_endpoint_url"] = table.pop("aws_endpoint")
    table["aws_conditional_put"] = "etag"
    if plain_http:
        table["aws_allow_http"] = "true"
    if access.verify is False:
        table["allow_invalid_certificates"] = "true"
    return CloudOptions(
        scheme="s3",
        bucket=bucket,
        config=config,
        table_options=table,
        credentials=credentials,
        plain_http=plain_http,
        verify=access.verify,
    )


def gcs_options(bucket: str, connection: Connection | None) -> CloudOptions:
    """What a ``google_cloud_platform`` connection says; without one, the application default credentials.

    A ``gs_base_url`` in the key, as object store clients write it, names an emulator or a private endpoint.

    :raises ConfigError: if that has no TLS and is on another machine, and the extra has no ``allow_http``.
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
                refuse_plain_http(config["base_url"], connection, field="gs_base_url")
                plain_http = config["base_url"].startswith("http://")
        elif connection.extra.get("key_path"):
            config["service_account"] = str(connection.extra["key_path"])
    storage = {f"google_{key}": str(value) for key, value in config.items()}
    if plain_http:
        storage["allow_http"] = "true"
    return CloudOptions(scheme="gs", bucket=bucket, config=config, table_options=storage, plain_http=plain_http)
